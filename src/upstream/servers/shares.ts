/**
 * How many connections of an upstream one client or session may hold, so that a few slow ones, on purpose or not, do
 * not keep all others from it. What each may hold depends on what is left: when little is free, those that hold much
 * wait until something is given back (dynamic thresholds, Choudhury and Hahne 1998). None is refused for that, and a
 * single client may hold four fifths.
 */

import { FairQueue } from '../../lib/concurrency/fair-queue.ts';
import { type Place, Places } from '../../lib/concurrency/places.ts';

/** A holder of fewer than this never waits: a page requests that many at once. */
const FREE_OF_CHARGE = 8;
/** One holder may have this many times what it leaves for all others. */
const TIMES_THE_REST = 4;
/** Holders that are asked each time. */
const MAX_LOOKS = 8;

/** A request that may have to wait until its holder holds less. */
export interface ShareTaker {
  /** It may go now, with its place, which it has to give back. */
  admitted(place: Place): void;
  /** Whether it no longer wants to. */
  readonly isOver: boolean;
}

interface Waiter {
  readonly taker: ShareTaker;
  readonly holder: string;
}

/** The shares of one upstream. */
export class Shares {
  readonly #held = new Places();
  readonly #waiting = new FairQueue<Waiter>();
  readonly #maxWaiting: number;
  /** Connections that no request has, waiting requests deducted. */
  readonly #free: () => number;
  #isSettling = false;

  /** @param maxWaiting  how many requests may wait for their share */
  constructor(maxWaiting: number, free: () => number) {
    this.#maxWaiting = maxWaiting;
    this.#free = free;
  }

  /**
   * Takes a place for a holder.
   *
   * @returns `waits`: {@link ShareTaker.admitted} follows; `full`: too many wait
   */
  take(holder: string, taker: ShareTaker): Place | 'waits' | 'full' {
    const place = this.#held.of(holder);
    if (this.#mayHoldMore(place)) {
      place.enter();
      return place;
    }
    if (this.#waiting.size >= this.#maxWaiting) return 'full';
    this.#waiting.add({ taker, holder }, [holder]);
    return 'waits';
  }

  /** Something was given back: one that waits may go, if its holder is among the next in turn. */
  settle(): void {
    // One that is admitted and fails at once gives its place back in here.
    if (this.#isSettling || this.#waiting.size === 0) return;
    this.#isSettling = true;
    this.#admitNext();
    this.#isSettling = false;
  }

  #admitNext(): void {
    for (let looks = 0; looks < MAX_LOOKS; looks += 1) {
      const waiter = this.#waiting.next();
      if (waiter === undefined) return;
      const { taker, holder } = waiter;
      if (taker.isOver) continue;
      const place = this.#held.of(holder);
      if (this.#mayHoldMore(place)) {
        place.enter();
        taker.admitted(place);
        return;
      }
      this.#waiting.add(waiter, [holder]);
    }
  }

  #mayHoldMore({ count }: Place): boolean {
    return count < FREE_OF_CHARGE || count < TIMES_THE_REST * (this.#free() - 1);
  }
}
