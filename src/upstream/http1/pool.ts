/**
 * upstream/http1: requests to an HTTP/1.1 server in, its answers out, over connections that are kept and reused.
 *
 * Requests wait in order of arrival until a connection is free, and one is made for each that finds none, up to the limit. When an
 * attempt to connect fails, the request that it was made for fails, so that it can try another server.
 */

import { type Clock, MAX_TIMER_MS } from '../../lib/clock.ts';
import { type Connect, PoolClosedError } from '../connect.ts';
import type { RequestHandler, ServerRequest } from '../dispatch.ts';
import { type ConnectionPool, ServerConnection } from './connection.ts';
import { Http1Request } from './request.ts';

/** The connections to one server. */
export class Http1Pool implements ConnectionPool {
  readonly nowMs: Clock;
  readonly #connect: Connect;
  readonly #maxConnections: number;
  readonly connections: Set<ServerConnection> = new Set();
  /** The last one is used first, so that those that are not needed expire. */
  readonly #free: ServerConnection[] = [];
  /** Those that have become free in this turn of the event loop. */
  readonly #resting: ServerConnection[] = [];
  readonly #waiting: Http1Request[] = [];
  #turnEnd: NodeJS.Immediate | null = null;
  #isDestroyed = false;
  #timer: NodeJS.Timeout | undefined;
  #wakesAtMs = Number.POSITIVE_INFINITY;

  constructor(connect: Connect, maxConnections: number, monotonicMs: Clock) {
    this.#connect = connect;
    this.#maxConnections = maxConnections;
    this.nowMs = monotonicMs;
  }

  /** Sends a request as soon as a connection is free, but not in this call. Reports everything, failures included, to the handler. */
  dispatch(asked: ServerRequest, handler: RequestHandler): void {
    const request = new Http1Request(asked, handler);
    if (this.#isDestroyed) {
      request.abort(new PoolClosedError());
      return;
    }
    this.#waiting.push(request);
    this.#serveSoon();
  }

  /** Closes every connection at once; requests fail. */
  destroy(): void {
    this.#isDestroyed = true;
    clearTimeout(this.#timer);
    for (const one of this.#waiting.splice(0)) one.abort(new PoolClosedError());
    for (const one of [...this.connections]) one.fail(new PoolClosedError());
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

  /** One timer is enough for all of them, and rarely set: deadlines are nearly always replaced by later ones before they come. */
  watch(deadlineMs: number): void {
    if (deadlineMs >= this.#wakesAtMs) return;
    clearTimeout(this.#timer);
    this.#wakesAtMs = deadlineMs;
    const inMs = Math.min(Math.max(0, deadlineMs - this.nowMs()), MAX_TIMER_MS);
    this.#timer = setTimeout(this.#expire, inMs).unref();
  }

  /** Closes connections whose time is up. */
  readonly #expire = (): void => {
    const nowMs = this.nowMs();
    this.#wakesAtMs = Number.POSITIVE_INFINITY;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const connection of this.connections) {
      if (connection.deadlineMs <= nowMs) connection.expire();
      else nextMs = Math.min(nextMs, connection.deadlineMs);
    }
    this.watch(nextMs);
  };

  /**
   * At the end of this turn of the event loop: before a request is written, what the server has sent on an idle connection is read, and
   * closes it (UPS-03).
   */
  #serveSoon(): void {
    this.#turnEnd ??= setImmediate(this.#serve);
  }

  /** Gives free connections to waiting requests, and opens connections for the others. */
  readonly #serve = (): void => {
    this.#turnEnd = null;
    while (this.#free.length > 0 && this.#waiting.length > 0) {
      const connection = this.#free.pop() as ServerConnection;
      connection.send(this.#waiting.shift() as Http1Request);
      if (connection.isReady && !connection.isBusy) this.#free.push(connection);
    }
    for (const connection of this.#resting) if (connection.hasRested()) this.#free.push(connection);
    this.#resting.length = 0;
    if (this.#waiting.length === 0) return;
    if (this.#free.length > 0) this.#serveSoon();
    let needed = this.#waiting.length - this.#free.length;
    for (const { isReady } of this.connections) if (!isReady) needed -= 1;
    for (; needed > 0 && this.connections.size < this.#maxConnections; needed -= 1) {
      this.connections.add(new ServerConnection(this.#connect, this));
    }
  };
}
