/**
 * The requests that wait for a connection to an upstream, each for a bounded time. The bound is the same for all, so they
 * expire in order of arrival, and one timer watches the first.
 *
 * perf: at full load most requests wait for a moment. A list that is linked through them costs nothing to join and leave; a
 * `Map` made the garbage collector work three times as much per request (`npm run bench -- profile warm`).
 */

import type { Clock } from '../../lib/clock.ts';

/** A request that can wait. The waiting line owns the fields. */
export interface Waiting {
  /** Until when it may wait; `null` while it does not. */
  waitsUntilMs: number | null;
  /** The request before it. */
  before: Waiting | null;
  /** The request after it. */
  after: Waiting | null;
  /** Called when its time is up. */
  giveUp(): void;
}

/** The waiting line of one upstream. */
export class WaitingLine {
  readonly #boundMs: number;
  readonly #monotonicMs: Clock;
  #first: Waiting | null = null;
  #last: Waiting | null = null;
  #timer: NodeJS.Timeout | null = null;

  /** @param boundMs  how long one may wait */
  constructor(boundMs: number, monotonicMs: Clock) {
    this.#boundMs = boundMs;
    this.#monotonicMs = monotonicMs;
  }

  /** Adds a request that is not waiting. Its owner removes it when it stops waiting. */
  join(waiting: Waiting): void {
    waiting.waitsUntilMs = this.#monotonicMs() + this.#boundMs;
    waiting.before = this.#last;
    if (this.#last === null) this.#first = waiting;
    else this.#last.after = waiting;
    this.#last = waiting;
    this.#timer ??= setTimeout(this.#giveUpLate, this.#boundMs).unref();
  }

  /** Does nothing for a request that is not waiting. */
  leave(waiting: Waiting): void {
    if (waiting.waitsUntilMs === null) return;
    waiting.waitsUntilMs = null;
    const { before, after } = waiting;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    waiting.before = null;
    waiting.after = null;
  }

  readonly #giveUpLate = (): void => {
    this.#timer = null;
    const nowMs = this.#monotonicMs();
    while (this.#first !== null) {
      const first: Waiting = this.#first;
      const leftMs = (first.waitsUntilMs ?? nowMs) - nowMs;
      if (leftMs > 0) {
        this.#timer = setTimeout(this.#giveUpLate, leftMs).unref();
        return;
      }
      this.leave(first);
      first.giveUp();
    }
  };
}
