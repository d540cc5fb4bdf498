/**
 * listener: sockets in, exchanges out. A listener has a name, a server that speaks one protocol on one address, and a
 * handler, which answers its requests and which a reload replaces. The public listener, the redirect listener and the
 * outbound side are listeners; which there are is decided in `gateway/listeners.ts`.
 *
 * A listener limits the requests in progress, reports what never becomes an exchange, and drains. It fails to open with a
 * ConfigFault when its address is unavailable; after that nothing that a client does makes it throw.
 */

import { Denial } from '../errors.ts';
import type { Exchange, ExchangeListener, Handler } from '../exchange.ts';
import type { EarlyRefusal } from '../telemetry/finished-request.ts';
import type { RequestQueue } from './request-queue.ts';
import type { ConnectionCut, ConnectionRefusal } from './series.ts';

/** Where something listens. Plain data, so that it can cross between processes. */
export interface ListenerAddress {
  readonly scheme: 'http' | 'https';
  readonly address: string;
  readonly port: number;
}

/** Addresses by the name of their listener. */
export interface ListenerAddresses {
  readonly public: ListenerAddress;
  /** Listeners that the configuration does not have are missing. */
  readonly [name: string]: ListenerAddress | undefined;
}

/** Records what happens on listeners. */
export interface ListenerRecorder {
  /** An exchange is over. */
  finished(exchange: Exchange): void;
  /** A request was refused before it became an exchange. */
  refused(refusal: EarlyRefusal, listener: ExchangeListener): void;
  /** A connection was closed before it carried a request. */
  connectionRefused(reason: ConnectionRefusal): void;
  /** A connection was cut because its client was too slow. */
  connectionCut(reason: ConnectionCut): void;
}

/** Accepts connections on one address and begins an exchange for each request on them. */
export interface ListenerServer {
  /** Open connections. */
  readonly connectionCount: number;
  /**
   * Begins to accept connections.
   *
   * @throws ConfigFault when the address is unavailable
   */
  listen(): Promise<ListenerAddress>;
  /** From now on every answer closes its connection, so that clients go elsewhere. Connections are still accepted. */
  announceDrain(): void;
  /**
   * Accepts no more connections and closes those that are open: idle ones after a grace, in which a request on them is
   * still answered, the others when their requests are over.
   *
   * @param graceMs  how long idle connections stay open
   * @param idle     resolves when no request is in progress
   * @param signal   ends the waiting
   */
  drain(graceMs: number, idle: () => Promise<void>, signal: AbortSignal): Promise<void>;
  /** Closes every connection at once. */
  close(): void;
}

/** What a listener is made of, beyond its server. */
export interface ListenerParts {
  /** In metrics, logs and {@link ListenerAddresses}. */
  readonly name: string;
  /** Fields of every line about it in the access log. Default: none. */
  readonly logFields?: Readonly<Record<string, string | boolean>>;
  /** Whether requests on other listeners may depend on it, so that it drains after them. Default: false. */
  readonly drainsLast?: boolean;
  readonly handler: Handler;
  readonly recorder: ListenerRecorder;
  /** Requests in progress at the same time, tunnels included; more are refused. */
  readonly maxConcurrentRequests: number;
  /** Where its requests wait for their turn; `null`: they are never made to wait. */
  readonly queue: RequestQueue | null;
}

const OVERLOADED = new Denial('overloaded', 'too many requests in progress');

/** One way into the gateway. */
export class Listener implements ExchangeListener, Omit<ListenerServer, 'drain'> {
  readonly name: string;
  readonly logText: string;
  readonly drainsLast: boolean;
  /** Answers its requests. An exchange finishes on the handler that it began with. */
  handler: Handler;
  /** Requests in progress at the same time, tunnels included; more are refused. */
  maxConcurrentRequests: number;
  /** To which its server reports the connections that it refuses and cuts. */
  readonly recorder: ListenerRecorder;
  readonly #server: ListenerServer;
  readonly #queue: RequestQueue | null;
  #inFlight = 0;
  #onIdle: (() => void) | null = null;

  /** @param serve  makes the server; it must not begin an exchange before {@link listen} */
  constructor(parts: ListenerParts, serve: (listener: Listener) => ListenerServer) {
    this.name = parts.name;
    this.logText = parts.logFields === undefined ? '' : `,${JSON.stringify(parts.logFields).slice(1, -1)}`;
    this.drainsLast = parts.drainsLast ?? false;
    this.handler = parts.handler;
    this.recorder = parts.recorder;
    this.#queue = parts.queue;
    this.maxConcurrentRequests = parts.maxConcurrentRequests;
    this.#server = serve(this);
  }

  /** Requests in progress, tunnels included. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get connectionCount(): number {
    return this.#server.connectionCount;
  }

  /** Takes an exchange from its server: hands it on, lets it wait, or refuses it when too many are in progress. */
  accept(exchange: Exchange): void {
    const { handler } = exchange;
    this.#inFlight += 1;
    handler.begun();
    if (this.#inFlight > this.maxConcurrentRequests) handler.refuse(exchange, OVERLOADED);
    else if (this.#queue === null) handler.handle(exchange);
    else this.#queue.take(exchange);
  }

  /** Takes an exchange whose head its server refuses, so that it is answered and recorded like any other. */
  acceptRefused(exchange: Exchange, denial: Denial): void {
    this.#inFlight += 1;
    exchange.handler.begun();
    exchange.handler.refuse(exchange, denial);
  }

  finished(exchange: Exchange): void {
    this.#inFlight -= 1;
    this.recorder.finished(exchange);
    exchange.handler.finished();
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  /** Records a request that its server refused before it became an exchange. */
  recordRefusal(refusal: EarlyRefusal): void {
    this.recorder.refused(refusal, this);
  }

  listen(): Promise<ListenerAddress> {
    return this.#server.listen();
  }

  announceDrain(): void {
    this.#server.announceDrain();
  }

  /** As its server does; resolves when all requests are over. */
  drain(graceMs: number, signal: AbortSignal): Promise<void> {
    return this.#server.drain(graceMs, () => this.#idle(), signal);
  }

  close(): void {
    this.#server.close();
  }

  #idle(): Promise<void> {
    if (this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onIdle = resolve;
    });
  }
}
