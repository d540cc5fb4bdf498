/**
 * Rates: so many at once, so many a second over time.
 */

/** What many small fillings may lack of a whole one by rounding. */
const ROUNDING = 1e-9;

/** A bucket that fills evenly. Not shared between processes. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #level: number;
  #filledAtMs: number;

  /** Full at first. @param nowMs monotonic, like every time here */
  constructor(perSecond: number, burst: number, nowMs: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#level = burst;
    this.#filledAtMs = nowMs;
  }

  /** Takes one. Returns 0, or the milliseconds after which there will be one; then nothing was taken. */
  take(nowMs: number): number {
    const filled = this.#level + (Math.max(0, nowMs - this.#filledAtMs) / 1_000) * this.#perSecond;
    this.#level = Math.min(this.#burst, filled);
    this.#filledAtMs = Math.max(this.#filledAtMs, nowMs);
    if (this.#level < 1 - ROUNDING) return Math.ceil(((1 - this.#level) / this.#perSecond) * 1_000);
    this.#level = Math.max(0, this.#level - 1);
    return 0;
  }
}
