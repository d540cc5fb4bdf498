/**
 * Slows guesses at a client's credential. Counted per client and network of the caller, so that a guesser elsewhere never
 * locks the client out, and in the store, so that all replicas count together.
 *
 * A client with the right credential costs the store nothing: the store is asked only after a recent failure.
 */

import { LRUCache } from 'lru-cache';
import { type Denial, rateLimited } from '../../errors.ts';
import { clientNetwork } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import type { AttemptStore, ThrottleRule } from '../../store/store.ts';

/** Most pairs of client and network whose failures are remembered. */
const MAX_REMEMBERED = 10_000;

/** Counts failed authentications, and slows what follows them. */
export class FailedAttempts {
  readonly #kind: string;
  readonly #attempts: AttemptStore;
  readonly #rule: ThrottleRule;
  readonly #wallMs: Clock;
  /** When the last failure was, by key. */
  readonly #failedAtMs = new LRUCache<string, number>({ max: MAX_REMEMBERED });

  /** @param kind  of the clients: a client and a backend of the same name are counted apart */
  constructor(kind: 'client' | 'backend', attempts: AttemptStore, rule: ThrottleRule, wallMs: Clock) {
    this.#kind = kind;
    this.#attempts = attempts;
    this.#rule = rule;
    this.#wallMs = wallMs;
  }

  /**
   * Judges a credential, unless too many failed before it.
   *
   * @param clientId  the client that it claims to be of; `null` when there is no such client
   * @param address   of the caller, in plain form
   * @param judge     says what is wrong with it; `null` when it holds
   * @returns what `judge` says, or a Denial `rate_limited`
   * @throws DependencyFault `store_unavailable`, as a rejection, when a failure cannot be counted
   */
  async guard(clientId: string | null, address: string, judge: () => Promise<Denial | null>): Promise<Denial | null> {
    const key = JSON.stringify([this.#kind, clientId, clientNetwork(address)]);
    const isSuspect = this.#hasFailedLately(key);
    if (isSuspect) {
      const waitMs = await this.#attempts.begin(key, this.#rule, this.#wallMs());
      if (waitMs > 0) return slowed(waitMs);
    }
    const problem = await judge();
    if (problem === null) {
      if (isSuspect) {
        await this.#attempts.succeeded(key);
        this.#failedAtMs.delete(key);
      }
      return null;
    }
    this.#failedAtMs.set(key, this.#wallMs());
    const waitMs = isSuspect ? 0 : await this.#attempts.begin(key, this.#rule, this.#wallMs());
    return waitMs > 0 ? slowed(waitMs) : problem;
  }

  #hasFailedLately(key: string): boolean {
    const atMs = this.#failedAtMs.get(key);
    return atMs !== undefined && this.#wallMs() - atMs < this.#rule.windowMs + this.#rule.maxDelayMs;
  }
}

const slowed = (waitMs: number) =>
  rateLimited('too many failed authentications of the client from the address', waitMs);
