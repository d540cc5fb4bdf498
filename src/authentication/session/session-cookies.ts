/**
 * Finds the session that the cookie of a request opens. If several origins share a login, that depends on the origin: on the login
 * origin the cookie is a session id, on the others a linked cookie. A session that a trusted backend or a program opened on another
 * origin has its id in the cookie there.
 */

import type { Denial } from '../../errors.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import type { UserPrincipal } from '../../principal.ts';
import type { LinkedCookies } from './linked-cookies.ts';
import { isSessionId, sessionHandle } from './session-id.ts';
import type { Sessions } from './sessions.ts';

/** How origins share a login. */
interface SharedLogin {
  /** The origin at which people log in. */
  readonly loginOrigin: string;
  readonly links: LinkedCookies;
}

/** Reads session cookies, of one configuration. */
export class SessionCookies {
  readonly #sessions: Sessions;
  readonly #shared: SharedLogin | null;

  /** @param shared  `null` where each origin has logins of its own */
  constructor(sessions: Sessions, shared: SharedLogin | null) {
    this.#sessions = sessions;
    this.#shared = shared;
  }

  /**
   * The session id that a cookie stands for, at once where it is known; else as a promise. A cookie that stands for no
   * other id counts as a session id itself: whether it opens a session is not checked.
   *
   * @param cookie  its value, untrusted
   * @param origin  the public origin of the request; `null` for hosts that only machines call
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  sessionIdOf(cookie: string, origin: string | null): string | Promise<string> {
    if (this.#shared === null || origin === null || origin === this.#shared.loginOrigin) return cookie;
    const { links } = this.#shared;
    const recent = links.recent(cookie, origin);
    if (recent !== null) return recent;
    if (!isSessionId(cookie) || this.#sessions.isCached(cookie)) return cookie;
    return links.read(cookie, origin).then((linked) => linked ?? cookie);
  }

  /**
   * The user of a cookie, as {@link Sessions.authenticate} returns it.
   *
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  authenticate(cookie: string, origin: string | null): UserPrincipal | Denial | Promise<UserPrincipal | Denial> {
    const sessionId = this.sessionIdOf(cookie, origin);
    return typeof sessionId === 'string'
      ? this.#sessions.authenticate(sessionId)
      : sessionId.then((id) => this.#sessions.authenticate(id));
  }

  /** The same without counting as use, as {@link Sessions.look} returns it. */
  async look(cookie: string, origin: string | null): Promise<UserPrincipal | Denial> {
    return this.#sessions.look(await this.sessionIdOf(cookie, origin));
  }

  /** The handle of the session that a cookie stands for, whether or not there is one; `null` when it cannot be one. */
  async handleOf(cookie: string, origin: string | null): Promise<SessionHandle | null> {
    const sessionId = await this.sessionIdOf(cookie, origin);
    return isSessionId(sessionId) ? sessionHandle(sessionId) : null;
  }
}
