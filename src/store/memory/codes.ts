/** Codes in memory, bounded: when there is no room, another one is refused; a live one is never forgotten. */

import type { Clocks } from '../../lib/clock.ts';
import type { CodeStore } from '../store.ts';
import { ExpiringMap } from './expiring-map.ts';

const MAX_KEYS = 100_000;

/** Codes in memory. */
export class MemoryCodes implements CodeStore {
  readonly #values: ExpiringMap<string>;

  constructor(clocks: Clocks) {
    this.#values = new ExpiringMap(clocks.wallMs);
  }

  async add(key: string, value: string, ttlMs: number): Promise<boolean> {
    const present = this.#values.get(key);
    if (present !== null) return present === value;
    this.#values.requireRoom(MAX_KEYS);
    this.#values.set(key, value, ttlMs);
    return true;
  }

  async read(key: string): Promise<string | null> {
    return this.#values.get(key);
  }

  async replace(key: string, expected: string, value: string, ttlMs: number): Promise<boolean> {
    const present = this.#values.get(key);
    if (present !== expected && present !== value) return false;
    this.#values.set(key, value, ttlMs);
    return true;
  }

  async end(key: string): Promise<void> {
    this.#values.delete(key);
  }
}
