/**
 * `GET` and `POST {base}/authorize` (RFC 6749 §3.1): asks the user of the browser's session whether the program on the same
 * computer may log in, and sends the browser back to it with a code or an error. A GET changes nothing.
 */

import { randomBytes } from 'node:crypto';
import { Denial } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { UserPrincipal } from '../../principal.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import { parseForm } from '../body.ts';
import { keepUp, requireUser } from '../parts.ts';
import {
  type AuthorizationRequest,
  codeAddress,
  errorAddress,
  type RedirectedError,
  readAuthorizationRequest,
} from './authorization-request.ts';
import { COMMAND_LINE_CLIENT } from './client.ts';
import { consentSeal, isAllowedBy, isSealed, NOT_SEALED, readConsentForm, scriptProblem } from './consent.ts';
import { consentPage } from './pages.ts';
import { type CommandLineParts, recordDecision, recordRefusal } from './parts.ts';
import { codeKey } from './redeemer.ts';

const GRANT = 'authorization_code';
/** RFC 6749 §4.1.2 allows ten minutes; the browser is redirected at once. */
export const AUTHORIZATION_CODE_LIFETIME_MS = 60_000;

/** The authorization endpoint. */
export class AuthorizeEndpoint {
  readonly #parts: CommandLineParts;
  readonly #path: string;

  constructor(parts: CommandLineParts) {
    this.#parts = parts;
    this.#path = `${parts.login.basePath}/authorize`;
  }

  /** Asks the user; one who is not logged in is sent to the login first. */
  async ask(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const script = scriptProblem(request);
    if (script !== null) return script;
    const asked = this.#read(parseForm(request.target.query.slice(1)));
    if (asked instanceof Denial || 'error' in asked) return this.#refuse(exchange, request, asked, 302);
    const user = await requireUser(this.#parts.login, exchange, request);
    if (user instanceof Denial) return user;
    this.#parts.series.logins.inc({ grant: GRANT, result: 'asked' });
    this.#parts.login.responder.page(exchange, 200, this.#page(asked, user, request, false));
    return null;
  }

  /** Takes the decision. */
  async decide(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { login, issuer } = this.#parts;
    const form = await readConsentForm(login, exchange, request);
    if (form instanceof Denial) return form;
    const asked = this.#read(form);
    if (asked instanceof Denial || 'error' in asked) return this.#refuse(exchange, request, asked, 303);
    await keepUp(login, request);
    const user = await requireUser(login, exchange, request);
    if (user instanceof Denial) return user;

    if (!isSealed(form.get('seal') ?? '', request, about(asked))) {
      recordRefusal(this.#parts, GRANT, NOT_SEALED, user, exchange, request);
      login.responder.failurePage(exchange, NOT_SEALED, this.#page(asked, user, request, true));
      return null;
    }
    const isAllowed = isAllowedBy(form);
    if (isAllowed instanceof Denial) return isAllowed;
    const denied = { ...asked, error: 'access_denied', description: 'the user refused' } as const;
    const address = isAllowed
      ? codeAddress(asked, await this.#newCode(asked, user), issuer)
      : errorAddress(denied, issuer);
    recordDecision(this.#parts, GRANT, isAllowed, user, exchange, request);
    login.responder.redirect(exchange, 303, address);
    return null;
  }

  #read(form: ReadonlyMap<string, string> | Denial) {
    const { accessTokens } = this.#parts.refresh;
    return readAuthorizationRequest(form, (scope) => !(accessTokens.scopesFor(scope) instanceof Denial));
  }

  #refuse(
    exchange: Exchange,
    request: ScreenedRequest,
    why: Denial | RedirectedError,
    status: 302 | 303,
  ): Denial | null {
    const { login, issuer } = this.#parts;
    const denial = why instanceof Denial ? why : new Denial('authorization_request_invalid', why.description);
    recordRefusal(this.#parts, GRANT, denial, null, exchange, request);
    if (why instanceof Denial) return why;
    login.responder.redirect(exchange, status, errorAddress(why, issuer));
    return null;
  }

  async #newCode({ redirectUri, challenge }: AuthorizationRequest, { session }: UserPrincipal): Promise<string> {
    const code = randomBytes(32).toString('base64url');
    const expiresAtMs = this.#parts.login.wallMs() + AUTHORIZATION_CODE_LIFETIME_MS;
    const binding = { redirectUri, challenge };
    const approval = { state: 'approved', expiresAtMs, session: session.handle, binding } as const;
    await this.#parts.approvals.add(codeKey(code), approval, AUTHORIZATION_CODE_LIFETIME_MS);
    return code;
  }

  #page(asked: AuthorizationRequest, user: UserPrincipal, request: ScreenedRequest, isAgain: boolean) {
    const { redirectUri, challenge, state } = asked;
    const fields = {
      client_id: COMMAND_LINE_CLIENT,
      redirect_uri: redirectUri,
      response_type: 'code',
      code_challenge: challenge,
      code_challenge_method: 'S256',
      state,
      seal: consentSeal(request, about(asked)),
    };
    const { subject, session } = user;
    const scopes = [...this.#parts.refresh.accessTokens.allScopes];
    const { expiresAtMs } = session;
    const host = new URL(request.publicOrigin as string).host;
    const consent = { host, subject, scopes, expiresAtMs, action: this.#path, fields };
    return consentPage(consent, new URL(redirectUri).origin, isAgain);
  }
}

const about = ({ redirectUri, challenge, state }: AuthorizationRequest) => ['authorize', redirectUri, challenge, state];
