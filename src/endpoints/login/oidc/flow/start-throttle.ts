/**
 * How many logins a client may begin. Each takes a place in the store for a while, and anybody can begin one, so a flood must
 * not fill it; but an office of thousands can come from one address, and a browser opens twenty tabs at once.
 *
 * Counted by each process for itself, so that a flood costs the store nothing.
 */

import { Denial } from '../../../../errors.ts';
import { clientNetwork } from '../../../../lib/address.ts';
import type { Clock } from '../../../../lib/clock.ts';
import { TokenBucket } from '../../../../lib/concurrency/token-bucket.ts';
import { RecentMap } from '../../../../lib/recent-map.ts';

/** Logins that may begin at once, and over time. */
export interface StartRates {
  /** From one network, at once. */
  readonly burst: number;
  /** The time in which as many may begin again. */
  readonly windowMs: number;
}

/** A /48 may have this many times what a /64 of it may: a site of several networks is not one client. */
const WIDER_FACTOR = 4;
/** Total length of the networks that are remembered: some 50,000. One that is forgotten begins anew. */
const MAX_WEIGHT = 1_000_000;

/** A Denial 429. */
export const tooManyStarts = (waitMs: number): Denial =>
  new Denial('rate_limited', 'too many logins begun from the network', [
    'Retry-After',
    String(Math.ceil(waitMs / 1_000)),
  ]);

/** Bounds how many logins begin. */
export class StartThrottle {
  readonly #rates: StartRates;
  readonly #monotonicMs: Clock;
  readonly #buckets = new RecentMap<TokenBucket>(MAX_WEIGHT);

  constructor(rates: StartRates, monotonicMs: Clock) {
    this.#rates = rates;
    this.#monotonicMs = monotonicMs;
  }

  /**
   * Begins a login.
   *
   * @param address  of the client, in plain form
   * @returns 0, or the milliseconds to wait
   */
  begin(address: string): number {
    const network = clientNetwork(address);
    const waitMs = this.#take(network, 1);
    if (waitMs > 0 || network === address) return waitMs;
    return this.#take(`${clientNetwork(address, 48)}/48`, WIDER_FACTOR);
  }

  #take(key: string, factor: number): number {
    const nowMs = this.#monotonicMs();
    const { burst, windowMs } = this.#rates;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new TokenBucket((burst * factor * 1_000) / windowMs, burst * factor, nowMs);
      this.#buckets.set(key, bucket);
    }
    return bucket.take(nowMs);
  }
}
