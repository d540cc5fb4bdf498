/**
 * Linked cookies: the session cookies of origins at which nobody logs in (docs/adr/0021-one-login-for-several-origins.md).
 * Each is a separate secret for one session on one origin. The store keeps the session id encrypted under that secret, so a copy
 * of the store opens nothing, and a linked cookie that leaks from one origin is useless on the others.
 *
 * A link lasts as long as its session can. It is never deleted early: without the session it is useless.
 */

import { createHmac } from 'node:crypto';
import { openText, sealText } from '../../lib/crypto/sealed-text.ts';
import { RecentMap } from '../../lib/recent-map.ts';
import type { CodeStore } from '../../store/store.ts';
import { isSessionId, type SessionId } from './session-id.ts';

/** What is kept in process of a link: it never changes. */
interface LinkedSession {
  readonly origin: string;
  readonly sessionId: SessionId;
}

/** For how many cookies their session is at hand, at 43 characters each: some 4,000 to 8,000. */
const RECENT_CHARACTERS = 43 * 4_096;

const PURPOSE = 'linked cookie';

/** Where the store keeps a link. */
const keyOf = (cookie: SessionId, origin: string): string => `${PURPOSE}:${origin}:${cookie}`;

/** Makes linked cookies, and knows which session each stands for. */
export class LinkedCookies {
  readonly #codes: CodeStore;
  readonly #recent = new RecentMap<LinkedSession>(RECENT_CHARACTERS);

  constructor(codes: CodeStore) {
    this.#codes = codes;
  }

  /**
   * Links an origin to a session. The value of the cookie follows from both, so that all tabs of a browser get the same one.
   *
   * @param ttlMs  until the absolute end of the session, from now
   * @returns the value of the cookie
   * @throws DependencyFault `store_unavailable` | `store_full`, as a rejection
   */
  async link(sessionId: SessionId, origin: string, ttlMs: number): Promise<SessionId> {
    const cookie = createHmac('sha256', sessionId).update(`${PURPOSE}\n${origin}`).digest('base64url') as SessionId;
    // Where it is linked already, it stays as it is: another seal of the same.
    await this.#codes.add(keyOf(cookie, origin), sealText(sessionId, cookie, PURPOSE), ttlMs);
    return cookie;
  }

  /** The session id behind a cookie, if it was asked for recently; `null` when the store has to be asked. */
  recent(cookie: string, origin: string): SessionId | null {
    const link = this.#recent.get(cookie);
    return link?.origin === origin ? link.sessionId : null;
  }

  /**
   * The session id behind a cookie; `null` when there is no such link on that origin.
   *
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  async read(cookie: SessionId, origin: string): Promise<SessionId | null> {
    const sealed = await this.#codes.read(keyOf(cookie, origin));
    const sessionId = sealed === null ? null : openText(sealed, cookie, PURPOSE);
    if (sessionId === null || !isSessionId(sessionId)) return null;
    this.#recent.set(cookie, { origin, sessionId });
    return sessionId;
  }
}
