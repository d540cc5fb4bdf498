/**
 * upstream/http2: requests to an HTTP/2 server in, its answers out, over as few connections as possible.
 *
 * A request goes to the connection with the fewest streams. If all are full, another connection is opened, and requests wait in order of
 * arrival until one has room.
 *
 * When an attempt to connect fails, the requests that it was made for fail, so that each can try another server.
 */

import { PoolClosedError } from '../connect.ts';
import type { RequestHandler, ServerRequest } from '../dispatch.ts';
import { StreamConnection, type StreamConnectionSettings } from './connection.ts';
import { StreamRequest } from './request.ts';

/** How many connections a pool may have, and how they are made. */
interface StreamPoolSettings extends StreamConnectionSettings {
  readonly maxConnections: number;
}

/** The connections to one server. */
export class StreamPool {
  readonly #settings: StreamPoolSettings;
  readonly connections: Set<StreamConnection> = new Set();
  #waiting: StreamRequest[] = [];
  /** The first of them; those before it have gone. */
  #first = 0;
  #isDestroyed = false;

  constructor(settings: StreamPoolSettings) {
    this.#settings = settings;
  }

  /** Sends a request as soon as a connection has room. Reports everything, failures included, to the handler. */
  dispatch(asked: ServerRequest, handler: RequestHandler): void {
    const request = new StreamRequest(asked, handler);
    if (this.#isDestroyed) {
      request.abort(new PoolClosedError());
      return;
    }
    const connection = this.#roomiest();
    if (connection !== null && this.#first === this.#waiting.length) {
      request.start(connection);
      return;
    }
    this.#waiting.push(request);
    this.#connectAsNeeded();
  }

  /** Closes every connection at once; requests fail. */
  destroy(): void {
    this.#isDestroyed = true;
    this.#failWaiting(Number.POSITIVE_INFINITY, new PoolClosedError());
    for (const connection of [...this.connections]) connection.destroy(null);
  }

  /** A connection can carry more requests. */
  hasRoom(connection: StreamConnection): void {
    while (connection.room > 0) {
      const request = this.#nextWaiting();
      if (request === null) return;
      request.start(connection);
    }
    this.#connectAsNeeded();
  }

  /** A connection has ended, or could not be made. */
  hasEnded(connection: StreamConnection, error: Error | null): void {
    this.connections.delete(connection);
    if (this.#isDestroyed) return;
    if (connection.isReady) this.#connectAsNeeded();
    else this.#failWaiting(this.#settings.maxStreams, error ?? new PoolClosedError());
  }

  #roomiest(): StreamConnection | null {
    let best: StreamConnection | null = null;
    for (const connection of this.connections) {
      if (connection.room > 0 && (best === null || connection.streams < best.streams)) best = connection;
    }
    return best;
  }

  #connectAsNeeded(): void {
    const { maxConnections, maxStreams } = this.#settings;
    let connecting = 0;
    for (const { isReady } of this.connections) if (!isReady) connecting += 1;
    const needed = Math.ceil((this.#waiting.length - this.#first) / maxStreams);
    while (connecting < needed && this.connections.size < maxConnections && !this.#isDestroyed) {
      connecting += 1;
      this.connections.add(new StreamConnection(this.#settings, this));
    }
  }

  #nextWaiting(): StreamRequest | null {
    const request = this.#waiting[this.#first] ?? null;
    if (request === null) return null;
    this.#first += 1;
    if (this.#first === this.#waiting.length || this.#first > 1_024) {
      this.#waiting.splice(0, this.#first);
      this.#first = 0;
    }
    return request;
  }

  /** A request that fails may be dispatched again at once. */
  #failWaiting(count: number, error: Error): void {
    const failed = this.#waiting.slice(this.#first, this.#first + count);
    this.#waiting = this.#waiting.slice(this.#first + count);
    this.#first = 0;
    for (const request of failed) request.abort(error);
  }
}
