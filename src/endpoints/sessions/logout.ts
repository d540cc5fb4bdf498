/**
 * `{base}/logout`, `{base}/logout/all` and `{base}/logged-out`. A GET changes nothing. The cookie is deleted only when the
 * store has confirmed that the session is gone: while it does not answer, nobody is reported as logged out (SES-07).
 */

import { Denial } from '../../errors.ts';
import type { Exchange } from '../../exchange.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { SessionRecord } from '../../store/session-record.ts';
import type { LogoutAtProvider } from '../login/oidc/logout/logout-at-provider.ts';
import { type EndpointParts, presentedHandle, requireUser, sourceOf } from '../parts.ts';
import { readParameters } from '../refresh/refresh-request.ts';
import { loggedOutHerePage, loggedOutPage, logoutPage } from './pages.ts';

declare module '../../telemetry/audit.ts' {
  interface AuditEvents {
    readonly logout: {
      readonly subject: string;
      readonly handle: SessionHandle;
    };
    readonly logout_all: {
      readonly subject: string;
      readonly handles: readonly SessionHandle[];
    };
  }
}

/** The logout endpoints. */
export class Logout {
  readonly #parts: EndpointParts;

  readonly #atProvider: LogoutAtProvider;

  constructor(parts: EndpointParts, atProvider: LogoutAtProvider) {
    this.#parts = parts;
    this.#atProvider = atProvider;
  }

  /** Asks whether to log out. */
  confirm(exchange: Exchange): null {
    this.#parts.responder.page(exchange, 200, logoutPage(this.#parts.basePath));
    return null;
  }

  /** Says that it is done. */
  async done(exchange: Exchange, request: ScreenedRequest): Promise<null> {
    await this.#atProvider.returned(request);
    this.#parts.responder.page(exchange, 200, loggedOutPage(this.#parts.basePath));
    return null;
  }

  /** Ends the session of the request. Without one there is nothing to end, and the answer is the same. */
  async one(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { sessions, audit, originProblem } = this.#parts;
    const foreign = originProblem(request, this.#hasRefreshToken(request) ? 'program' : 'page');
    if (foreign !== null) return foreign;
    const handle = await this.#presentedHandle(exchange, request);
    if (handle instanceof Denial) return handle;
    const sealed = handle === null ? null : await this.#atProvider.sealedOf(handle);
    const ended = handle === null ? null : await sessions.end(handle, 'logout');
    if (ended !== null) {
      audit.write({ event: 'logout', subject: ended.subject, handle: ended.handle }, sourceOf(exchange, request));
    }
    return this.#answer(exchange, request, ended, sealed);
  }

  /** Ends every session of the user whose session the request presents. */
  async everywhere(exchange: Exchange, request: ScreenedRequest): Promise<Denial | null> {
    const { sessions, audit, originProblem } = this.#parts;
    const foreign = originProblem(request, 'page');
    if (foreign !== null) return foreign;
    const user = await requireUser(this.#parts, exchange, request);
    if (user instanceof Denial) return user;
    const sealed = await this.#atProvider.sealedOf(user.session.handle);
    const handles = await sessions.endAll(user.subject, 'logout_all');
    audit.write({ event: 'logout_all', subject: user.subject, handles }, sourceOf(exchange, request));
    return this.#answer(exchange, request, user.session, sealed);
  }

  /** The session to end: that of the cookie, or that of the refresh token that a native app sends in the body. */
  async #presentedHandle(exchange: Exchange, request: ScreenedRequest): Promise<SessionHandle | null | Denial> {
    const { refresh, bodyTimeoutMs } = this.#parts;
    if (refresh === null || !this.#hasRefreshToken(request)) return presentedHandle(this.#parts, request);
    const sent = await readParameters(exchange, request, bodyTimeoutMs);
    if (sent instanceof Denial) return sent;
    return sent.refresh_token === undefined ? null : refresh.logins.sessionOf(sent.refresh_token);
  }

  /** A body without a session cookie: only a native app sends that, with its refresh token. */
  #hasRefreshToken({ sessionCookie, body }: ScreenedRequest): boolean {
    return this.#parts.refresh !== null && sessionCookie === null && body !== 0;
  }

  /**
   * The answer after a logout: deletes cookies, with a page for people and no body for programs. A page, not a redirect, takes people on
   * to the provider: the policy of the page with the form would not let its answer redirect there.
   *
   * @param ended   `null` where there was no session
   * @param sealed  the tokens of its identity provider
   */
  async #answer(
    exchange: Exchange,
    request: ScreenedRequest,
    ended: SessionRecord | null,
    sealed: string | null,
  ): Promise<null> {
    const { responder, basePath, clearCookieLine, refresh } = this.#parts;
    const idToken = ended === null || sealed === null ? null : await this.#atProvider.revoke(ended, sealed, request);
    const headers = ['Set-Cookie', clearCookieLine];
    if (refresh !== null) headers.push('Set-Cookie', refresh.cookie.clearLine);
    if (!responder.answersWithPage(request)) {
      responder.empty(exchange, 204, headers);
      return null;
    }
    const next = ended === null ? null : await this.#atProvider.next(ended, idToken, request);
    if (next === null) {
      responder.redirect(exchange, 303, `${basePath}/logged-out`, headers);
      return null;
    }
    const all = [...headers, ...next.headers, 'Refresh', `0; url=${next.url}`];
    responder.page(exchange, 200, loggedOutHerePage(next), all);
    return null;
  }
}
