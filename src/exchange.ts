/**
 * One request and its answer, from the first byte to the last: what the stages find out about it and what is counted and
 * logged when it is over. One object of fixed shape per request.
 *
 * It does not know the transport. The head of the request is plain strings, and everything that moves goes through a
 * {@link Reply}, which each kind of server implements over its own objects.
 */

import type { Duplex, Readable } from 'node:stream';
import type { Denial, DenialReason, GatewayFault, Reason } from './errors.ts';
import { randomHex } from './lib/crypto/random-hex.ts';
import type { CompactToken } from './lib/http/bearer.ts';
import type { Principal } from './principal.ts';
import type { Route } from './routing/route.ts';
import type { PeerInfo, RawRequest, ScreenedRequest } from './sanitize/sanitize.ts';
import type { RouteMetrics } from './telemetry/route-series.ts';
import type { RequestTrace } from './telemetry/traces/request-trace.ts';

/** Work on an answer that can be abandoned. */
export interface Abortable {
  /** The client left before the answer was complete. */
  abort(): void;
}

/** The answer to a request that never became an exchange. */
export interface UnreadAnswer {
  readonly mediaType: string;
  readonly body: string;
  /** Flat name, value list. */
  readonly headers: readonly string[];
}

/** Answers the requests of one listener, under one configuration. */
export interface Handler {
  /** Series of requests that match no route, and of what never becomes a request. */
  readonly unmatched: RouteMetrics;
  /** An exchange has begun on it. */
  begun(): void;
  /** Takes a request to its answer. Never throws. */
  handle(exchange: Exchange): void;
  /** Answers a request that the listener refuses. Never throws. */
  refuse(exchange: Exchange, denial: Denial): void;
  /** The answer to a request that never becomes an exchange: a page for a person, a problem document for a program. */
  unread(reason: DenialReason, requestId: string, isFromPerson: boolean): UnreadAnswer;
  /** An exchange that began on it is over. */
  finished(): void;
}

/** The listener of an exchange, as far as the exchange needs it. */
export interface ExchangeListener {
  readonly name: string;
  /** The listener's fields in a line of the access log, as JSON members that each follow a comma. */
  readonly logText: string;
  readonly handler: Handler;
  /** An exchange is over. Called once. */
  finished(exchange: Exchange): void;
}

/** The head of a request, as Node's parsers name its parts. */
interface ParsedHead {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly httpVersion: string;
  /** Flat name, value list. */
  readonly rawHeaders: readonly string[];
  /** As in {@link RawRequest}. Default: false. */
  readonly hasUnframedBody?: boolean;
}

/**
 * The transport's side of an exchange: the request body comes from it and the answer goes to it. An answer is begun once
 * and then ended or cut; nothing is written before {@link begin} except interim responses.
 */
export interface Reply {
  /** The status of the answer; meaningful once it has begun. */
  readonly status: number;
  /** Whether the answer has begun, so that another one can no longer take its place. */
  readonly hasBegun: boolean;
  /** Whether the client asks to leave HTTP, which {@link upgrade} grants. */
  readonly isUpgrade: boolean;
  /** The request body as it arrives. A consumer must listen to `error` and must not destroy it: that cuts the answer. */
  readonly body: Readable;
  /** Whether the whole request has arrived. A body that closes before that was abandoned by the client. */
  readonly isRequestComplete: boolean;
  /**
   * The trailer section of the request, as the client sent it: flat name, value list, empty where there is none. Complete
   * once {@link body} has ended. Nothing in it has been screened.
   */
  readonly requestTrailers: readonly string[];

  /** Tells the client to send the body that it announced (100 Continue). */
  writeContinue(): void;
  /** Tells the client what to load while it waits (103 Early Hints), as values of Link. */
  writeEarlyLinks(links: readonly string[]): void;
  /**
   * Begins the answer. Its head may wait for the first part of the body: {@link flushHeaders} sends it without.
   *
   * If the rest of the request is neither read nor discarded, the connection carries no further request.
   *
   * @param headers  flat name, value list, without those that concern one connection only
   */
  begin(status: number, headers: string[]): void;
  /** Sends the head of an answer before its body is available. */
  flushHeaders(): void;
  /** Sends a part of the body. Returns false when the client is slow: wait for `drain` before the next part. */
  write(part: Buffer): boolean;
  /** Calls back when the client is ready for more. */
  once(event: 'drain', listener: () => void): unknown;
  /** Fields that follow the body, as name and value; call before {@link end}. */
  addTrailers(trailers: readonly [string, string][]): void;
  /** Completes the answer. */
  end(lastPart?: Buffer | string, encoding?: BufferEncoding): unknown;
  /** Ends an answer that cannot be completed, so that the client notices. */
  cut(): void;
  /** The connection carries no further request: this answer says so and closes it. Call before {@link begin}. */
  closeConnection(): void;
  /**
   * Reads the rest of the request body and throws it away, so that the connection can carry another request; closes it
   * where the rest is too long or its end is unclear. Call before {@link begin}.
   */
  discardBody(): void;
  /**
   * Accepts the upgrade that the client asks for, in place of {@link begin}.
   *
   * @returns the connection, paused, with what the client sent ahead as its first bytes
   */
  upgrade(headers: readonly string[]): Duplex;
}

/** A request, its answer, and the outcome. */
export class Exchange implements RawRequest {
  readonly listener: ExchangeListener;
  /** The handler that it began with, and finishes on. */
  readonly handler: Handler;
  readonly reply: Reply;
  readonly peer: PeerInfo;
  readonly method: string;
  readonly target: string;
  readonly httpVersion: string;
  readonly rawHeaders: readonly string[];
  readonly hasUnframedBody: boolean;
  readonly isUpgrade: boolean;
  /** Monotonic time at which the request head was complete. */
  readonly startedMs: number;
  /** In logs and in `X-Request-Id`. Given by a trusted proxy or made here. */
  id: string;

  screened: ScreenedRequest | null = null;
  route: Route | null = null;
  /** Whether one of the gateway's own endpoints answers it. */
  isOwnEndpoint = false;
  principal: Principal | null = null;
  /** Its spans; `null` when it is not recorded. */
  trace: RequestTrace | null = null;
  /** The access token of the identity provider that goes along; `null` where none does. Never logged. */
  providerToken: CompactToken | null = null;

  /** Monotonic times of the upstream's part; `null` before it happened. */
  dispatchedMs: number | null = null;
  firstByteMs: number | null = null;
  upstreamEndedMs: number | null = null;
  requestBytes = 0;
  responseBytes = 0;
  /** Status that ended a gRPC call; `null` when it is not one, or has not ended with a status. */
  grpcStatus: number | null = null;
  /** Whether the answer that has begun can still end with a gRPC status. */
  endsWithGrpcStatus = false;
  /** Whether a WebSocket was opened. */
  isTunnel = false;
  /** Where it is counted as in progress, apart from its series; `null` where it is not. */
  place: { leave(): void } | null = null;
  /** The work on the answer that is under way; aborted when the client leaves before it is complete. */
  work: Abortable | null = null;
  #reason: Reason | null = null;
  #note: string | null = null;
  #cause: unknown = null;
  #series: RouteMetrics;
  #isFinished = false;

  /** Begins an exchange, in progress among those without a route. */
  constructor(listener: ExchangeListener, reply: Reply, head: ParsedHead, peer: PeerInfo, startedMs: number) {
    this.listener = listener;
    this.handler = listener.handler;
    this.reply = reply;
    this.peer = peer;
    this.method = head.method ?? '';
    this.target = head.url ?? '';
    this.httpVersion = head.httpVersion;
    this.rawHeaders = head.rawHeaders;
    this.hasUnframedBody = head.hasUnframedBody === true;
    this.isUpgrade = reply.isUpgrade;
    this.startedMs = startedMs;
    this.id = randomHex(32);
    this.#series = this.handler.unmatched;
    this.#series.inFlight.inc();
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

  /** The rest of its body is refused: the work on its answer stops, and an answer that has begun is cut. */
  refuseBody(denial: Denial): void {
    this.refused(denial);
    this.work?.abort();
    if (this.reply.hasBegun) this.reply.cut();
    else this.handler.refuse(this, denial);
  }

  /** The client left before the answer was complete: aborts the work on it. An outcome known before stays. */
  clientLeft(): void {
    this.work?.abort();
    this.#reason ??= 'downstream_aborted';
  }

  /** The series that it is counted in. */
  get series(): RouteMetrics {
    return this.#series;
  }

  /** Counts it in these series from now on, in progress until it finishes or enters others. */
  enter(series: RouteMetrics): void {
    this.#series.inFlight.dec();
    this.#series = series;
    series.inFlight.inc();
  }

  /**
   * The upstream has begun to answer. Without a credential, it no longer counts as in progress for the address of its client,
   * behind which many may read streams: what it holds of the upstream is limited, and so are its client's connections.
   */
  answering(): void {
    if (this.principal?.credential === null) this.#leavePlace();
  }

  /** A WebSocket has been opened: from now on it is limited by the time of its credential, not as a request in progress. */
  becomeTunnel(): void {
    this.isTunnel = true;
    this.#leavePlace();
  }

  #leavePlace(): void {
    this.place?.leave();
    this.place = null;
  }

  /** Ends it: counts and logs it. Later calls do nothing. */
  finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#series.inFlight.dec();
    this.#leavePlace();
    this.listener.finished(this);
  }

  /** Whether further work on it is useless: it has been answered, or the client has left. */
  get isOver(): boolean {
    return this.#isFinished || this.reply.hasBegun;
  }
}
