/** One server of an upstream: its connection pool, its requests in progress, and whether it is ejected. */

import { connect, isIP } from 'node:net';
import { buildConnector, Pool } from 'undici';
import type { Clock } from '../lib/clock.ts';
import { type ConnectedHandler, type ConnectedOptions, ServerConnection } from './connection.ts';
import { StreamPool } from './http2/pool.ts';

/** Limits and timeouts of one server of an upstream. Times are in milliseconds. */
interface ServerSettings {
  readonly isHttp2: boolean;
  readonly maxConnections: number;
  /** On one HTTP/2 connection. */
  readonly maxStreams: number;
  readonly connectTimeoutMs: number;
  readonly firstByteTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly consecutiveFailures: number;
  readonly baseDelayMs: number;
  readonly maxDelayMs: number;
  readonly tls: UpstreamTls | null;
}

/** TLS towards an upstream, with the files read. */
export interface UpstreamTls {
  readonly ca: string | null;
  readonly serverName: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/** The connections to a server, whatever they speak. */
interface ServerPool {
  /** Sends a request when a connection is free for it. The handler hears of everything that becomes of it. */
  dispatch(options: ConnectedOptions, handler: ConnectedHandler): boolean;
  /** Open connections, and on HTTP/1.1 the requests, on HTTP/2 the connections with requests. */
  readonly stats: { readonly connected: number; readonly running: number };
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
    const connect = tlsConnector(this.serverName, settings);
    this.pool = settings.isHttp2
      ? new StreamPool({ ...settings, url, connect, serverName: this.serverName })
      : http1Pool(url, connect, settings);
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
    const { connected, running } = this.pool.stats;
    const busy = Math.min(running, connected);
    return { busy, idle: connected - busy };
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

function http1Pool(url: URL, connect: buildConnector.connector, settings: ServerSettings): Pool {
  return new Pool(url, {
    connections: settings.maxConnections,
    // One request at a time on a connection: an answer can then belong to one request only (undici SECURITY.md).
    pipelining: 1,
    allowH2: false,
    connect,
    headersTimeout: settings.firstByteTimeoutMs,
    bodyTimeout: settings.idleTimeoutMs,
    maxHeaderSize: 32 * 1024,
    factory: (origin, options) =>
      new ServerConnection(origin, options as ConstructorParameters<typeof ServerConnection>[1]),
  });
}

/**
 * Connects, and for https verifies the certificate against the name that the configuration gives, never against the
 * Host header of a request, which undici would take (TLS-04, TLS-06, UPS-12).
 */
function tlsConnector(serverName: string, settings: ServerSettings): buildConnector.connector {
  const { tls, connectTimeoutMs } = settings;
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    allowH2: settings.isHttp2,
    preferH2: true,
    ...(tls?.ca != null && { ca: tls.ca }),
    ...(tls?.cert != null && { cert: tls.cert }),
    ...(tls?.key != null && { key: tls.key }),
    rejectUnauthorized: true,
  });
  // SNI cannot carry an address; the certificate is then checked against the address itself.
  const fixedName = isIP(serverName) === 0 ? serverName : '';
  return (options, callback) => connect({ ...options, servername: fixedName }, callback);
}
