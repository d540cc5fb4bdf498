/**
 * The clock of Redis. What is kept in Redis is dated by it, as times to live are, and is read in the time of this process. So a
 * replica whose own clock is wrong neither ends the sessions of the others nor keeps sessions that are over (SES-08).
 */

import type { Clocks } from '../../../lib/clock.ts';

/** Clocks that are kept in step differ by less, and a measurement is no better than its round trip. */
const USUAL_MS = 5_000;
/** An answer that took longer says too little about when it was given. */
const MAX_ROUND_TRIP_MS = 1_000;

/** Knows how far the clock of Redis is from that of this process. */
export class ServerClock {
  readonly #clocks: Clocks;
  /** Set only by a measurement that differs: a wall clock that is set does not move it. */
  #aheadOfMonotonicMs: number | null = null;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
  }

  /** Takes note of the time of Redis. @param ask  asks for it: seconds and microseconds; a failure changes nothing */
  async measure(ask: () => Promise<unknown>): Promise<void> {
    const { monotonicMs } = this.#clocks;
    const askedMs = monotonicMs();
    const [seconds, microseconds] = [await ask().catch(() => [])].flat().map(Number);
    const tookMs = monotonicMs() - askedMs;
    const serverMs = Number(seconds) * 1_000 + Number(microseconds) / 1_000;
    if (!Number.isFinite(serverMs) || tookMs > MAX_ROUND_TRIP_MS) return;
    const aheadMs = serverMs - (askedMs + tookMs / 2);
    if (Math.abs(aheadMs - (this.#aheadOfMonotonicMs ?? Number.NEGATIVE_INFINITY)) > USUAL_MS)
      this.#aheadOfMonotonicMs = aheadMs;
  }

  /** How far Redis is ahead of the wall clock here, negative when it is behind; 0 for the usual, and while it is unknown. */
  aheadMs(): number {
    if (this.#aheadOfMonotonicMs === null) return 0;
    const aheadMs = Math.round(this.#aheadOfMonotonicMs + this.#clocks.monotonicMs() - this.#clocks.wallMs());
    return Math.abs(aheadMs) <= USUAL_MS ? 0 : aheadMs;
  }
}
