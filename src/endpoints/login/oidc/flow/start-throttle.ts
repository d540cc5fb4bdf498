/**
 * How many logins a client may begin. Each takes up room in the store for a while, and anyone can begin one, so a flood
 * must not fill it; but an office of thousands can share one address, and a browser opens twenty tabs at once.
 *
 * Counted by each process for itself, so that a flood costs the store nothing.
 */

import { type Denial, rateLimited } from '../../../../errors.ts';
import { clientNetwork } from '../../../../lib/address.ts';
import type { Clock } from '../../../../lib/clock.ts';
import { TokenBucket } from '../../../../lib/concurrency/token-bucket.ts';
import { RecentMap } from '../../../../lib/recent-map.ts';

/** The time in which as many logins may begin again as may begin at once. */
const WINDOW_MS = 600_000;
/** A /48 may have this many times what a /64 of it may: a site of several networks is not one client. */
const WIDER_FACTOR = 4;
/** Total length of the networks that are remembered: some 50,000. A forgotten one starts from zero. */
const MAX_WEIGHT = 1_000_000;

/** Bounds how many logins begin. */
export class StartThrottle {
  readonly #atOnce: number;
  readonly #monotonicMs: Clock;
  readonly #what: string;
  readonly #buckets = new RecentMap<TokenBucket>(MAX_WEIGHT);

  /**
   * @param atOnce  that may begin from one network at once, and over ten minutes
   * @param what    begins, for the log
   */
  constructor(atOnce: number, monotonicMs: Clock, what = 'logins begun') {
    this.#atOnce = atOnce;
    this.#monotonicMs = monotonicMs;
    this.#what = what;
  }

  /**
   * Begins a login.
   *
   * @param address  of the client, in plain form
   * @returns `null` when it may, or a Denial `rate_limited`
   */
  begin(address: string): Denial | null {
    const network = clientNetwork(address);
    let waitMs = this.#take(network, 1);
    if (waitMs === 0 && network !== address) waitMs = this.#take(`${clientNetwork(address, 48)}/48`, WIDER_FACTOR);
    return waitMs === 0 ? null : rateLimited(`too many ${this.#what} from the network`, waitMs);
  }

  #take(key: string, factor: number): number {
    const nowMs = this.#monotonicMs();
    const burst = this.#atOnce * factor;
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = new TokenBucket((burst * 1_000) / WINDOW_MS, burst, nowMs);
      this.#buckets.set(key, bucket);
    }
    return bucket.take(nowMs);
  }
}
