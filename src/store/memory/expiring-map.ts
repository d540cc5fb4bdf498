/** Values by key, each until its deadline. */

import { DependencyFault } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';

interface Held<V> {
  value: V;
  deadlineMs: number;
}

/**
 * A map whose values expire. An expired value is never returned; it takes room until it is asked for or
 * {@link dropExpired} is called.
 */
export class ExpiringMap<V, K extends string = string> {
  readonly #held = new Map<K, Held<V>>();
  readonly #wallMs: Clock;
  readonly #onGone: (key: K, value: V) => void;

  /** @param onGone  called for each value that has expired or was deleted */
  constructor(wallMs: Clock, onGone: (key: K, value: V) => void = () => {}) {
    this.#wallMs = wallMs;
    this.#onGone = onGone;
  }

  /** How many values it holds, expired ones included. */
  get size(): number {
    return this.#held.size;
  }

  /** The value, unless it has expired. */
  get(key: K): V | null {
    const held = this.#held.get(key);
    if (held === undefined) return null;
    if (held.deadlineMs > this.#wallMs()) return held.value;
    this.delete(key);
    return null;
  }

  /** Sets a value and its deadline. */
  set(key: K, value: V, ttlMs: number): void {
    this.#held.set(key, { value, deadlineMs: this.#wallMs() + ttlMs });
  }

  /** Sets another value with the same deadline. Does nothing when there is none. */
  replace(key: K, value: V): void {
    const held = this.#held.get(key);
    if (held !== undefined) held.value = value;
  }

  /** Removes a value, expired or not. */
  delete(key: K): void {
    const held = this.#held.get(key);
    if (held === undefined) return;
    this.#held.delete(key);
    this.#onGone(key, held.value);
  }

  /** Removes every expired value. */
  dropExpired(): void {
    for (const key of this.#held.keys()) this.get(key);
  }

  /**
   * Makes sure that another value fits.
   *
   * @throws DependencyFault `store_full` when it holds `max` values that have not expired
   */
  requireRoom(max: number): void {
    if (this.size >= max) this.dropExpired();
    if (this.size >= max) throw new DependencyFault('store_full', 'the embedded store is full');
  }
}
