/**
 * The requests that wait for a connection to an upstream, so that none waits without a bound. The bound is the same for all,
 * so they are due in the order in which they came, and one timer watches the first.
 */

import type { Clock } from '../lib/clock.ts';

/** A request that can be told that it has waited long enough. */
export interface Waiting {
  /** It has waited for as long as it may. */
  giveUp(): void;
}

/** The requests of one upstream that wait. */
export class WaitingLine {
  readonly #boundMs: number;
  readonly #monotonicMs: Clock;
  /** Until when each may wait, in the order of their coming. */
  readonly #untilMs = new Map<Waiting, number>();
  #timer: NodeJS.Timeout | null = null;

  /** @param boundMs  how long one may wait */
  constructor(boundMs: number, monotonicMs: Clock) {
    this.#boundMs = boundMs;
    this.#monotonicMs = monotonicMs;
  }

  get size(): number {
    return this.#untilMs.size;
  }

  /** Lets one wait. It has to leave when it no longer waits. */
  join(waiting: Waiting): void {
    this.#untilMs.set(waiting, this.#monotonicMs() + this.#boundMs);
    this.#timer ??= setTimeout(this.#giveUpLate, this.#boundMs).unref();
  }

  leave(waiting: Waiting): void {
    this.#untilMs.delete(waiting);
  }

  readonly #giveUpLate = (): void => {
    this.#timer = null;
    const nowMs = this.#monotonicMs();
    for (const [waiting, untilMs] of this.#untilMs) {
      if (untilMs > nowMs) {
        this.#timer = setTimeout(this.#giveUpLate, untilMs - nowMs).unref();
        return;
      }
      this.#untilMs.delete(waiting);
      waiting.giveUp();
    }
  };
}
