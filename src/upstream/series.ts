/** What is counted of upstreams. How long they take is counted by route. */

import { GRPC_CODES } from '../lib/http/grpc.ts';
import { CONFIGURED, type MetricRegistry } from '../telemetry/registry.ts';
import { RETRY_REASONS } from './retry.ts';
import type { Upstream } from './servers/upstream.ts';

const CONNECTION_STATES = ['busy', 'idle'] as const;

/** The metrics of upstreams. */
export class UpstreamSeries {
  /** Open WebSockets. */
  readonly tunnels;
  readonly retries;
  /** Of upstreams that speak HTTP/2. */
  readonly calls;
  readonly #inFlight;
  readonly #connections;
  readonly #healthy;

  constructor(registry: MetricRegistry) {
    this.tunnels = registry.readGauge('open_websockets', 'Open WebSockets.', {});
    this.retries = registry.counter(
      'upstream_retries_total',
      'Requests sent to an upstream again, because no connection could be made, the upstream took no part of it (HTTP/2), or it closed a kept connection as the request arrived.',
      { upstream: CONFIGURED, reason: RETRY_REASONS },
    );
    this.calls = registry.counter(
      'upstream_grpc_calls_total',
      'gRPC calls that were sent to an upstream, by the status that the client got, from the service or the gateway.',
      { upstream: CONFIGURED, grpc_code: GRPC_CODES },
    );
    this.#inFlight = registry.readGauge(
      'upstream_requests_in_flight',
      'Requests at an upstream, waiting ones included.',
      { upstream: CONFIGURED },
    );
    this.#connections = registry.readGauge(
      'upstream_connections',
      'Open connections to an upstream, WebSockets left out: busy with a request, or idle.',
      { upstream: CONFIGURED, state: CONNECTION_STATES },
    );
    this.#healthy = registry.readGauge(
      'upstream_healthy',
      '1 while at least one endpoint is not ejected.',
      { upstream: CONFIGURED },
      'min',
    );
  }

  /** Makes the series of an upstream exist. */
  zero(upstream: string, { isHttp2 }: { readonly isHttp2: boolean }): void {
    if (isHttp2) for (const code of GRPC_CODES) this.calls.inc({ upstream, grpc_code: code }, 0);
    for (const reason of RETRY_REASONS) this.retries.inc({ upstream, reason }, 0);
  }

  /** Reads the gauges from these upstreams from now on. */
  readFrom(upstreams: () => readonly Upstream[]): void {
    const sum = ({ servers }: Upstream, of: (server: Upstream['servers'][number]) => number) =>
      servers.reduce((total, server) => total + of(server), 0);
    this.#inFlight.readFrom(() =>
      upstreams().map((upstream) => [{ upstream: upstream.name }, sum(upstream, ({ load }) => load)]),
    );
    this.#connections.readFrom(() =>
      upstreams().flatMap((upstream) =>
        CONNECTION_STATES.map(
          (state) =>
            [{ upstream: upstream.name, state }, sum(upstream, ({ connections }) => connections[state])] as const,
        ),
      ),
    );
    this.#healthy.readFrom(() =>
      upstreams().map((upstream) => [{ upstream: upstream.name }, upstream.isHealthy() ? 1 : 0]),
    );
  }
}
