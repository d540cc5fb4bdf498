/** One server of an upstream: its connection pool, its requests in progress, and whether it is ejected. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { hostAndPort } from '../../lib/address.ts';
import type { Clock } from '../../lib/clock.ts';
import { connector, type UpstreamTls } from '../connect.ts';
import type { CountedConnection, RequestHandler, ServerRequest } from '../dispatch.ts';
import { Http1Pool } from '../http1/pool.ts';
import { StreamPool } from '../http2/pool.ts';
import { speaksHttp2, type UpstreamConfig } from '../section.ts';

/** The connections to a server, over any version of HTTP. */
interface ServerPool {
  /** Sends a request when a connection is free. Reports everything, failures included, to the handler. */
  dispatch(request: ServerRequest, handler: RequestHandler): void;
  readonly connections: Iterable<CountedConnection>;
  destroy(): void;
}

/** One server of an upstream, with its connection pool. */
export class UpstreamServer {
  readonly origin: string;
  /** `host:port` for `hostHeader: endpoint`. */
  readonly hostHeader: string;
  readonly pool: ServerPool;
  /** Requests under way, waiting ones included. */
  inFlight = 0;
  /** Open tunnels. They have left the pool and take no connection of its number. */
  tunnels = 0;
  readonly #address: ReturnType<typeof hostAndPort>;
  readonly #ejection: UpstreamConfig['ejection'];
  readonly #monotonicMs: Clock;
  #failures = 0;
  #ejections = 0;
  #ejectedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(origin: string, config: UpstreamConfig, tls: UpstreamTls | null, monotonicMs: Clock) {
    const { maxConnections, maxStreams, timeouts, ejection } = config;
    const url = new URL(origin.replace(/^h2c:/, 'http:'));
    this.origin = origin;
    this.hostHeader = url.host;
    this.#address = hostAndPort(url);
    this.#ejection = ejection;
    this.#monotonicMs = monotonicMs;
    const isHttp2 = speaksHttp2(config);
    const connectTimeoutMs = timeouts.connect;
    const connect = connector(url, tls?.serverName ?? this.#address.host, { tls, isHttp2, connectTimeoutMs });
    this.pool = isHttp2
      ? new StreamPool({ url, connect, connectTimeoutMs, maxStreams, maxConnections })
      : new Http1Pool(connect, maxConnections, monotonicMs);
  }

  /** Whether it may be chosen: it is not ejected, or its time is up and it may prove itself. */
  isEligible(): boolean {
    return this.#monotonicMs() >= this.#ejectedUntilMs;
  }

  /** Makes a TCP connection and closes it again; nothing is sent on it. Rejects when none can be made within this time. */
  async reach(timeoutMs: number): Promise<void> {
    const socket = connect(this.#address);
    try {
      await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
    } finally {
      socket.destroy();
    }
  }

  /** Open connections of the pool: those with a request on them, and the others. Tunnels have left it. */
  get connections(): { readonly busy: number; readonly idle: number } {
    let busy = 0;
    let idle = 0;
    for (const { isReady, isBusy } of this.pool.connections) {
      if (isBusy) busy += 1;
      else if (isReady) idle += 1;
    }
    return { busy, idle };
  }

  /** How busy it is, to compare servers by. */
  get load(): number {
    return this.inFlight + this.tunnels;
  }

  /** It was chosen. When it returns from an ejection, one request tries it and the others wait for the outcome. */
  noteChosen(): void {
    if (this.#ejections > 0) this.#ejectedUntilMs = this.#monotonicMs() + this.#ejection.baseDelay;
  }

  /** When an ejected server may be tried again; the lower, the sooner. */
  get ejectedUntilMs(): number {
    return this.#ejectedUntilMs;
  }

  /** It answered, with any status. */
  noteSuccess(): void {
    this.#failures = 0;
    this.#ejections = 0;
    this.#ejectedUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** No connection could be made. */
  noteFailure(): void {
    const { consecutiveFailures, baseDelay, maxDelay } = this.#ejection;
    this.#failures += 1;
    if (this.#failures < consecutiveFailures) return;
    const delayMs = Math.min(baseDelay * 2 ** Math.min(this.#ejections, 20), maxDelay);
    this.#ejections += 1;
    // Up to a tenth more, so that replicas do not all come back at the same moment.
    this.#ejectedUntilMs = this.#monotonicMs() + delayMs * (1 + Math.random() / 10);
  }

  /** Closes every connection at once; requests on them fail. */
  close(): void {
    this.pool.destroy();
  }
}
