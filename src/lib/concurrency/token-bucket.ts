/** Rate limits: a burst at once, and a number per second over time. */

/** The most that many small refills can lose to rounding. */
const ROUNDING = 1e-9;

/** A bucket that refills evenly. Not shared between processes. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #level: number;
  #filledAtMs: number;

  /**
   * Starts full.
   *
   * @param nowMs  monotonic, like every time here
   */
  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#level = burst;
    this.#filledAtMs = nowMs;
  }

  /** @returns 0 when one was taken; otherwise the milliseconds until one will be available, and nothing was taken */
  take(nowMs: number): number {
    const filled = this.#level + (Math.max(0, nowMs - this.#filledAtMs) / 1_000) * this.#perSecond;
    this.#level = Math.min(this.#burst, filled);
    this.#filledAtMs = Math.max(this.#filledAtMs, nowMs);
    if (this.#level < 1 - ROUNDING) return Math.ceil(((1 - this.#level) / this.#perSecond) * 1_000);
    this.#level = Math.max(0, this.#level - 1);
    return 0;
  }

  /** Puts some back, a part of one perhaps; never more than the burst. */
  give(count: number): void {
    this.#level = Math.min(this.#burst, this.#level + count);
  }
}
