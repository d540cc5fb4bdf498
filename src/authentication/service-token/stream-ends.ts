/** Ends streams at a time, such as the end of the token that opened them. */

import type { Clock } from '../../lib/clock.ts';

/** How late a stream may end. One look at all of them costs less than a timer for each, and follows a clock that steps. */
const SWEEP_MS = 1_000;

interface WatchedStream {
  readonly endsAtMs: number;
  readonly onEnd: () => void;
}

/** The open streams that have an end. */
export class StreamEnds {
  readonly #wallMs: Clock;
  readonly #streams = new Set<WatchedStream>();
  #sweeper: NodeJS.Timeout | null = null;

  constructor(wallMs: Clock) {
    this.#wallMs = wallMs;
  }

  /**
   * Calls back once when a time has come.
   *
   * @param endsAtMs  wall clock; `Infinity` for never
   * @returns stops watching; has to be called when the stream ends
   */
  watch(endsAtMs: number, onEnd: () => void): () => void {
    if (endsAtMs === Number.POSITIVE_INFINITY) return () => {};
    const stream = { endsAtMs, onEnd };
    this.#streams.add(stream);
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
    return () => this.#forget(stream);
  }

  #sweep(): void {
    const nowMs = this.#wallMs();
    for (const stream of this.#streams) {
      if (nowMs < stream.endsAtMs) continue;
      this.#forget(stream);
      stream.onEnd();
    }
  }

  #forget(stream: WatchedStream): void {
    this.#streams.delete(stream);
    if (this.#streams.size > 0 || this.#sweeper === null) return;
    clearInterval(this.#sweeper);
    this.#sweeper = null;
  }
}
