/**
 * One forward under way: the handler of the callbacks of `http1/` and `http2/`, and so the only place that knows how far it has come.
 *
 * Long because what each callback may do depends on the progress of the others.
 */

import type { Duplex } from 'node:stream';
import type { Permit } from '../authorization/permit.ts';
import { asGatewayFault, Denial, type GatewayFault, UpstreamFault } from '../errors.ts';
import type { Abortable, Exchange } from '../exchange.ts';
import type { Clock } from '../lib/clock.ts';
import type { Place } from '../lib/concurrency/places.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import { isGrpcType, parseGrpcStatus } from '../lib/http/grpc.ts';
import { notePassed } from '../lib/passing-bytes.ts';
import type { KnownPrincipal, OpenStream, StreamEnding } from '../principal.ts';
import type { ScreenedRequest } from '../sanitize/sanitize.ts';
import { DEADLINE_EXCEEDED, type Deadline } from './deadline.ts';
import type { ReceivedFields, RequestController, RequestHandler, ServerRequest } from './dispatch.ts';
import { forwardFailure } from './fault.ts';
import { NotProcessedFault } from './http2/fault.ts';
import type { RequestBody } from './request-body.ts';
import { clientResponseHeaders, clientResponseTrailers, earlyHintLinks } from './response-headers.ts';
import { type RetryReason, retryReason } from './retry.ts';
import type { UpstreamServer } from './servers/server.ts';
import type { ShareTaker } from './servers/shares.ts';
import type { Upstream } from './servers/upstream.ts';
import type { Waiting } from './servers/waiting.ts';
import { acceptsHandshake, Tunnel } from './websocket/tunnel.ts';

/** What forwarding asks of the rest of the gateway. */
export interface ForwardHooks {
  /** Answers a request that could not be forwarded. */
  readonly onFailure: (exchange: Exchange, failure: Denial | GatewayFault) => void;
  /** A request is sent to an upstream once more. */
  readonly onRetry: (upstream: string, reason: RetryReason) => void;
  /** A gRPC call that was sent to an upstream has ended with a status. */
  readonly onCallEnded: (upstream: string, status: number) => void;
  /**
   * Tells a stream when the credential that opened it ends: its session was revoked or has expired, or its token was
   * revoked. Returns the way to stop watching.
   */
  readonly watch: (principal: KnownPrincipal, stream: OpenStream) => () => void;
}

/** The source of a request's token. */
export interface TokenOrigin {
  forPermit(permit: Permit): CompactToken | null | Denial | Promise<CompactToken | null | Denial>;
  /** The server has answered a token with 401. Returns whether another one can be asked for. */
  refused?(permit: Permit, token: CompactToken): boolean;
}

/** A permitted request, and what has been decided about it. */
export interface Forward {
  readonly exchange: Exchange;
  readonly request: ScreenedRequest;
  readonly permit: Permit;
  readonly upstream: Upstream;
  /** Path and query for the upstream. */
  readonly target: string;
  /** Flat name, value list; the first is Host. */
  readonly headers: string[];
  readonly body: RequestBody | null;
  /** `null` when the request carries none. */
  readonly token: CompactToken | null;
  readonly tokens: TokenOrigin;
  /** Whether it is a gRPC call, to a server that speaks HTTP/2. */
  readonly isCall: boolean;
  readonly deadline: Deadline | null;
}

/** What the forwards of one outlet share. */
export interface ForwardingOwner {
  /** Names of the cookies that only the gateway sets. */
  readonly ownCookies: readonly string[];
  readonly hooks: ForwardHooks;
  readonly monotonicMs: Clock;
  /** Open tunnels. */
  readonly tunnels: Set<Tunnel>;
  /** Whose share of an upstream a request takes: a client's or a session's; `null` for nobody's. */
  holderOf(request: ScreenedRequest, permit: Permit): string | null;
  /** Decides which headers are sent. */
  prepare(exchange: Exchange, request: ScreenedRequest, permit: Permit, token: CompactToken | null): string[] | Denial;
  /** Settles a forward at the end of this turn of the event loop. */
  settleSoon(forwarding: Forwarding): void;
}

/** More interim responses than this before the final one are an attack or a fault (DOS-18). */
const MAX_INTERIM_RESPONSES = 16;

const EVENT_STREAM = /^text\/event-stream/i;

/**
 * A body up to this long that came in one piece with its head goes out in one write with its head, as Latin-1, which
 * keeps every byte.
 *
 * perf: bench/load/run.ts, warm session: 1.7 µs less per request than a gathered write of two buffers.
 */
const MAX_WHOLE_BODY_BYTES = 8 * 1024;

const TOKEN_REFUSED = new Error('token refused');

const TOO_MANY_SHARES = new Denial('overloaded', 'too many requests wait for their share of the upstream');
const WAITED_TOO_LONG = new Denial('overloaded', 'waited too long for a connection to the upstream');

/** One request on its way to a server and its answer on the way back. */
export class Forwarding implements RequestHandler, OpenStream, Abortable, Waiting, ShareTaker {
  waitsUntilMs: number | null = null;
  before: Waiting | null = null;
  after: Waiting | null = null;
  readonly #owner: ForwardingOwner;
  readonly #forward: Forward;
  #headers: string[];
  #body: RequestBody | null;
  #server: UpstreamServer | null = null;
  /** Its place in the share of the upstream that its client or session holds. */
  #share: Place | null = null;
  #controller: RequestController | null = null;
  #hasRetried = false;
  /** The server has refused the token, and the request will be sent again with another one. */
  #isTokenRefused = false;
  /** Whether its connection carried a request before. */
  #isOnKeptConnection = false;
  #isAnswered = false;
  #isOver = false;
  #interimResponses = 0;
  #contentLength = -1;
  /** What the server says about its connection. */
  #connectionOptions: string | string[] | undefined;
  #isEventStream = false;
  #hasData = false;
  /** The whole body, when it is small and came in one piece: it is written together with the head. */
  #wholeBody: string | null = null;
  #stopWatching: (() => void) | null = null;
  #answerTimer: NodeJS.Timeout | null = null;
  #deadlineTimer: NodeJS.Timeout | null = null;

  constructor(owner: ForwardingOwner, forward: Forward) {
    this.#owner = owner;
    this.#forward = forward;
    this.#headers = forward.headers;
    this.#body = forward.body;
  }

  /**
   * Sends it to the least busy server. A request with a body waits until the body has begun to arrive, except for a
   * gRPC call, whose server may speak first.
   */
  start(): void {
    const { exchange, request, isCall, deadline } = this.#forward;
    exchange.work = this;
    if (deadline !== null) {
      const leftMs = deadline.leftMs(this.#owner.monotonicMs());
      if (leftMs <= 0) {
        this.#fail(DEADLINE_EXCEEDED);
        return;
      }
      this.#deadlineTimer = setTimeout(breakOff, leftMs, this, DEADLINE_EXCEEDED);
    }
    if (this.#body === null || isCall) {
      this.#takeShare();
      return;
    }
    if (request.expectsContinue) exchange.reply.writeContinue();
    this.#body.whenBegun((failure) => this.#onBodyBegun(failure));
    this.#owner.settleSoon(this);
  }

  #onBodyBegun(failure: Error | null): void {
    if (this.#isOver) return;
    if (failure !== null) {
      this.#fail(forwardFailure(failure, false));
      return;
    }
    if (this.#body?.isEmpty === true) {
      // No body is sent: some servers cannot handle chunks, or the body of a GET.
      this.#body.destroy();
      this.#body = null;
    }
    this.#takeShare();
  }

  /** Sends it now, or when its client or session holds less of the upstream. */
  #takeShare(): void {
    const { request, permit, upstream } = this.#forward;
    const holder = this.#owner.holderOf(request, permit);
    const share = holder === null ? null : upstream.shares.take(holder, this);
    if (share === 'full') this.#fail(TOO_MANY_SHARES);
    else if (share === 'waits') upstream.waiting.join(this);
    else {
      this.#share = share;
      this.#dispatch();
    }
  }

  /** Its client or session holds less now. */
  admitted(share: Place): void {
    this.#forward.upstream.waiting.leave(this);
    this.#share = share;
    this.#dispatch();
  }

  /** Whether it has been answered or has failed, or its client has left. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Sends it to a server. An exception in here fails the request: an event may have started it, and then nothing else
   * would catch the exception.
   *
   * @param failed  the server that has just failed; `null`: none
   */
  #dispatch(failed: UpstreamServer | null = null): void {
    try {
      const server = this.#forward.upstream.choose(failed);
      if (server instanceof Denial) this.#fail(server);
      else this.#sendTo(server);
    } catch (thrown) {
      this.breakOff(asGatewayFault(thrown));
    }
  }

  #sendTo(server: UpstreamServer): void {
    const { exchange, request, permit, upstream, target, isCall, deadline } = this.#forward;
    const { route } = permit;
    const { idle } = upstream.config.timeouts;
    this.#server = server;
    server.inFlight += 1;
    exchange.trace?.sentTo(server.origin);
    const isOwnHost = (route.hostHeader ?? upstream.config.hostHeader) === 'endpoint';
    this.#headers[1] = isOwnHost ? server.hostHeader : request.hostHeader;
    deadline?.writeTo(this.#headers, this.#owner.monotonicMs());
    const asked: ServerRequest = {
      path: target,
      method: request.method,
      headers: this.#headers,
      body: this.#body,
      bodyLength: this.#body !== null && typeof request.body === 'number' ? request.body : null,
      // If there is a body, the time counts from its end.
      firstByteTimeoutMs: this.#body === null ? this.#firstByteTimeoutMs : 0,
      idleTimeoutMs: route.idleTimeoutMs ?? idle,
      takeTimeoutMs: route.idleTimeoutMs || idle,
      isUpgrade: request.isWebSocket,
      takesTrailers: request.fields.takesTrailers && !request.isWebSocket,
      isDuplex: isCall,
    };
    server.pool.dispatch(asked, this);
    if (this.#controller === null && !this.#isOver) upstream.waiting.join(this);
  }

  /** It has waited for a connection for as long as it may. */
  giveUp(): void {
    this.#fail(WAITED_TOO_LONG);
  }

  onRequestStart(controller: RequestController, isKept: boolean): void {
    // The client left while the request waited for a connection. Unlike an abort, an error leaves the connection whole.
    if (this.#isOver) throw new UpstreamFault('downstream_aborted', 'client left');
    this.#controller = controller;
    this.#forward.upstream.waiting.leave(this);
    this.#isOnKeptConnection = isKept;
    this.#forward.exchange.dispatchedMs = this.#owner.monotonicMs();
  }

  onRequestSent(): void {
    if (this.#body === null || this.#forward.exchange.firstByteMs !== null) return;
    this.#answerTimer = setTimeout(() => {
      this.#controller?.abort(new UpstreamFault('upstream_timeout', 'no answer after the request body'));
    }, this.#firstByteTimeoutMs);
  }

  get #firstByteTimeoutMs(): number {
    return this.#forward.permit.route.firstByteTimeoutMs ?? this.#forward.upstream.config.timeouts.firstByte;
  }

  onResponseStarted(): void {
    this.#isAnswered = true;
  }

  onResponseStart(controller: RequestController, status: number, received: ReceivedFields): void {
    if (status < 200) {
      this.#interimResponses += 1;
      if (status < 100 || this.#interimResponses > MAX_INTERIM_RESPONSES) {
        controller.abort(new UpstreamFault('upstream_protocol', 'too many interim responses, or no status'));
      } else if (status === 103) {
        this.#passHints(received);
      }
      return;
    }
    if (status === 401 && this.#dropRefusedToken()) {
      this.#isTokenRefused = true;
      controller.abort(TOKEN_REFUSED);
      return;
    }
    // A 204 has no length (RFC 9110 §8.6): a client that believed one would wait for what never comes (SMG-39).
    if (status === 204) received['content-length'] = undefined;
    const { exchange, isCall } = this.#forward;
    exchange.firstByteMs = this.#owner.monotonicMs();
    exchange.answering();
    this.#body?.answered();
    this.#stopAnswerTimer();
    this.#server?.noteSuccess();
    const headers = this.#clientHeaders(received);
    this.#connectionOptions = received['connection'];
    this.#contentLength = Number(received['content-length'] ?? -1);
    this.#isEventStream = EVENT_STREAM.test(String(received['content-type']));
    if (isCall) this.#noteCall(received);
    exchange.reply.begin(status, headers);
    this.#owner.settleSoon(this);
  }

  #clientHeaders(received: ReceivedFields): string[] {
    const { exchange, permit, request } = this.#forward;
    const headers = clientResponseHeaders(received, permit, this.#owner.ownCookies, request.fields.origin);
    headers.push('x-request-id', exchange.id);
    return headers;
  }

  /** An answer of gRPC has no length, so that it can end with a status at any time. */
  #noteCall(received: ReceivedFields): void {
    const { exchange } = this.#forward;
    const type = received['content-type'];
    const isGrpc = typeof type === 'string' && isGrpcType(type);
    exchange.grpcStatus = parseGrpcStatus(received['grpc-status']);
    exchange.endsWithGrpcStatus = exchange.httpVersion === '2' && this.#contentLength === -1 && isGrpc;
  }

  onResponseData(controller: RequestController, chunk: Buffer): void {
    const { exchange } = this.#forward;
    const isWhole = !this.#hasData && chunk.byteLength === this.#contentLength;
    this.#hasData = true;
    exchange.responseBytes += chunk.byteLength;
    if (isWhole && chunk.byteLength <= MAX_WHOLE_BODY_BYTES) {
      this.#wholeBody = chunk.toString('latin1');
      return;
    }
    notePassed(chunk.byteLength);
    const { reply } = exchange;
    if (!reply.write(chunk)) {
      controller.pause();
      reply.once('drain', () => controller.resume());
    }
  }

  /** Other interim responses say nothing that the client could use. HTTP/1.0 has none (RFC 9110 §15.2). */
  #passHints(received: ReceivedFields): void {
    const { exchange, permit } = this.#forward;
    if (exchange.httpVersion === '1.0') return;
    const links = earlyHintLinks(received, permit, this.#owner.ownCookies);
    if (links.length > 0) exchange.reply.writeEarlyLinks(links);
  }

  onResponseEnd(received: ReceivedFields): void {
    const { exchange, isCall } = this.#forward;
    exchange.upstreamEndedMs = this.#owner.monotonicMs();
    this.#passTrailers(received);
    this.#finish();
    if (isCall) this.#countCall();
    if (this.#wholeBody === null) exchange.reply.end();
    else exchange.reply.end(this.#wholeBody, 'latin1');
  }

  /** To clients that can take them: others may see them as a second answer, or merge them into the headers (RFC 9110 §6.5.1). */
  #passTrailers(received: ReceivedFields): void {
    const { exchange, request, permit, isCall } = this.#forward;
    if (isCall) exchange.grpcStatus ??= parseGrpcStatus(received['grpc-status']);
    if (exchange.httpVersion !== '2' && !request.fields.takesTrailers) return;
    const trailers = clientResponseTrailers(received, this.#connectionOptions, permit);
    if (trailers.length > 0) exchange.reply.addTrailers(trailers);
  }

  onResponseError(error: Error): void {
    const failed = this.#server;
    this.#forward.upstream.waiting.leave(this);
    // It applied to this attempt only.
    this.#stopAnswerTimer();
    this.#release();
    if (this.#isOver) {
      this.#giveShare();
      return;
    }
    if (this.#isTokenRefused) {
      void this.#sendWithOtherToken();
      return;
    }
    const wasSent = this.#controller !== null;
    const failure = forwardFailure(error, wasSent);
    if (!wasSent && failure instanceof UpstreamFault) failed?.noteFailure();
    const retry = this.#retryReason(failure);
    if (retry === null) {
      this.#forward.exchange.upstreamEndedMs = this.#owner.monotonicMs();
      this.#fail(failure);
      return;
    }
    this.#hasRetried = true;
    this.#controller = null;
    this.#owner.hooks.onRetry(this.#forward.upstream.name, retry);
    this.#dispatch(failed);
  }

  /**
   * Drops the token that the server has answered with 401, unless this request was sent again already.
   *
   * @returns whether to send the request again with another token; not if it has a body, which cannot be read again
   */
  #dropRefusedToken(): boolean {
    if (this.#forward.token === null || this.#hasRetried) return false;
    return this.#forward.tokens.refused?.(this.#forward.permit, this.#forward.token) === true && this.#body === null;
  }

  async #sendWithOtherToken(): Promise<void> {
    this.#isTokenRefused = false;
    this.#hasRetried = true;
    this.#isAnswered = false;
    this.#controller = null;
    const { exchange, request, permit, tokens, upstream } = this.#forward;
    this.#owner.hooks.onRetry(upstream.name, 'token_refused');
    try {
      const token = await tokens.forPermit(permit);
      // The client may have left in the meantime.
      if (this.#isOver) return;
      const headers = token instanceof Denial ? token : this.#owner.prepare(exchange, request, permit, token);
      if (headers instanceof Denial) {
        this.#fail(headers);
        return;
      }
      this.#headers = headers;
      this.#dispatch();
    } catch (thrown) {
      if (!this.#isOver) this.#fail(asGatewayFault(thrown));
    }
  }

  #retryReason(failure: Denial | GatewayFault): RetryReason | null {
    const wasSent = this.#controller !== null;
    const isLost = failure instanceof UpstreamFault && (!wasSent || failure.reason === 'upstream_reset');
    if (this.#hasRetried || !isLost) return null;
    return retryReason({
      method: this.#forward.request.method,
      hasBody: this.#body !== null,
      wasSent,
      wasKept: this.#isOnKeptConnection,
      wasAnswered: this.#isAnswered,
      wasRefused: failure instanceof NotProcessedFault,
      isBodyKept: this.#body?.sent?.canBeSentAgain === true,
    });
  }

  onRequestUpgrade(received: ReceivedFields, socket: Duplex): void {
    const { exchange, request } = this.#forward;
    exchange.firstByteMs = this.#owner.monotonicMs();
    if (!acceptsHandshake(received, request.fields.webSocketKey)) {
      socket.destroy();
      this.#fail(new UpstreamFault('upstream_protocol', 'answer does not fit the WebSocket handshake'));
      return;
    }
    exchange.work = null;
    const server = this.#server as UpstreamServer;
    server.noteSuccess();
    server.tunnels += 1;
    this.#release();
    this.#giveShare();
    const { tunnels } = this.#owner;
    const tunnel = Tunnel.open(exchange, socket, this.#clientHeaders(received), () => {
      tunnels.delete(tunnel);
      this.#stopWatching?.();
      server.tunnels -= 1;
      exchange.upstreamEndedMs = this.#owner.monotonicMs();
      exchange.finish();
    });
    tunnels.add(tunnel);
    this.#stopWatching = this.#watch(tunnel);
  }

  /**
   * Called when the parser has delivered everything that arrived with the head of the request, or of the response: what is
   * still open now is a stream.
   */
  settle(): void {
    const { reply } = this.#forward.exchange;
    if (this.#isOver || (!reply.hasBegun && reply.isRequestComplete)) return;
    if (reply.hasBegun && !this.#hasData) reply.flushHeaders();
    this.#stopWatching ??= this.#watch(this);
  }

  #watch(stream: OpenStream): (() => void) | null {
    const { principal } = this.#forward.permit;
    return principal.credential === null ? null : this.#owner.hooks.watch(principal, stream);
  }

  /** Bytes that the client has sent and received. Events that a server pushes do not show that a user is there. */
  get use(): number {
    return (this.#body?.byteCount ?? 0) + (this.#isEventStream ? 0 : this.#forward.exchange.responseBytes);
  }

  /** The credential has ended while this was open. */
  credentialEnded({ denial }: StreamEnding): void {
    const { exchange } = this.#forward;
    if (!exchange.reply.hasBegun) {
      this.#fail(denial);
    } else if (exchange.endsWithGrpcStatus) {
      this.breakOff(denial);
    } else {
      exchange.refused(denial);
      exchange.reply.cut();
    }
  }

  /** Ends it before the server has answered completely. */
  breakOff(why: Denial | GatewayFault): void {
    if (this.#isOver) return;
    const controller = this.#controller;
    this.#fail(why);
    controller?.abort(new UpstreamFault('downstream_aborted', 'forward was ended'));
  }

  /** The client left. */
  abort(): void {
    if (this.#isOver) return;
    const controller = this.#controller;
    this.#finish();
    this.#body?.destroy();
    controller?.abort(new UpstreamFault('downstream_aborted', 'client left'));
  }

  #fail(failure: Denial | GatewayFault): void {
    this.#finish();
    this.#body?.destroy();
    this.#owner.hooks.onFailure(this.#forward.exchange, failure);
    if (this.#forward.isCall) this.#countCall();
  }

  #countCall(): void {
    const { grpcStatus } = this.#forward.exchange;
    if (grpcStatus !== null) this.#owner.hooks.onCallEnded(this.#forward.upstream.name, grpcStatus);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#forward.upstream.waiting.leave(this);
    this.#forward.exchange.work = null;
    this.#forward.exchange.requestBytes = this.#body?.byteCount ?? 0;
    this.#stopWatching?.();
    this.#stopAnswerTimer();
    if (this.#deadlineTimer !== null) clearTimeout(this.#deadlineTimer);
    // A request that still waits for a connection keeps its place until its turn comes, whether its client has left or
    // not: otherwise clients that come and go would fill the queue beyond its limit.
    if (this.#controller === null && this.#server !== null) return;
    this.#release();
    this.#giveShare();
  }

  #stopAnswerTimer(): void {
    if (this.#answerTimer !== null) clearTimeout(this.#answerTimer);
    this.#answerTimer = null;
  }

  #release(): void {
    if (this.#server !== null) this.#server.inFlight -= 1;
    this.#server = null;
  }

  #giveShare(): void {
    this.#share?.leave();
    this.#share = null;
    this.#forward.upstream.shares.settle();
  }
}

const breakOff = (forwarding: Forwarding, denial: Denial): void => forwarding.breakOff(denial);
