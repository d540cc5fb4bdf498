/**
 * A runtime and the exchanges that run on it. A reload puts a new generation in the place of the present one; the old
 * one lives on until the last of its exchanges is over, and only then are the upstreams and key sets closed that it alone
 * had.
 */

import { Denial } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { settledWithin } from '../lib/settled-within.ts';
import { handle, type Pipeline } from '../pipeline.ts';
import type { Tunnel } from '../upstream/tunnel.ts';
import type { Upstream } from '../upstream/upstream.ts';
import type { Runtime } from './compile.ts';

/**
 * How long the exchanges of a generation that was replaced keep their upstreams. WebSockets are not concerned: they have
 * left their connection pool.
 */
const RETIREMENT_MS = 5 * 60_000;

/** A reload has taken the section away; the listener stays until a restart. */
const NO_OUTBOUND = new Denial('host_not_served', 'the configuration has no outbound side any more');

export class Generation {
  readonly runtime: Runtime;
  #exchanges = 0;
  #whenUnused: (() => void) | null = null;

  constructor(runtime: Runtime) {
    this.runtime = runtime;
  }

  /** Takes a request from its head to its answer. */
  run(exchange: Exchange): void {
    const { pipeline } = this.runtime;
    this.join(exchange, pipeline);
    void handle(exchange, pipeline);
  }

  /** The same for what the workload beside the gateway calls. */
  runOutbound(exchange: Exchange): void {
    const { outbound, pipeline } = this.runtime;
    exchange.isOutbound = true;
    this.join(exchange, outbound?.pipeline ?? pipeline);
    if (outbound === null) pipeline.responder.denial(exchange, NO_OUTBOUND);
    else void handle(exchange, outbound.pipeline);
  }

  /** An exchange belongs to this generation from now on; until it has a route, it is counted as having none. */
  join(exchange: Exchange, { series }: Pipeline): void {
    this.#exchanges += 1;
    exchange.generation = this;
    exchange.enter(series.unmatched);
  }

  /** An exchange of this generation is over. */
  leave(): void {
    this.#exchanges -= 1;
    if (this.#exchanges === 0) this.#whenUnused?.();
  }

  /** Open WebSockets. */
  get tunnels(): readonly Tunnel[] {
    const { pipeline, outbound } = this.runtime;
    return [...pipeline.outlet.tunnels, ...(outbound?.pipeline.outlet.tunnels ?? [])];
  }

  /**
   * Resolves when the last exchange is over and the upstreams that the successor does not share are closed.
   *
   * @param signal  closes them now, whatever is under way
   */
  async retire(successor: Runtime, signal: AbortSignal): Promise<void> {
    const shared = new Set<Upstream>(successor.upstreams.values());
    const own = [...this.runtime.upstreams.values()].filter((upstream) => !shared.has(upstream));
    const unused = this.#unused();
    await settledWithin(unused, RETIREMENT_MS, signal);
    this.#closeKeySets(successor);
    await Promise.all([...own.map((upstream) => upstream.close()), this.runtime.outbound?.close(successor.outbound)]);
    await settledWithin(unused, null, signal);
  }

  /** Key sets that the successor does not go on with. */
  #closeKeySets(successor: Runtime): void {
    const shared = new Set([...successor.issuers.values()].map(({ keys }) => keys));
    for (const { keys } of this.runtime.issuers.values()) if (!shared.has(keys)) keys.close();
  }

  #unused(): Promise<void> {
    if (this.#exchanges === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenUnused = resolve;
    });
  }
}
