/** Verifies session cookies: the {@link Sessions} of the gateway in the place that the authenticator has for them. */

import { Denial } from '../../errors.ts';
import type { UserPrincipal } from '../../principal.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { CredentialVerifier } from '../kind.ts';
import type { AcceptedSession } from './kind.ts';
import type { SessionCookies } from './session-cookies.ts';
import type { Sessions } from './sessions.ts';

/** The verifier of the kind `session`. */
export class SessionVerifier implements CredentialVerifier<AcceptedSession, UserPrincipal> {
  readonly #sessions: Sessions;
  readonly #cookies: SessionCookies;

  constructor(sessions: Sessions, cookies: SessionCookies) {
    this.#sessions = sessions;
    this.#cookies = cookies;
  }

  /**
   * @returns the user, or a Denial `session_invalid` | `session_unknown` | `session_expired`
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  authenticate({
    sessionCookie,
    publicOrigin,
  }: ScreenedRequest): UserPrincipal | Denial | Promise<UserPrincipal | Denial> {
    // A cookie with two readings is a Denial already; the authenticator asks only where there is one.
    return typeof sessionCookie === 'string'
      ? this.#cookies.authenticate(sessionCookie, publicOrigin)
      : (sessionCookie ?? NO_COOKIE);
  }

  /** Calls back when the session is revoked or expires. Use of the stream keeps it from expiring. */
  watch(principal: UserPrincipal, onEnd: () => void, use: () => number): () => void {
    return this.#sessions.watch(principal, onEnd, use);
  }
}

const NO_COOKIE = new Denial('session_invalid', 'no session cookie');
