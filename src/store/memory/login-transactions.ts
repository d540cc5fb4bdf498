/** Logins under way, in the memory of one process. Bounded: when there is no room, the oldest is forgotten. */

import type { Clocks } from '../../lib/clock.ts';
import type { LoginTransactionLimits, LoginTransactionStore } from '../store.ts';

/** The most logins under way at a time, over all browsers. */
export const MAX_TRANSACTIONS_IN_MEMORY = 50_000;

interface Transaction {
  readonly browser: string;
  readonly value: string;
  readonly deadlineMs: number;
}

/** The logins under way of the embedded store. */
export class MemoryLoginTransactions implements LoginTransactionStore {
  /** By browser and id; the oldest first, which is also the first to expire. */
  readonly #held = new Map<string, Transaction>();
  /** The keys of each browser; the oldest first. */
  readonly #byBrowser = new Map<string, Set<string>>();
  readonly #clocks: Clocks;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
  }

  async add(browser: string, id: string, value: string, limits: LoginTransactionLimits): Promise<void> {
    const key = keyOf(browser, id);
    this.#remove(key);
    this.#held.set(key, { browser, value, deadlineMs: this.#clocks.wallMs() + limits.ttlMs });
    const keys = this.#byBrowser.get(browser) ?? new Set();
    this.#byBrowser.set(browser, keys.add(key));
    for (const oldest of keys) {
      if (keys.size <= limits.maxPerBrowser) break;
      this.#remove(oldest);
    }
    this.#makeRoom();
  }

  async take(browser: string, id: string): Promise<string | null> {
    const key = keyOf(browser, id);
    const transaction = this.#held.get(key);
    this.#remove(key);
    return transaction !== undefined && transaction.deadlineMs > this.#clocks.wallMs() ? transaction.value : null;
  }

  #makeRoom(): void {
    const nowMs = this.#clocks.wallMs();
    for (const [oldest, { deadlineMs }] of this.#held) {
      if (this.#held.size <= MAX_TRANSACTIONS_IN_MEMORY && deadlineMs > nowMs) return;
      this.#remove(oldest);
    }
  }

  #remove(key: string): void {
    const transaction = this.#held.get(key);
    if (transaction === undefined) return;
    this.#held.delete(key);
    const keys = this.#byBrowser.get(transaction.browser);
    keys?.delete(key);
    if (keys?.size === 0) this.#byBrowser.delete(transaction.browser);
  }
}

const keyOf = (browser: string, id: string): string => JSON.stringify([browser, id]);
