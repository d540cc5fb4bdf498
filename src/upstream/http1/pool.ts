/**
 * upstream/http1: requests to an HTTP/1.1 server in, its answers out, over connections that are kept and reused.
 *
 * Requests wait in order of arrival until a connection is free, and one is made for each that finds none, up to the limit. When an
 * attempt to connect fails, the request that it was made for fails, so that it can try another server.
 */

import { errors } from 'undici';
import type { Clock } from '../../lib/clock.ts';
import type { Connect } from '../connect.ts';
import type { RequestHandler, ServerRequest } from '../dispatch.ts';
import { type ConnectionPool, ServerConnection } from './connection.ts';
import { Http1Request } from './request.ts';

interface Http1PoolSettings {
  readonly connect: Connect;
  readonly maxConnections: number;
}

/** All connections read into it, one after the other: what is kept is copied. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** More than a timer can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The connections to one server. */
export class Http1Pool implements ConnectionPool {
  readonly nowMs: Clock;
  readonly #settings: Http1PoolSettings;
  readonly connections: Set<ServerConnection> = new Set();
  /** The last one is used first, so that those that are not needed expire. */
  readonly #free: ServerConnection[] = [];
  /** Those that have become free in this turn of the event loop. */
  readonly #resting: ServerConnection[] = [];
  #waiting: Http1Request[] = [];
  #isServing = false;
  #isDestroyed = false;
  #timer: NodeJS.Timeout | null = null;
  #wakesAtMs = Number.POSITIVE_INFINITY;

  constructor(settings: Http1PoolSettings, monotonicMs: Clock) {
    this.#settings = settings;
    this.nowMs = monotonicMs;
  }

  /** Sends a request as soon as a connection is free for it, but not in this call. The handler hears of everything else. */
  dispatch(asked: ServerRequest, handler: RequestHandler): void {
    const request = new Http1Request(asked, handler);
    if (this.#isDestroyed) {
      request.abort(new errors.ClientDestroyedError());
      return;
    }
    this.#waiting.push(request);
    this.#serveSoon();
  }

  /** Closes every connection at once; requests fail. */
  async destroy(): Promise<void> {
    this.#isDestroyed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const request of waiting) request.abort(new errors.ClientDestroyedError());
    for (const connection of [...this.connections]) connection.fail(new errors.ClientDestroyedError());
  }

  isFree(connection: ServerConnection): void {
    this.#resting.push(connection);
    this.#serveSoon();
  }

  hasEnded(connection: ServerConnection, error: Error | null): void {
    this.connections.delete(connection);
    const at = this.#free.indexOf(connection);
    if (at !== -1) this.#free.splice(at, 1);
    if (error !== null) this.#waiting.shift()?.abort(error);
    if (this.#waiting.length > 0) this.#serveSoon();
  }

  watch(deadlineMs: number): void {
    if (deadlineMs >= this.#wakesAtMs) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#wakesAtMs = deadlineMs;
    this.#timer = setTimeout(
      expireConnections,
      Math.min(Math.max(0, deadlineMs - this.nowMs()), MAX_TIMER_MS),
      this,
    ).unref();
  }

  /**
   * Closes connections whose time is over. One timer is enough for all of them, and it is rarely set: deadlines are nearly always
   * replaced by later ones before they come.
   */
  expire(): void {
    const nowMs = this.nowMs();
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const connection of this.connections) {
      if (connection.deadlineMs <= nowMs) connection.expire();
      else nextMs = Math.min(nextMs, connection.deadlineMs);
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.watch(nextMs);
  }

  /**
   * At the end of this turn of the event loop: before a request is written, what the server has sent on an idle connection is read, and
   * closes it (UPS-03).
   */
  #serveSoon(): void {
    if (this.#isServing) return;
    this.#isServing = true;
    setImmediate(serveWaiting, this);
  }

  /** Gives free connections to waiting requests, and has connections made for the others. */
  serve(): void {
    this.#isServing = false;
    const nowMs = this.nowMs();
    while (this.#free.length > 0 && this.#waiting.length > 0) {
      const connection = this.#free.pop() as ServerConnection;
      if (!connection.send(this.#waiting.shift() as Http1Request, nowMs)) this.#free.push(connection);
    }
    for (const connection of this.#resting) if (connection.isReady) this.#free.push(connection);
    this.#resting.length = 0;
    if (this.#waiting.length === 0) return;
    if (this.#free.length > 0) this.#serveSoon();
    this.#connectAsNeeded();
  }

  #connectAsNeeded(): void {
    const { maxConnections, connect } = this.#settings;
    if (this.connections.size >= maxConnections) return;
    let needed = this.#waiting.length - this.#free.length;
    for (const { isReady } of this.connections) if (!isReady) needed -= 1;
    for (; needed > 0 && this.connections.size < maxConnections; needed -= 1) {
      const connection = new ServerConnection(this);
      this.connections.add(connection);
      connect(connection.connected, { buffer: readBuffer, callback: (count) => take(connection, count) });
    }
  }
}

const serveWaiting = (pool: Http1Pool): void => pool.serve();

const expireConnections = (pool: Http1Pool): void => pool.expire();

function take(connection: ServerConnection, count: number): boolean {
  const bytes = Buffer.allocUnsafe(count);
  readBuffer.copy(bytes, 0, 0, count);
  connection.received(bytes);
  return true;
}
