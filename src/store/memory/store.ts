/**
 * store/memory: the embedded store. Everything is in the memory of one process and lost when it ends. Bounded: when it
 * is full, logins are refused; a live session is never evicted, because that would log a user out. It never fails
 * otherwise.
 */

import type { Clocks } from '../../lib/clock.ts';
import { SessionNews } from '../session-news.ts';
import type { AttemptStore, OnceStore, RevocationFeed, Store, ThrottleRule } from '../store.ts';
import { throttleDelayMs } from '../throttle.ts';
import { MemoryCodes } from './codes.ts';
import { ExpiringMap } from './expiring-map.ts';
import { MemoryFamilies } from './families.ts';
import { MemoryLoginTransactions } from './login-transactions.ts';
import { MemorySealedTokens } from './sealed-tokens.ts';
import { MemorySessions } from './sessions.ts';
import { MemoryTokenRevocations } from './token-revocations.ts';

class MemoryFeed extends SessionNews implements RevocationFeed {
  readonly #clocks: Clocks;

  constructor(clocks: Clocks) {
    super();
    this.#clocks = clocks;
  }

  /** A call within one process is always delivered. */
  provenAtMs(): number {
    return this.#clocks.monotonicMs();
  }

  lastProvenAtMs(): number {
    return this.#clocks.monotonicMs();
  }

  unbrokenSinceMs(): number {
    return Number.NEGATIVE_INFINITY;
  }
}

/** Failed attempts, bounded: the key that has been quiet for longest is forgotten first. */
class MemoryAttempts implements AttemptStore {
  static readonly #maxKeys = 100_000;
  readonly #failures = new Map<string, { count: number; notBeforeMs: number; forgetAtMs: number }>();

  async begin(key: string, rule: ThrottleRule, nowMs: number): Promise<number> {
    const present = this.#failures.get(key);
    const known = present !== undefined && present.forgetAtMs > nowMs ? present : null;
    if (known !== null && known.notBeforeMs > nowMs) return known.notBeforeMs - nowMs;
    const count = (known?.count ?? 0) + 1;
    this.#failures.delete(key);
    const notBeforeMs = nowMs + throttleDelayMs(count, rule);
    this.#failures.set(key, { count, notBeforeMs, forgetAtMs: notBeforeMs + rule.windowMs });
    this.#forgetQuietest();
    return 0;
  }

  async succeeded(key: string): Promise<void> {
    this.#failures.delete(key);
  }

  async takeBack(key: string): Promise<void> {
    const failures = this.#failures.get(key);
    if (failures === undefined) return;
    if (failures.count <= 1) this.#failures.delete(key);
    else this.#failures.set(key, { ...failures, count: failures.count - 1, notBeforeMs: 0 });
  }

  #forgetQuietest(): void {
    for (const key of this.#failures.keys()) {
      if (this.#failures.size <= MemoryAttempts.#maxKeys) return;
      this.#failures.delete(key);
    }
  }
}

/** Used keys, bounded: when there is no room, a use is refused; a live one is never forgotten. */
class MemoryOnce implements OnceStore {
  static readonly #maxKeys = 100_000;
  readonly #used: ExpiringMap<true>;

  constructor(clocks: Clocks) {
    this.#used = new ExpiringMap(clocks.wallMs);
  }

  async use(key: string, ttlMs: number): Promise<boolean> {
    if (this.#used.get(key) !== null) return false;
    this.#used.requireRoom(MemoryOnce.#maxKeys);
    this.#used.set(key, true, ttlMs);
    return true;
  }
}

/** Makes the embedded store. @param maxSessions  logins beyond this are refused with `store_full` */
export function createMemoryStore(maxSessions: number, clocks: Clocks): Store {
  const feed = new MemoryFeed(clocks);
  const sessions = new MemorySessions(feed, clocks, maxSessions);
  return {
    sessions,
    feed,
    tokenRevocations: new MemoryTokenRevocations(feed, clocks, maxSessions),
    attempts: new MemoryAttempts(),
    once: new MemoryOnce(clocks),
    loginTransactions: new MemoryLoginTransactions(clocks),
    sealedTokens: new MemorySealedTokens(sessions, clocks),
    families: new MemoryFamilies(feed, clocks, maxSessions),
    codes: new MemoryCodes(clocks),
    kind: 'memory',
    description: 'memory (one process, lost on restart)',
    isAvailable: () => true,
    close: async () => {},
  };
}
