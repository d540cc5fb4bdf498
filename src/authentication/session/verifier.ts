/** Verifies session cookies: the {@link Sessions} of the gateway in the place that the authenticator has for them. */

import { Denial } from '../../errors.ts';
import type { UserPrincipal } from '../../principal.ts';
import type { ScreenedRequest } from '../../sanitize/sanitize.ts';
import type { CredentialVerifier } from '../kind.ts';
import type { AcceptedSession } from './kind.ts';
import type { SessionCookies } from './session-cookies.ts';
import type { Sessions } from './sessions.ts';

/** Keeps sessions in line with what opened them, such as an identity provider. */
export interface SessionUpkeep {
  /** Whether there is nothing to do for a session now. */
  isQuiet(user: UserPrincipal): boolean;
  /**
   * Does whatever is due for a session in use.
   *
   * @returns a Denial when the session has ended; `null` when the request continues, possibly with other attributes
   * @throws DependencyFault as a rejection, when the request needs an answer that is unavailable
   */
  look(user: UserPrincipal, sessionId: string): Promise<Denial | null> | null;
  /**
   * Does the same for as long as a stream of a session is open, whether or not it is used otherwise.
   *
   * @param onEnd  called when the stream must not continue, though the session may not have ended
   * @returns stops it; `null` where there is nothing to do
   */
  watch(user: UserPrincipal, onEnd: () => void): (() => void) | null;
}

/** The verifier of the kind `session`. */
export class SessionVerifier implements CredentialVerifier<AcceptedSession, UserPrincipal> {
  readonly #sessions: Sessions;
  readonly #cookies: SessionCookies;
  readonly #upkeep: SessionUpkeep | null;

  /** @param upkeep  looks at each session that is used; `null` where there is nothing to look at */
  constructor(sessions: Sessions, cookies: SessionCookies, upkeep: SessionUpkeep | null) {
    this.#sessions = sessions;
    this.#cookies = cookies;
    this.#upkeep = upkeep;
  }

  /**
   * @returns the user, or a Denial `session_invalid` | `session_unknown` | `session_expired`
   * @throws DependencyFault `store_unavailable` | `provider_unavailable`, as a rejection
   */
  authenticate({
    sessionCookie,
    publicOrigin,
  }: ScreenedRequest): UserPrincipal | Denial | Promise<UserPrincipal | Denial> {
    // A cookie with two readings is a Denial already; the authenticator asks only where there is one.
    if (typeof sessionCookie !== 'string') return sessionCookie ?? NO_COOKIE;
    const found = this.#cookies.authenticate(sessionCookie, publicOrigin);
    if (this.#upkeep === null || found instanceof Denial) return found;
    if (!(found instanceof Promise) && this.#upkeep.isQuiet(found)) return found;
    return this.#looked(found, sessionCookie, publicOrigin, this.#upkeep);
  }

  /** Calls back when the session is revoked or expires. Use of the stream keeps it from expiring. */
  watch(principal: UserPrincipal, onEnd: () => void, use: () => number): () => void {
    const stop = this.#sessions.watch(principal, onEnd, use);
    const stopLooking = this.#upkeep?.watch(principal, onEnd) ?? null;
    if (stopLooking === null) return stop;
    return () => {
      stop();
      stopLooking();
    };
  }

  /** The user as they are after the look. */
  async #looked(
    finding: UserPrincipal | Promise<UserPrincipal | Denial>,
    cookie: string,
    origin: string | null,
    upkeep: SessionUpkeep,
  ): Promise<UserPrincipal | Denial> {
    const found = await finding;
    if (found instanceof Denial || upkeep.isQuiet(found)) return found;
    const ended = await upkeep.look(found, await this.#cookies.sessionIdOf(cookie, origin));
    return ended ?? this.#cookies.authenticate(cookie, origin);
  }
}

const NO_COOKIE = new Denial('session_invalid', 'no session cookie');
