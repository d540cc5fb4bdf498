/**
 * A runtime and the exchanges that run on it. A reload starts a new generation; the one before drains: it lives until the
 * last of its exchanges is over, however long that takes and however many reloads come, and only then are the upstreams and
 * key sets closed that no other living generation has.
 */

import { Denial, type DenialReason } from '../errors.ts';
import type { Exchange, Handler, UnreadAnswer } from '../exchange.ts';
import { handle, type Pipeline } from '../pipeline.ts';
import type { RouteMetrics } from '../telemetry/route-series.ts';
import type { Tunnel } from '../upstream/websocket/tunnel.ts';
import type { Runtime } from './compile.ts';

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

  /**
   * Fetches in the background the key sets, and the metadata of identity providers, that were not fetched before. Readiness
   * reports key sets that are missing.
   */
  startFetching(): void {
    for (const { keys } of this.runtime.issuers.values()) keys.start();
    for (const { provider } of this.runtime.providers.values()) provider.start();
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

  /** Resolves when its last exchange is over. */
  unused(): Promise<void> {
    if (this.#exchanges === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenUnused = resolve;
    });
  }

  /** Closes at once what none of the others has. */
  async close(others: Iterable<Generation> = []): Promise<void> {
    const runtimes = [...others].map(({ runtime }) => runtime);
    const keptKeys = new Set(runtimes.flatMap(({ issuers }) => [...issuers.values()].map(({ keys }) => keys)));
    const keptUpstreams = new Set(runtimes.flatMap(({ upstreams }) => [...upstreams.values()]));
    const keptProviders = new Set(runtimes.flatMap(({ providers }) => [...providers.values()]));
    const { issuers, upstreams, providers, outbound } = this.runtime;
    for (const { keys } of issuers.values()) if (!keptKeys.has(keys)) keys.close();
    for (const upstream of upstreams.values()) if (!keptUpstreams.has(upstream)) upstream.close();
    await Promise.all([
      ...[...providers.values()].filter((it) => !keptProviders.has(it)).map((it) => it.provider.close()),
      outbound?.close(runtimes.flatMap((it) => it.outbound ?? [])),
    ]);
  }
}

/** The generation in use, and those before it that still have exchanges in progress. */
export class Generations {
  readonly #living = new Set<Generation>();
  #current: Generation;

  constructor(first: Generation) {
    this.#living.add(first);
    this.#current = first;
  }

  /** The one in use. */
  get current(): Generation {
    return this.#current;
  }

  /** Open WebSockets of all of them. */
  get tunnels(): readonly Tunnel[] {
    return [...this.#living].flatMap(({ tunnels }) => tunnels);
  }

  /** Switches to another one. The one before lives on until its last exchange is over. */
  replace(next: Generation): void {
    const previous = this.#current;
    this.#living.add(next);
    this.#current = next;
    void this.#closeWhenUnused(previous);
  }

  /** Closes all of them at once. */
  async close(): Promise<void> {
    await Promise.all([...this.#living].map((generation) => generation.close()));
  }

  async #closeWhenUnused(generation: Generation): Promise<void> {
    await generation.unused();
    this.#living.delete(generation);
    await generation.close(this.#living);
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

  unread(reason: DenialReason, requestId: string, isFromPerson: boolean): UnreadAnswer {
    return this.#pipeline.responder.unread(reason, requestId, isFromPerson);
  }

  finished(): void {
    this.#generation.finished();
  }
}

/** A pipeline that refuses every request before it is read. */
const refusing = (front: Pipeline): Pipeline => ({ ...front, sanitizer: { screen: () => NOT_CONFIGURED } });
