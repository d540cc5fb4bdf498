/**
 * One request and its answer, from the first byte to the last: what the stages have found out, and what is written
 * about it when it is over. One object of fixed shape per request.
 */

import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Denial, GatewayFault, Reason } from './errors.ts';
import { randomHex } from './lib/random-hex.ts';
import { EarlyBytes } from './listener/http1/early-bytes.ts';
import { endAndLinger } from './listener/http1/refusal.ts';
import type { Principal } from './principal.ts';
import type { Route } from './routing/route.ts';
import type { PeerInfo, RawRequest, ScreenedRequest } from './sanitize/sanitize.ts';
import type { RouteMetrics } from './telemetry/route-series.ts';

/** Whoever works on an answer, and can give it up. */
export interface Abortable {
  /** The client has left before the answer was complete. */
  abort(): void;
}

/** Whoever has begun an exchange, and is told of its end. */
export interface ExchangeOwner {
  finished(exchange: Exchange): void;
}

/** The compiled configuration that an exchange began with, and finishes on. */
export interface ExchangeGeneration {
  /** The exchange is over. */
  leave(): void;
}

/**
 * A response that knows its exchange, so that one function can listen to all of them.
 *
 * perf: a closure per request, on the response or on the exchange, is allocated in V8's old space once the site is hot,
 * and from there keeps everything about its request alive until the next full collection: + 8 µs of garbage collection
 * per request (bench/load/run.ts, docs/adr/0003-no-closures-on-the-hot-path.md).
 */
export class ExchangeResponse extends ServerResponse<IncomingMessage> {
  exchange: Exchange | null = null;
}

export class Exchange implements RawRequest {
  readonly incoming: IncomingMessage;
  readonly response: ExchangeResponse;
  readonly peer: PeerInfo;
  /** For an upgrade: what came after the request head; `null` for a plain request. */
  readonly early: EarlyBytes | null;
  /** Monotonic time at which the request head was complete. */
  readonly startedMs: number;
  /** In logs and in `X-Request-Id`. Given by a trusted proxy or made here. */
  id: string;

  screened: ScreenedRequest | null = null;
  route: Route | null = null;
  /** Whether the workload beside the gateway calls, on the outbound side. */
  isOutbound = false;
  /** Whether it was for one of the gateway's own endpoints. */
  isOwnEndpoint = false;
  principal: Principal | null = null;

  /** Monotonic times of the upstream's part; `null` before it happened. */
  dispatchedMs: number | null = null;
  firstByteMs: number | null = null;
  upstreamEndedMs: number | null = null;
  requestBytes = 0;
  responseBytes = 0;
  /** Whether a WebSocket was opened. */
  isTunnel = false;
  /** Who works on the answer now; told when the client leaves before it is complete. */
  worker: Abortable | null = null;
  generation: ExchangeGeneration | null = null;
  #reason: Reason | null = null;
  #note: string | null = null;
  #cause: unknown = null;
  #series: RouteMetrics | null = null;
  #owner: ExchangeOwner | null;

  constructor(
    incoming: IncomingMessage,
    response: ExchangeResponse,
    peer: PeerInfo,
    early: EarlyBytes | null,
    startedMs: number,
    owner: ExchangeOwner,
  ) {
    this.incoming = incoming;
    this.response = response;
    this.peer = peer;
    this.early = early;
    this.startedMs = startedMs;
    this.#owner = owner;
    response.exchange = this;
    this.id = randomHex(32);
  }

  /**
   * An exchange for an upgrade request: until a tunnel is opened its answer is written like that of any other request,
   * and then the connection is closed.
   */
  static forUpgrade(
    incoming: IncomingMessage,
    socket: Socket,
    head: Buffer,
    peer: PeerInfo,
    startedMs: number,
    owner: ExchangeOwner,
  ): Exchange {
    const response = new ExchangeResponse(incoming);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    const exchange = new Exchange(incoming, response, peer, new EarlyBytes(socket, head), startedMs, owner);
    response.once('finish', () => {
      response.detachSocket(socket);
      endAndLinger(socket);
      exchange.finish();
    });
    return exchange;
  }

  /** Why it was refused or failed; `null` when it was forwarded or answered by one of the gateway's endpoints. */
  get reason(): Reason | null {
    return this.#reason;
  }

  /** Fixed words for the log: which rule refused it, or what failed. */
  get note(): string | null {
    return this.#note;
  }

  /** The cause of a fault, for the log. */
  get cause(): unknown {
    return this.#cause;
  }

  /** Its outcome is a refusal. The last call counts. */
  refused({ reason, note }: Denial): void {
    this.#reason = reason;
    this.#note = note;
    this.#cause = null;
  }

  /** Its outcome is a failure. The last call counts. */
  failed(fault: GatewayFault): void {
    this.#reason = fault.reason;
    this.#note = fault.message;
    this.#cause = fault.cause ?? fault;
  }

  /** The client left before the answer was complete: aborts the work on it. An outcome known before stays. */
  clientLeft(): void {
    this.worker?.abort();
    this.#reason ??= 'downstream_aborted';
  }

  /** The series that it is counted in; `null` before its first {@link enter}. */
  get series(): RouteMetrics | null {
    return this.#series;
  }

  /** Counts it in these series from now on, in progress until it finishes or enters others. */
  enter(series: RouteMetrics): void {
    this.#series?.inFlight.dec();
    this.#series = series;
    series.inFlight.inc();
  }

  /** Ends it: counts and logs it. Later calls do nothing. */
  finish(): void {
    const owner = this.#owner;
    if (owner === null) return;
    this.#owner = null;
    this.response.exchange = null;
    this.#series?.inFlight.dec();
    owner.finished(this);
  }

  /** Whether {@link finish} was called. */
  get isFinished(): boolean {
    return this.#owner === null;
  }

  /** Whether nothing that is done for it can still reach the client: it has been answered, or the client has left. */
  get isOver(): boolean {
    return this.#owner === null || this.response.headersSent;
  }

  get method(): string {
    return this.incoming.method ?? '';
  }

  get target(): string {
    return this.incoming.url ?? '';
  }

  get httpVersion(): string {
    return this.incoming.httpVersion;
  }

  get rawHeaders(): readonly string[] {
    return this.incoming.rawHeaders;
  }

  get isUpgrade(): boolean {
    return this.early !== null;
  }
}
