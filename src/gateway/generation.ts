/**
 * A runtime and the exchanges that run on it. A reload starts a new generation; the one before drains: it lives until the
 * last of its exchanges is over, and only then are the upstreams and key sets closed that it alone has.
 */

import { Denial, type DenialReason } from '../errors.ts';
import type { Exchange, Handler, UnreadAnswer } from '../exchange.ts';
import { settledWithin } from '../lib/settled-within.ts';
import { handle, type Pipeline } from '../pipeline.ts';
import type { RouteMetrics } from '../telemetry/route-series.ts';
import type { Tunnel } from '../upstream/tunnel.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Runtime } from './compile.ts';

/**
 * How long the exchanges of a replaced generation keep their upstreams. WebSockets are not affected: they have left their
 * connection pool.
 */
const DRAIN_LIMIT_MS = 5 * 60_000;

/** A reload has removed the listener from the configuration; it stays open until a restart. */
const NOT_CONFIGURED = new Denial('host_not_served', 'the configuration no longer has this listener');

/** One compiled configuration while exchanges run on it. */
export class Generation {
  readonly runtime: Runtime;
  #exchanges = 0;
  #whenUnused: (() => void) | null = null;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** Makes the handler of a listener; one that the configuration does not have refuses everything. */
  handlerOf(listener: string): Handler {
    const { pipelines } = this.runtime;
    return new PipelineHandler(this, pipelines[listener] ?? refusing(pipelines.public));
  }

  /** Fetches in the background the key sets that were not fetched before. Readiness reports those that are missing. */
  startKeySets(): void {
    for (const { keys } of this.runtime.issuers.values()) keys.start();
  }

  /** An exchange has begun on it. */
  begun(): void {
    this.#exchanges += 1;
  }

  /** An exchange that began on it is over. */
  finished(): void {
    this.#exchanges -= 1;
    if (this.#exchanges === 0) this.#whenUnused?.();
  }

  /** Open WebSockets. */
  get tunnels(): readonly Tunnel[] {
    const outlets = new Set(Object.values(this.runtime.pipelines).flatMap((it) => it?.outlet ?? []));
    return [...outlets].flatMap(({ tunnels }) => [...tunnels]);
  }

  /**
   * Resolves when its last exchange is over and everything that its successor does not reuse is closed.
   *
   * @param signal  ends the waiting
   */
  async drain(successor: Runtime, signal: AbortSignal): Promise<void> {
    const unused = this.#unused();
    await settledWithin(unused, DRAIN_LIMIT_MS, signal);
    await this.close(successor);
    await settledWithin(unused, null, signal);
  }

  /** Closes at once what its successor does not reuse; everything when there is none. */
  async close(successor: Runtime | null = null): Promise<void> {
    const sharedKeys = new Set([...(successor?.issuers.values() ?? [])].map(({ keys }) => keys));
    for (const { keys } of this.runtime.issuers.values()) if (!sharedKeys.has(keys)) keys.close();
    const shared = new Set<Upstream>(successor?.upstreams.values());
    const own = [...this.runtime.upstreams.values()].filter((upstream) => !shared.has(upstream));
    await Promise.all([...own.map((upstream) => upstream.close()), this.runtime.outbound?.close(successor?.outbound)]);
  }

  #unused(): Promise<void> {
    if (this.#exchanges === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenUnused = resolve;
    });
  }
}

/** A pipeline of a generation, behind one listener. */
class PipelineHandler implements Handler {
  readonly unmatched: RouteMetrics;
  readonly #generation: Generation;
  readonly #pipeline: Pipeline;

  constructor(generation: Generation, pipeline: Pipeline) {
    this.unmatched = pipeline.series.unmatched;
    this.#generation = generation;
    this.#pipeline = pipeline;
  }

  begun(): void {
    this.#generation.begun();
  }

  handle(exchange: Exchange): void {
    void handle(exchange, this.#pipeline);
  }

  refuse(exchange: Exchange, denial: Denial): void {
    this.#pipeline.responder.denial(exchange, denial);
  }

  unreadPage(reason: DenialReason, requestId: string): UnreadAnswer {
    return this.#pipeline.responder.unreadPage(reason, requestId);
  }

  finished(): void {
    this.#generation.finished();
  }
}

/** A pipeline that refuses every request before it is read. */
const refusing = (front: Pipeline): Pipeline => ({ ...front, sanitizer: { screen: () => NOT_CONFIGURED } });
