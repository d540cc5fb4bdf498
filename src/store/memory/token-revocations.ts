/**
 * Revoked tokens and ended sessions in the memory of one process, each until no such token can be alive. Bounded: when
 * there is no room, ends of sessions are forgotten first, the oldest before the others; revocations by operators go
 * last.
 */

import type { Clocks } from '../../lib/clock.ts';
import { MAX_SESSION_TOKEN_MS } from '../../lib/token-limits.ts';
import type { RevocationFeed, TokenRevocation, TokenRevocationFollower, TokenRevocationStore } from '../store.ts';
import { encodeTokenRevocation } from '../token-revocation.ts';

/** The revocations of the embedded store. */
export class MemoryTokenRevocations implements TokenRevocationStore {
  /** By written form; the oldest first. */
  readonly #held = new Map<string, TokenRevocation>();
  readonly #followers = new Set<TokenRevocationFollower>();
  readonly #clocks: Clocks;
  readonly #maxHeld: number;
  #endedSessionsMs = MAX_SESSION_TOKEN_MS;

  constructor(feed: RevocationFeed, clocks: Clocks, maxHeld: number) {
    this.#clocks = clocks;
    this.#maxHeld = maxHeld;
    feed.subscribe((handle) => {
      this.#keep({ kind: 'session', handle, expiresAtMs: clocks.wallMs() + this.#endedSessionsMs });
    });
  }

  async revoke(revocation: TokenRevocation): Promise<void> {
    this.#keep(revocation);
  }

  async current(): Promise<readonly TokenRevocation[]> {
    this.#dropExpired();
    return [...this.#held.values()];
  }

  follow(follower: TokenRevocationFollower): () => void {
    this.#followers.add(follower);
    follower.onResumed();
    return () => this.#followers.delete(follower);
  }

  keepEndedSessionsFor(ms: number): void {
    this.#endedSessionsMs = ms;
  }

  #keep(revocation: TokenRevocation): void {
    const entry = encodeTokenRevocation(revocation);
    const known = this.#held.get(entry);
    const longest = known !== undefined && known.expiresAtMs > revocation.expiresAtMs ? known : revocation;
    this.#held.delete(entry);
    this.#held.set(entry, longest);
    this.#makeRoom();
    for (const follower of this.#followers) follower.onRevoked(longest);
  }

  #makeRoom(): void {
    if (this.#held.size <= this.#maxHeld) return;
    this.#dropExpired();
    for (const kinds of [['session'], ['token', 'subject']]) {
      for (const [oldest, { kind }] of this.#held) {
        if (this.#held.size <= this.#maxHeld) return;
        if (kinds.includes(kind)) this.#held.delete(oldest);
      }
    }
  }

  #dropExpired(): void {
    const nowMs = this.#clocks.wallMs();
    for (const [entry, { expiresAtMs }] of this.#held) if (expiresAtMs <= nowMs) this.#held.delete(entry);
  }
}
