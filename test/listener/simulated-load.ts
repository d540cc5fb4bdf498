/**
 * A process in simulated time: reading, handling and refusing requests cost time, and the event loop turns. Shows how a
 * queue handles more load than can be served, however busy the machine is.
 */

import type { Denial } from '../../src/errors.ts';
import { type Queued, RequestQueue } from '../../src/listener/request-queue.ts';
import { QueueSeries } from '../../src/listener/series.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';

/** The cost of reading a request, and of serving or refusing it. 1,000 can be served per second. */
const READ_MS = 0.25;
const SERVE_MS = 0.75;
const REFUSE_MS = 0.1;

interface Client {
  readonly peer: { readonly address: string };
  /** Monotonic time before which the client knows not to retry. */
  retryAtMs: number;
}

interface Load {
  /** Requests per second. */
  readonly perSec: number;
  readonly connections: number;
  readonly address: (connection: number) => string;
  /** Whether clients wait as Retry-After says. */
  readonly isPatient?: boolean;
}

/** How the requests of one load ended. */
export interface Outcome {
  due: number;
  servedMs: number[];
  refused: number;
  /** Due while every connection was busy. */
  unsent: number;
}

export interface Simulated {
  readonly outcomes: readonly Outcome[];
  readonly longestTurnMs: number;
  readonly metrics: MetricRegistry;
}

/** Runs loads side by side for a while. */
export function simulate(
  loads: readonly Load[],
  { seconds = 10, maxDelayMs = 1_000, processorShare = 1 } = {},
): Simulated {
  let nowMs = 1_000_000;
  const beganMs = nowMs;
  const spend = (ms: number) => {
    nowMs += ms / processorShare;
  };
  let soon: (() => void)[] = [];
  const metrics = new MetricRegistry();
  const queue = new RequestQueue(
    { maxDelayMs, clientOf: ({ peer }) => ({ client: peer.address, viaTrustedProxy: false }) },
    new QueueSeries(metrics),
    () => nowMs,
    { endOfTurn: (run) => soon.push(run), next: (run) => run(), workedMs: () => (nowMs - beganMs) * processorShare },
  );
  const lines = loads.map((load) => new Line(load, beganMs));
  const handlerOf = (line: Line, client: Client, sentMs: number): Queued['handler'] => ({
    handle: () => {
      spend(SERVE_MS);
      line.answered(client, nowMs - sentMs);
    },
    refuse: (_, denial: Denial) => {
      spend(REFUSE_MS);
      line.refused(client, nowMs + Number(denial.headers[1]) * 1_000);
    },
  });
  let longestTurnMs = 0;
  while (nowMs < beganMs + seconds * 1_000) {
    const turnMs = nowMs;
    for (const line of lines)
      for (const { client, sentMs } of line.arrived(turnMs)) {
        spend(READ_MS);
        const { peer } = client;
        queue.take({ startedMs: nowMs, isOver: false, rawHeaders: [], peer, handler: handlerOf(line, client, sentMs) });
      }
    const due = soon;
    soon = [];
    for (const run of due) run();
    longestTurnMs = Math.max(longestTurnMs, nowMs - turnMs);
    if (nowMs === turnMs) nowMs += 0.1;
  }
  return { outcomes: lines.map(({ outcome }) => outcome), longestTurnMs, metrics };
}

class Line {
  readonly outcome: Outcome = { due: 0, servedMs: [], refused: 0, unsent: 0 };
  readonly #load: Load;
  readonly #beganMs: number;
  #idle: Client[];

  constructor(load: Load, beganMs: number) {
    this.#load = load;
    this.#beganMs = beganMs;
    this.#idle = Array.from({ length: load.connections }, (_, index) => ({
      peer: { address: load.address(index) },
      retryAtMs: 0,
    }));
  }

  /** The requests that have become due and found a connection. */
  arrived(nowMs: number) {
    const sent: { client: Client; sentMs: number }[] = [];
    for (; ; this.outcome.due += 1) {
      const sentMs = this.#beganMs + (this.outcome.due * 1_000) / this.#load.perSec;
      if (sentMs > nowMs) return sent;
      const client = this.#idle.shift();
      if (client === undefined) this.outcome.unsent += 1;
      else if (this.#load.isPatient === true && client.retryAtMs > sentMs) {
        this.outcome.unsent += 1;
        this.#idle.push(client);
      } else sent.push({ client, sentMs });
    }
  }

  answered(client: Client, tookMs: number): void {
    this.outcome.servedMs.push(tookMs);
    this.#idle.push(client);
  }

  refused(client: Client, retryAtMs: number): void {
    this.outcome.refused += 1;
    client.retryAtMs = retryAtMs;
    this.#idle.push(client);
  }
}
