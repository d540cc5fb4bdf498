/**
 * Where requests wait for their turn while the process has more to do than it can.
 *
 * Without it, one turn of the event loop serves whatever has arrived since the last one, however long that takes: with a
 * thousand busy connections a quarter of a second, in which no new connection is accepted and no probe answered. So a turn
 * serves requests for {@link TURN_MS} only, and the others wait here, clients in turn. What has waited too long is refused,
 * and while requests of a client wait too long, its further ones are refused at once.
 *
 * Only a wait that the process itself causes is too long: it must have worked for a good part of that time. Where other
 * programs take the processor, or a container has little of it, a few requests wait long as well, and to refuse them would
 * make nothing faster.
 *
 * A refusal costs a third of what an answer costs, so a client that asks again at once would take the capacity by being
 * refused. Retry-After therefore binds: until that time is over, requests on the connection wait behind all others, and are
 * refused at its end if their turn has not come. Connections of proxies, which carry requests of many, are not held to it.
 */

import { Denial } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { clientPath } from '../lib/address.ts';
import type { Clock } from '../lib/clock.ts';
import { FairQueue } from '../lib/concurrency/fair-queue.ts';
import { EVENT_LOOP, type TurnSchedule } from '../lib/concurrency/turns.ts';
import type { QueueSeries } from './series.ts';

/** What the queue needs of an exchange. */
export type Queued = Pick<Exchange, 'startedMs' | 'isOver' | 'rawHeaders'> & {
  readonly peer: Pick<Exchange['peer'], 'address'>;
  readonly handler: {
    handle(exchange: Queued): void;
    refuse(exchange: Queued, denial: Denial): void;
  };
};

/** What a reload can change of a queue. */
export interface QueueRules {
  /** How long a request may wait; 0: none waits, and none is refused. */
  readonly maxDelayMs: number;
  /** Whose request it is, before anything else is known of it. */
  readonly clientOf: (exchange: Queued) => { readonly client: string; readonly viaTrustedProxy: boolean };
}

/** When the queue continues, and what it has cost. */
interface Schedule extends TurnSchedule {
  /** Processor time of this thread, in milliseconds. */
  workedMs(): number;
}

const THREAD: Schedule = {
  ...EVENT_LOOP,
  workedMs: () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  },
};

/** For how long a turn of the event loop serves requests before it looks for others. */
const TURN_MS = 1;
/** For this share of a wait, at least, the thread must have worked. */
const LEAST_WORKED = 0.5;
/** Refusals may cost about a twentieth of the time: that many for each request that is served. */
const REFUSALS_PER_SERVED = 0.15;
const ADJUST_EVERY_MS = 250;
const LEAST_RETRY_SEC = 1;
const LONGEST_RETRY_SEC = 30;

/** By seconds of Retry-After. */
const refusals = (note: string): readonly Denial[] =>
  Array.from(
    { length: LONGEST_RETRY_SEC + 1 },
    (_, sec) => new Denial('overloaded', note, ['Retry-After', String(sec)]),
  );
/** On arrival, or after waiting. */
const REFUSALS = {
  early: refusals('requests of the client wait too long for their turn'),
  late: refusals('waited longer than limits.maxQueueDelay for its turn'),
};

/** So many that came too soon are refused in one turn, at most. */
const REFUSALS_PER_TURN = 3;

/** A request that waits. */
interface Waiter {
  readonly exchange: Queued;
  readonly isByProxy: boolean;
  readonly sinceMs: number;
  /** {@link Schedule.workedMs} at that time, or a little before. */
  readonly workedMs: number;
}

/** A request on a connection that was told to retry later and retried too early. */
interface Held {
  readonly exchange: Queued;
  readonly untilMs: number;
}

/** Serves requests at once while there is time, and else in turn. */
export class RequestQueue {
  readonly #series: QueueSeries;
  readonly #monotonicMs: Clock;
  readonly #schedule: Schedule;
  #rules: QueueRules;
  readonly #waiting = new FairQueue<Waiter>();
  /** In the order of their arrival, which may differ from that of their times. */
  #held: Held[] = [];
  /** When the connection of a refused request may come again. */
  readonly #heldUntilMs = new WeakMap<object, number>();
  #retrySec = LEAST_RETRY_SEC;
  /** What was refused and served since Retry-After was last adjusted. */
  #adjustedMs = Number.NEGATIVE_INFINITY;
  #refused = 0;
  #served = 0;
  /** Whether the end of the present turn has been asked for. */
  #isInTurn = false;
  #turnBeganMs = 0;
  /** {@link Schedule.workedMs}, as read last; in each turn in which something waits. */
  #workedMs = 0;
  #servesUntilMs = 0;

  /** @param schedule  default: the event loop */
  constructor(rules: QueueRules, series: QueueSeries, monotonicMs: Clock, schedule: Schedule = THREAD) {
    this.#rules = rules;
    this.#series = series;
    this.#monotonicMs = monotonicMs;
    this.#schedule = schedule;
    series.readFrom(this);
  }

  /** Applies what a reload can change. */
  configure(rules: QueueRules): void {
    this.#rules = rules;
  }

  /** Requests that wait. */
  get size(): number {
    return this.#waiting.size + this.#held.length;
  }

  /** Has a request that has just begun handled: now or later, or refused. */
  take(exchange: Queued): void {
    const { startedMs, handler } = exchange;
    if (this.#rules.maxDelayMs === 0) {
      handler.handle(exchange);
      return;
    }
    if (!this.#isInTurn) this.#beginTurn(startedMs);
    if (this.#waiting.size === 0 && startedMs - this.#turnBeganMs < TURN_MS) handler.handle(exchange);
    else this.#queue(exchange, startedMs);
  }

  #beginTurn(nowMs: number): void {
    this.#isInTurn = true;
    this.#turnBeganMs = nowMs;
    this.#schedule.endOfTurn(this.#endTurn);
  }

  #queue(exchange: Queued, nowMs: number): void {
    const untilMs = this.#heldUntilMs.get(exchange.peer);
    if (untilMs !== undefined && untilMs > nowMs) {
      this.#held.push({ exchange, untilMs });
      return;
    }
    const { client, viaTrustedProxy } = this.#rules.clientOf(exchange);
    const path = clientPath(client);
    if (this.#waiting.size === 0) this.#workedMs = this.#schedule.workedMs();
    const waiter = { exchange, isByProxy: viaTrustedProxy, sinceMs: nowMs, workedMs: this.#workedMs };
    const first = this.#waiting.oldestOf(path);
    if (first !== undefined && this.#hasWaited(first, nowMs, this.#rules.maxDelayMs / 2)) this.#refuse(waiter, 'early');
    else this.#waiting.add(waiter, path);
  }

  /** What was left waiting is served now, before the event loop looks for more. */
  readonly #endTurn = (): void => {
    this.#isInTurn = false;
    if (this.size === 0) return;
    const nowMs = this.#monotonicMs();
    this.#workedMs = this.#schedule.workedMs();
    this.#servesUntilMs = nowMs + TURN_MS;
    this.#adjustRetry(nowMs);
    this.#releaseHeld(nowMs);
    this.#serveOne(nowMs);
  };

  readonly #serveNext = (): void => {
    const nowMs = this.#monotonicMs();
    if (nowMs < this.#servesUntilMs) this.#serveOne(nowMs);
    else if (this.size > 0 && !this.#isInTurn) this.#beginTurn(nowMs);
  };

  #serveOne(nowMs: number): void {
    const next = this.#waiting.next() ?? this.#nextHeld(nowMs);
    if (next === undefined) return;
    if (!next.exchange.isOver) this.#serve(next, nowMs);
    this.#schedule.next(this.#serveNext);
  }

  #serve(waiter: Waiter, nowMs: number): void {
    const { maxDelayMs } = this.#rules;
    if (maxDelayMs !== 0 && this.#hasWaited(waiter, nowMs, maxDelayMs)) {
      this.#refuse(waiter, 'late');
      return;
    }
    this.#served += 1;
    waiter.exchange.handler.handle(waiter.exchange);
  }

  #hasWaited({ sinceMs, workedMs }: Waiter, nowMs: number, delayMs: number): boolean {
    return nowMs - sinceMs > delayMs && this.#schedule.workedMs() - workedMs > delayMs * LEAST_WORKED;
  }

  #refuse({ exchange, isByProxy }: Pick<Waiter, 'exchange' | 'isByProxy'>, when: keyof typeof REFUSALS): void {
    this.#refused += 1;
    this.#series.shed.inc({ when });
    // A second refusal ends the wait: the next request on its connection is like any other.
    if (!isByProxy && !this.#heldUntilMs.delete(exchange.peer))
      this.#heldUntilMs.set(exchange.peer, this.#monotonicMs() + this.#retrySec * 1_000);
    exchange.handler.refuse(exchange, REFUSALS[when][this.#retrySec] as Denial);
  }

  /** Refuses those that have waited for as long as Retry-After said. */
  #releaseHeld(nowMs: number): void {
    let count = 0;
    while (count < REFUSALS_PER_TURN && (this.#held[count]?.untilMs ?? Number.POSITIVE_INFINITY) <= nowMs) count += 1;
    if (count === 0) return;
    for (const { exchange } of this.#held.splice(0, count))
      if (!exchange.isOver) this.#refuse({ exchange, isByProxy: false }, 'late');
  }

  /** Nothing else waits: one of those that came too soon is served after all. */
  #nextHeld(nowMs: number): Waiter | undefined {
    const held = this.#held.shift();
    return held === undefined
      ? undefined
      : { exchange: held.exchange, isByProxy: false, sinceMs: nowMs, workedMs: this.#workedMs };
  }

  /**
   * A connection that was refused comes back after Retry-After, so it says how many refusals a second will bring: as many as
   * now, in inverse proportion. It becomes as long as it takes for them to cost little.
   */
  #adjustRetry(nowMs: number): void {
    if (nowMs - this.#adjustedMs < ADJUST_EVERY_MS) return;
    const factor = this.#refused / Math.max(1, this.#served * REFUSALS_PER_SERVED);
    this.#retrySec = Math.min(Math.max(Math.ceil(factor * this.#retrySec), LEAST_RETRY_SEC), LONGEST_RETRY_SEC);
    this.#adjustedMs = nowMs;
    this.#refused = 0;
    this.#served = 0;
  }
}
