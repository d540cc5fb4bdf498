/**
 * The other origins' part of a hand-over: they redirect browsers to the login origin instead of showing a login, and redeem the code
 * with which browsers return, at `GET {base}/handed-over`.
 *
 * As with an identity provider, the store holds the transaction of a hand-over in progress, bound by a cookie to the browser that began
 * it, one for each tab, for one use (`oidc/flow/transactions.ts`). It keeps the return target out of the addresses of the login origin.
 */

import { asGatewayFault, Denial, type Reason } from '../../../errors.ts';
import type { Exchange } from '../../../exchange.ts';
import type { SessionHandle } from '../../../jwt/names.ts';
import { BASE64URL_32_BYTES_PATTERN } from '../../../lib/crypto/base64url.ts';
import { pkceChallenge } from '../../../lib/crypto/pkce.ts';
import type { UserPrincipal } from '../../../principal.ts';
import type { LoginMark } from '../../../response/error-page.ts';
import type { ScreenedRequest } from '../../../sanitize/sanitize.ts';
import type { AuditSource } from '../../../telemetry/audit.ts';
import { leadOn, navigationProblem, presentUser, sourceOf } from '../../parts.ts';
import { setSessionCookie } from '../../session-cookie.ts';
import type { HandOverTransaction } from '../oidc/flow/transactions.ts';
import { refusalPage } from '../pages.ts';
import { HOME } from '../return-target.ts';
import type { HandOverParts } from './parts.ts';

declare module '../../../telemetry/audit.ts' {
  interface AuditGrants {
    /** A login was handed over from the login origin to another one, where the session has a cookie from now on. */
    readonly login_handed_over: {
      readonly subject: string;
      readonly handle: SessionHandle;
      readonly origin: string;
    };
  }
  interface AuditEvents {
    readonly hand_over_refused: {
      /** A fault when something is broken, so that nobody was logged in. */
      readonly reason: Reason;
      /** Fixed words that name the rule. */
      readonly note: string;
    };
  }
}

/** What is asked of the login origin. */
interface WantedHandOver {
  /** Where the person wants to go; checked. */
  readonly returnTo: string;
  /** Of the login page that is asked for. */
  readonly marks: readonly LoginMark[];
  /** The identity provider to log in with; `null` leaves the choice to the person. */
  readonly provider: string | null;
  /** Id of the route that requires more of the login than most; `null` for none. */
  readonly route: string | null;
}

const NOT_HERE = new Denial('route_not_found', 'the login origin accepts no hand-over');
const COOKIE_MISSING = new Denial('login_cookie_missing', 'the browser did not send the cookie of logins back');
const NO_COOKIE = new Denial('login_cookie_missing', 'the code came without the cookie of logins');
const TWICE = new Denial('login_expired', 'hand-over code or state is missing, malformed or repeated');
const UNKNOWN = new Denial('login_expired', 'this browser has no hand-over with that state');
const OTHER_ORIGIN = new Denial('login_expired', 'the hand-over began on another origin');
const ENDED = new Denial('login_expired', 'the session ended during the hand-over');

/** Answers on the other origins. */
export class OtherOrigin {
  readonly #parts: HandOverParts;

  constructor(parts: HandOverParts) {
    this.#parts = parts;
  }

  /** Whether a request is for an origin other than the login origin. */
  is({ publicOrigin }: ScreenedRequest): boolean {
    return publicOrigin !== null && this.#parts.others.has(publicOrigin);
  }

  /** Sends a browser to the login origin. */
  async begin(exchange: Exchange, request: ScreenedRequest, wanted: WantedHandOver): Promise<Denial | null> {
    const script = navigationProblem(request);
    if (script !== null) return script;
    return this.#shown(exchange, request, wanted, () => this.#begin(exchange, request, wanted));
  }

  /** Redeems the code of the login origin, and redirects to the return target. */
  async finish(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    if (!this.is(request)) return NOT_HERE;
    const attempt = { returnTo: HOME };
    return this.#shown(exchange, request, attempt, async () => {
      const query = new URLSearchParams(request.target.query);
      const [code, state] = [onlySecret(query, 'code'), onlySecret(query, 'state')];
      if (code === null || state === null) return TWICE;
      const transaction = await this.#transactionOf(request, state);
      if (transaction instanceof Denial) return transaction;
      attempt.returnTo = transaction.returnTo;
      return this.#take(exchange, request, code, transaction);
    });
  }

  async #begin(exchange: Exchange, request: ScreenedRequest, wanted: WantedHandOver): Promise<Denial | null> {
    const { login, loginOrigin, transactions, throttle, series } = this.#parts;
    const { returnTo, marks, provider, route } = wanted;
    const tooMany = throttle.begun.begin(request.clientAddress);
    if (tooMany !== null) return tooMany;
    const browser = transactions.browserOf(request.otherCookies);
    if (browser === null) {
      // Before the person types a password elsewhere: without the cookie, the login would fail.
      if (new URLSearchParams(request.target.query).has('cookie')) return COOKIE_MISSING;
      const again =
        route === null
          ? login.responder.loginPath(returnTo, [...marks, 'cookie'], provider)
          : login.responder.stepUpPath(returnTo, route, [...marks, 'cookie']);
      login.responder.redirect(exchange, 302, again, ['Set-Cookie', transactions.newCookieLine()]);
      return null;
    }
    const handOverTo = request.publicOrigin as string;
    const secrets = transactions.secrets(browser);
    await transactions.beginHandOver(browser, secrets, { handOverTo, returnTo });
    series.handOvers.inc({ outcome: 'begun' });
    const parameters = new URLSearchParams({
      to: handOverTo,
      state: secrets.state,
      challenge: pkceChallenge(secrets.verifier),
      ...Object.fromEntries(marks.map((mark) => [mark, '1'])),
      ...(provider !== null && { provider }),
      ...(route !== null && { route }),
    });
    const location = `${loginOrigin}${login.basePath}/hand-over?${parameters}`;
    login.responder.redirect(exchange, 302, location, ['Set-Cookie', transactions.cookieLine(browser)]);
    return null;
  }

  async #transactionOf(request: ScreenedRequest, state: string): Promise<HandOverTransaction | Denial> {
    const { transactions } = this.#parts;
    const browser = transactions.browserThatBegan(state, request.otherCookies);
    if (browser === null) return transactions.browserOf(request.otherCookies) === null ? NO_COOKIE : UNKNOWN;
    const transaction = (await transactions.takeHandOver(browser, state)) ?? UNKNOWN;
    if (transaction instanceof Denial) return transaction;
    return transaction.handOverTo === request.publicOrigin ? transaction : OTHER_ORIGIN;
  }

  async #take(
    exchange: Exchange,
    request: ScreenedRequest,
    code: string,
    { handOverTo: origin, returnTo, verifier, ...transaction }: HandOverTransaction,
  ): Promise<Denial | null> {
    const { login, codes, links, transactions, series, cookie } = this.#parts;
    // The person went back, or took long to log in: they are logged in at the login origin now, and need not log in again.
    if (transaction.isUsed || transactions.hasExpired(transaction)) return this.#again(exchange, request, returnTo);
    const sessionId = await codes.take(code, origin, verifier);
    if (sessionId instanceof Denial) return sessionId;
    const user = await login.sessions.look(sessionId);
    if (user instanceof Denial) return ENDED;
    const { session } = user;
    const linked = await links.link(sessionId, origin, Math.max(1, session.expiresAtMs - login.wallMs()));
    const { subject, handle } = session;
    const source = sourceOf(exchange, request);
    const cookies = await this.#cookieLines(setSessionCookie(cookie, linked, session), user, request, source);
    login.audit.grant({ event: 'login_handed_over', subject, handle, origin }, source);
    series.handOvers.inc({ outcome: 'taken' });
    leadOn(login, exchange, returnTo, cookies);
    return null;
  }

  /** The session cookie, and the refresh cookie where every login in a browser gets one: a family of its own for this origin. */
  async #cookieLines(
    setCookieLine: string,
    { session: record }: UserPrincipal,
    request: ScreenedRequest,
    source: AuditSource,
  ): Promise<readonly string[]> {
    const logins = this.#parts.login.refresh?.logins;
    if (logins?.wanted(null, request) !== 'browser') return ['Set-Cookie', setCookieLine];
    return (await logins.beginAnother('browser', { record, setCookieLine }, source)).headers;
  }

  async #again(exchange: Exchange, request: ScreenedRequest, returnTo: string): Promise<null> {
    const user: UserPrincipal | Denial | null = await presentUser(this.#parts.login, exchange, request);
    const { responder } = this.#parts.login;
    const isLoggedIn = user !== null && !(user instanceof Denial);
    responder.redirect(exchange, 303, isLoggedIn ? returnTo : responder.loginPath(returnTo, []));
    return null;
  }

  /**
   * Runs a step of a hand-over. A failure is counted, recorded, and answered with a page that has a link to continue.
   */
  async #shown(
    exchange: Exchange,
    request: ScreenedRequest,
    attempt: Readonly<{ returnTo: string }>,
    work: () => Promise<Denial | null>,
  ): Promise<null> {
    const why = await work().catch(asGatewayFault);
    if (why === null) return null;
    const { login, series } = this.#parts;
    const { reason } = why;
    series.handOvers.inc({ outcome: why instanceof Denial ? 'refused' : 'failed' });
    const note = why instanceof Denial ? why.note : why.message;
    login.audit.write({ event: 'hand_over_refused', reason, note }, sourceOf(exchange, request));
    const again = login.responder.loginPath(attempt.returnTo, []);
    login.responder.failurePage(exchange, why, refusalPage(reason, again, 'tryAgain'));
    return null;
  }
}

/** A parameter that occurs once, in the form of the gateway's secrets. */
function onlySecret(query: URLSearchParams, name: string): string | null {
  const [value = '', ...more] = query.getAll(name);
  return more.length === 0 && BASE64URL_32_BYTES_PATTERN.test(value) ? value : null;
}
