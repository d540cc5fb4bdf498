/**
 * Work that comes in bursts, in small parts: a part waits until the event loop has looked for requests, and parts run for half a
 * millisecond before it looks again. So a request that comes meanwhile waits for a few parts, not for all of them
 * (docs/adr/0029-logins-go-on-in-turns.md). Only the work waits: while an answer is awaited, nothing is held.
 */

import { clientPath } from '../address.ts';
import type { Clock } from '../clock.ts';
import { FairQueue } from './fair-queue.ts';

/** When work of an event loop runs. */
export interface TurnSchedule {
  /** When the loop has looked for new events. */
  endOfTurn(run: () => void): void;
  /** When the work that was begun can get no further without new events. */
  next(run: () => void): void;
}

/** That of the thread. */
export const EVENT_LOOP: TurnSchedule = {
  endOfTurn: setImmediate,
  // Microtasks run to their end before the next tick.
  next: (run) => queueMicrotask(() => process.nextTick(run)),
};

/** For how long parts run in one turn of the event loop; the last one may run over. */
const TURN_MS = 0.5;
/** Work that waits to begin. Some hundred milliseconds of it, in a process that has nothing else to do. */
const MAX_BEGINNING = 1_024;

/** Receives whether it may begin. */
type Beginning = (mayBegin: boolean) => void;

/** The turns of one kind of work in one process. What has begun continues before anything else begins. */
export class Turns {
  readonly #monotonicMs: Clock;
  readonly #schedule: TurnSchedule;
  readonly #goingOn: (() => void)[] = [];
  readonly #beginning = new FairQueue<Beginning>();
  /** Whether the end of the present turn has been asked for, or parts are running. */
  #isUnderWay = false;
  #runsUntilMs = 0;

  /** @param schedule  default: the event loop */
  constructor(monotonicMs: Clock, schedule: TurnSchedule = EVENT_LOOP) {
    this.#monotonicMs = monotonicMs;
    this.#schedule = schedule;
  }

  /** Parts that wait. */
  get size(): number {
    return this.#goingOn.length + this.#beginning.size;
  }

  /**
   * Waits for the turn of new work. Networks take turns, and the clients in each.
   *
   * @param address  of the client, in plain form
   * @returns `false` when too much waits, and others have less of it
   */
  begin(address: string): Promise<boolean> {
    return new Promise((resolve) => {
      this.#beginning.add(resolve, clientPath(address), MAX_BEGINNING)?.(false);
      this.#ask();
    });
  }

  /** Waits for the turn of work that has begun, to continue after an answer that it has waited for. */
  goOn(): Promise<void> {
    return new Promise((resolve) => {
      this.#goingOn.push(resolve);
      this.#ask();
    });
  }

  #ask(): void {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    this.#schedule.endOfTurn(this.#runTurn);
  }

  readonly #runTurn = (): void => {
    this.#runsUntilMs = this.#monotonicMs() + TURN_MS;
    this.#runOne();
  };

  #runOne(): void {
    const part = this.#goingOn.shift();
    if (part === undefined) this.#beginning.next()?.(true);
    else part();
    this.#schedule.next(this.#afterOne);
  }

  readonly #afterOne = (): void => {
    if (this.size > 0 && this.#monotonicMs() < this.#runsUntilMs) {
      this.#runOne();
    } else {
      this.#isUnderWay = false;
      if (this.size > 0) this.#ask();
    }
  };
}
