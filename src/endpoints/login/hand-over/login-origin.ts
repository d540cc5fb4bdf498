/**
 * The login origin's part of a hand-over: `GET {base}/hand-over`. Another origin of the gateway redirects a browser here. A browser that
 * is logged in returns there with a code; otherwise the person logs in first.
 *
 * The query names the origin that asks, which must be one of the configuration: there are no redirects to other places. The request
 * changes no state here. An attacker gains nothing by sending a person here: the code works only in a browser that has begun a
 * hand-over on that origin.
 */

import type { SessionId } from '../../../authentication/session/session-id.ts';
import { lackOf } from '../../../authorization/step-up.ts';
import { Denial } from '../../../errors.ts';
import type { Exchange } from '../../../exchange.ts';
import { BASE64URL_32_BYTES_PATTERN } from '../../../lib/crypto/base64url.ts';
import { authenticationOf } from '../../../principal.ts';
import type { ScreenedRequest } from '../../../sanitize/sanitize.ts';
import { navigationProblem, presentUser } from '../../parts.ts';
import { goOnPage } from '../pages.ts';
import type { HandOverParts } from './parts.ts';

const NOT_HERE = new Denial('route_not_found', 'not the login origin');
const MALFORMED = new Denial('query_malformed', 'malformed hand-over request');

/** What another origin asks for. */
interface Asked {
  readonly origin: string;
  readonly state: string;
  readonly challenge: string;
  /** Id of the route that requires more of the login than most; `null` for none. */
  readonly route: string | null;
}

/** Answers on the login origin. */
export class LoginOrigin {
  readonly #parts: HandOverParts;

  constructor(parts: HandOverParts) {
    this.#parts = parts;
  }

  /** The origin that a login leads to, if it is a hand-over; browsers apply the policy of the login page to it. */
  formTarget(returnTo: string): string | null {
    const [path, query] = returnTo.split('?', 2);
    return path === this.#path ? (this.#read(new URLSearchParams(query))?.origin ?? null) : null;
  }

  /** Issues a code for the browser's session, or redirects to the login and back here. */
  async give(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { login, loginOrigin, codes, series, throttle } = this.#parts;
    const { responder, isCookieStrict, wallMs } = login;
    if (request.publicOrigin !== loginOrigin) return NOT_HERE;
    const script = navigationProblem(request);
    if (script !== null) return script;
    const query = new URLSearchParams(request.target.query);
    const asked = this.#read(query);
    if (asked === null) return MALFORMED;
    const user = await presentUser(login, exchange, request);
    if (user === null && isCookieStrict && !query.has('again')) {
      // Browsers send the cookie only with a navigation that begins on this site.
      const here = `${this.#path}${request.target.query}&again=1`;
      responder.page(exchange, 200, goOnPage(here, 'login'), ['Refresh', `0; url=${here}`]);
      return null;
    }
    const requirement = this.#requirementOf(asked);
    if (requirement instanceof Denial) return requirement;
    const returnTo = this.#addressOf(asked);
    if (user === null || user instanceof Denial || query.has('switch')) {
      const marks = (['switch', 'ended', 'remember'] as const).filter((mark) => query.has(mark));
      responder.redirect(exchange, 302, responder.loginPath(returnTo, marks, query.get('provider')));
    } else if (requirement !== null && lackOf(requirement, authenticationOf(user), wallMs()) !== null) {
      responder.redirect(exchange, 302, responder.stepUpPath(returnTo, asked.route ?? '', []));
    } else {
      const tooMany = throttle.given.begin(request.clientAddress);
      if (tooMany !== null) return tooMany;
      // Not a linked cookie, since this is the login origin.
      const code = await codes.give(request.sessionCookie as SessionId, asked.origin, asked.challenge);
      series.handOvers.inc({ outcome: 'given' });
      const { origin, state } = asked;
      responder.redirect(exchange, 302, `${origin}${login.basePath}/handed-over?code=${code}&state=${state}`);
    }
    return null;
  }

  get #path(): string {
    return `${this.#parts.login.basePath}/hand-over`;
  }

  #read(query: URLSearchParams): Asked | null {
    const one = (name: string): string | null => {
      const values = query.getAll(name);
      return values.length === 1 ? (values[0] ?? null) : null;
    };
    const [origin, state, challenge] = [one('to'), one('state'), one('challenge')];
    if (origin === null || !this.#parts.others.has(origin)) return null;
    if (state === null || challenge === null) return null;
    if (![state, challenge].every((value) => BASE64URL_32_BYTES_PATTERN.test(value))) return null;
    return { origin, state, challenge, route: one('route') };
  }

  #requirementOf({ route }: Asked) {
    if (route === null) return null;
    return this.#parts.requirements.get(route) ?? MALFORMED;
  }

  /** Where a login leads back to: here, without the parameters that were meant for the login itself. */
  #addressOf({ origin, state, challenge, route }: Asked): string {
    const parameters = { to: origin, state, challenge, ...(route !== null && { route }) };
    return `${this.#path}?${new URLSearchParams(parameters)}`;
  }
}
