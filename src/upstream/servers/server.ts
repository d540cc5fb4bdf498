/** One server of an upstream: its connection pool, its requests in progress, and whether it is ejected. */

import { connect } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import { connector, type UpstreamTls } from '../connect.ts';
import type { CountedConnection, RequestHandler, ServerRequest } from '../dispatch.ts';
import { Http1Pool } from '../http1/pool.ts';
import { StreamPool } from '../http2/pool.ts';

/** Limits and timeouts of one server of an upstream. Times are in milliseconds. */
interface ServerSettings {
  readonly isHttp2: boolean;
  readonly maxConnections: number;
  /** On one HTTP/2 connection. */
  readonly maxStreams: number;
  readonly connectTimeoutMs: number;
  readonly consecutiveFailures: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly tls: UpstreamTls | null;
}

/** The connections to a server, whatever they speak. */
interface ServerPool {
  /** Sends a request when a connection is free for it. The handler hears of everything that becomes of it. */
  dispatch(request: ServerRequest, handler: RequestHandler): void;
  readonly connections: Iterable<CountedConnection>;
  destroy(): Promise<void>;
}

/** One server of an upstream, with its connection pool. */
export class UpstreamServer {
  readonly origin: string;
  /** `host:port` for `hostHeader: endpoint`. */
  readonly hostHeader: string;
  /** Passed with every request, so that a connection is never thrown away because of the client's Host header. */
  readonly serverName: string;
  readonly pool: ServerPool;
  /** Requests under way, waiting ones included. */
  inFlight = 0;
  /** Open tunnels. They have left the pool and take no connection of its number. */
  tunnels = 0;
  readonly #settings: ServerSettings;
  readonly #monotonicMs: Clock;
  #failures = 0;
  #ejections = 0;
  #ejectedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(origin: string, settings: ServerSettings, monotonicMs: Clock) {
    const url = new URL(origin.replace(/^h2c:/, 'http:'));
    this.origin = origin;
    this.hostHeader = url.host;
    this.serverName = settings.tls?.serverName ?? url.hostname.replace(/^\[|\]$/g, '');
    this.#settings = settings;
    this.#monotonicMs = monotonicMs;
    const connect = connector(url, this.serverName, settings);
    this.pool = settings.isHttp2
      ? new StreamPool({ ...settings, url, connect })
      : new Http1Pool(connect, settings.maxConnections, monotonicMs);
  }

  /** Whether it may be chosen: it is not ejected, or its time is over and it may prove itself. */
  isEligible(): boolean {
    return this.#monotonicMs() >= this.#ejectedUntilMs;
  }

  /** Whether a TCP connection to it can be made within this time; nothing is sent on it. */
  isReachable(timeoutMs: number): Promise<boolean> {
    const { hostname, port, protocol } = new URL(this.origin.replace(/^h2c:/, 'http:'));
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port),
    });
    socket.setTimeout(timeoutMs, () => resolve(false));
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    return promise.finally(() => socket.destroy());
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

  /** By which servers are compared. */
  get load(): number {
    return this.inFlight + this.tunnels;
  }

  /** It was chosen. When it returns from an ejection, one request tries it and the others wait for the outcome. */
  noteChosen(): void {
    if (this.#ejections > 0) this.#ejectedUntilMs = this.#monotonicMs() + this.#settings.baseDelayMs;
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
    this.#failures += 1;
    if (this.#failures < this.#settings.consecutiveFailures) return;
    const delayMs = Math.min(
      this.#settings.baseDelayMs * 2 ** Math.min(this.#ejections, 20),
      this.#settings.maxDelayMs,
    );
    this.#ejections += 1;
    // Up to a tenth more, so that replicas do not all come back at the same moment.
    this.#ejectedUntilMs = this.#monotonicMs() + delayMs * (1 + Math.random() / 10);
  }

  /** Closes every connection at once; requests on them fail. */
  close(): Promise<void> {
    return this.pool.destroy();
  }
}
