/**
 * One forward under way: the handler of the callbacks of `http1/` and `http2/`, and so the only place that knows how far it has come.
 *
 * Long because what each callback may do depends on how far the others have come.
 */

import type { Duplex } from 'node:stream';
import type { Permit } from '../authorization/permit.ts';
import { asGatewayFault, Denial, type GatewayFault, UpstreamFault } from '../errors.ts';
import type { Abortable, Exchange } from '../exchange.ts';
import type { CompactToken } from '../lib/bearer.ts';
import type { Clock } from '../lib/clock.ts';
import { isGrpcType, parseGrpcStatus } from '../lib/grpc.ts';
import { notePassed } from '../lib/passing-bytes.ts';
import type { Place } from '../lib/places.ts';
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

/** Where the token of a request is from. */
export interface TokenOrigin {
  forPermit(permit: Permit): CompactToken | null | Denial | Promise<CompactToken | null | Denial>;
  /** The server has answered a token with 401. Returns whether another one can be asked for. */
  refused?(permit: Permit, token: CompactToken): boolean;
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
  /** Has a forward settled at the end of this turn of the event loop. */
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
  readonly #exchange: Exchange;
  readonly #request: ScreenedRequest;
  readonly #permit: Permit;
  readonly #upstream: Upstream;
  readonly #target: string;
  /** Flat name, value list; the first is Host. */
  #headers: string[];
  readonly #body: RequestBody | null;
  readonly #token: CompactToken | null;
  readonly #tokens: TokenOrigin;
  #server: UpstreamServer | null = null;
  /** Where it counts as a part of what its client or session holds of the upstream. */
  #share: Place | null = null;
  #controller: RequestController | null = null;
  #hasRetried = false;
  /** The server has refused the token, and the request is to be sent again with another one. */
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
  /** Whether it is a gRPC call, to a server that speaks HTTP/2. */
  readonly #isCall: boolean;
  readonly #deadline: Deadline | null;
  #deadlineTimer: NodeJS.Timeout | null = null;

  constructor(
    owner: ForwardingOwner,
    exchange: Exchange,
    request: ScreenedRequest,
    permit: Permit,
    upstream: Upstream,
    target: string,
    headers: string[],
    body: RequestBody | null,
    token: CompactToken | null,
    tokens: TokenOrigin,
    isCall: boolean,
    deadline: Deadline | null,
  ) {
    this.#owner = owner;
    this.#exchange = exchange;
    this.#request = request;
    this.#permit = permit;
    this.#upstream = upstream;
    this.#target = target;
    this.#headers = headers;
    this.#body = body;
    this.#token = token;
    this.#tokens = tokens;
    this.#isCall = isCall;
    this.#deadline = deadline;
  }

  /**
   * Sends it to the server that has least to do; if it has a body, not before that has begun to arrive, but for a gRPC call,
   * whose server may speak first.
   */
  start(): void {
    this.#exchange.worker = this;
    if (this.#deadline !== null) {
      const leftMs = this.#deadline.leftMs(this.#owner.monotonicMs());
      if (leftMs <= 0) {
        this.#fail(DEADLINE_EXCEEDED);
        return;
      }
      this.#deadlineTimer = setTimeout(breakOff, leftMs, this, DEADLINE_EXCEEDED);
    }
    if (this.#body === null || this.#isCall) {
      this.#takeShare();
      return;
    }
    if (this.#request.expectsContinue) this.#exchange.reply.writeContinue();
    this.#body.whenBegun((failure) => this.#onBodyBegun(failure));
    this.#owner.settleSoon(this);
  }

  #onBodyBegun(failure: Error | null): void {
    if (this.#isOver) return;
    if (failure === null) this.#takeShare();
    else this.#fail(forwardFailure(failure, false));
  }

  /** Sends it now, or when its client or session holds less of the upstream. */
  #takeShare(): void {
    const holder = this.#owner.holderOf(this.#request, this.#permit);
    const share = holder === null ? null : this.#upstream.shares.take(holder, this);
    if (share === 'full') this.#fail(TOO_MANY_SHARES);
    else if (share === 'waits') this.#upstream.waiting.join(this);
    else {
      this.#share = share;
      this.#dispatch(this.#upstream.choose());
    }
  }

  /** Its client or session holds less now. */
  admitted(share: Place): void {
    this.#upstream.waiting.leave(this);
    this.#share = share;
    this.#dispatch(this.#upstream.choose());
  }

  /** Whether it has been answered or has failed, or its client has left. */
  get isOver(): boolean {
    return this.#isOver;
  }

  #dispatch(server: UpstreamServer | Denial): void {
    if (server instanceof Denial) {
      this.#fail(server);
      return;
    }
    const { route } = this.#permit;
    this.#server = server;
    server.inFlight += 1;
    this.#exchange.trace?.sentTo(server.origin);
    const isOwnHost = (route.hostHeader ?? this.#upstream.config.hostHeader) === 'endpoint';
    this.#headers[1] = isOwnHost ? server.hostHeader : this.#request.hostHeader;
    this.#deadline?.writeTo(this.#headers, this.#owner.monotonicMs());
    const { idle } = this.#upstream.config.timeouts;
    const request: ServerRequest = {
      path: this.#target,
      method: this.#request.method,
      headers: this.#headers,
      body: this.#body,
      // With a body it counts from the end of that.
      firstByteTimeoutMs: this.#body === null ? this.#firstByteTimeoutMs : 0,
      idleTimeoutMs: route.idleTimeoutMs ?? idle,
      takeTimeoutMs: route.idleTimeoutMs || idle,
      isUpgrade: this.#request.isWebSocket,
      takesTrailers: this.#request.fields.takesTrailers && !this.#request.isWebSocket,
      isDuplex: this.#isCall,
    };
    server.pool.dispatch(request, this);
    if (this.#controller === null && !this.#isOver) this.#upstream.waiting.join(this);
  }

  /** It has waited for a connection for as long as it may. */
  giveUp(): void {
    this.#fail(WAITED_TOO_LONG);
  }

  onRequestStart(controller: RequestController, isKept: boolean): void {
    // The client left while the request waited for a connection. Unlike an abort, an error leaves the connection whole.
    if (this.#isOver) throw new UpstreamFault('downstream_aborted', 'client left');
    this.#controller = controller;
    this.#upstream.waiting.leave(this);
    this.#isOnKeptConnection = isKept;
    this.#exchange.dispatchedMs = this.#owner.monotonicMs();
  }

  onRequestSent(): void {
    if (this.#body === null || this.#exchange.firstByteMs !== null) return;
    this.#answerTimer = setTimeout(() => {
      this.#controller?.abort(new UpstreamFault('upstream_timeout', 'no answer after the request body'));
    }, this.#firstByteTimeoutMs);
  }

  get #firstByteTimeoutMs(): number {
    return this.#permit.route.firstByteTimeoutMs ?? this.#upstream.config.timeouts.firstByte;
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
    if (status === 401 && this.#mayRenewToken()) {
      this.#isTokenRefused = true;
      controller.abort(TOKEN_REFUSED);
      return;
    }
    // A 204 has no length (RFC 9110 §8.6): a client that believed one would wait for what never comes (SMG-39).
    if (status === 204) received['content-length'] = undefined;
    this.#exchange.firstByteMs = this.#owner.monotonicMs();
    this.#exchange.answering();
    this.#body?.answered();
    this.#stopAnswerTimer();
    this.#server?.noteSuccess();
    const headers = clientResponseHeaders(received, this.#permit, this.#owner.ownCookies, this.#request.fields.origin);
    headers.push('x-request-id', this.#exchange.id);
    this.#connectionOptions = received['connection'];
    this.#contentLength = Number(received['content-length'] ?? -1);
    this.#isEventStream = EVENT_STREAM.test(String(received['content-type']));
    if (this.#isCall) this.#noteCall(received);
    this.#exchange.reply.begin(status, headers);
    this.#owner.settleSoon(this);
  }

  /** An answer of gRPC has no length, so that it can end with a status at any time. */
  #noteCall(received: ReceivedFields): void {
    this.#exchange.grpcStatus = parseGrpcStatus(received['grpc-status']);
    const type = received['content-type'];
    this.#exchange.endsWithGrpcStatus =
      this.#exchange.httpVersion === '2' &&
      this.#contentLength === -1 &&
      isGrpcType(typeof type === 'string' ? type : null);
  }

  onResponseData(controller: RequestController, chunk: Buffer): void {
    const isWhole = !this.#hasData && chunk.byteLength === this.#contentLength;
    this.#hasData = true;
    this.#exchange.responseBytes += chunk.byteLength;
    if (isWhole && chunk.byteLength <= MAX_WHOLE_BODY_BYTES) {
      this.#wholeBody = chunk.toString('latin1');
      return;
    }
    notePassed(chunk.byteLength);
    const { reply } = this.#exchange;
    if (!reply.write(chunk)) {
      controller.pause();
      reply.once('drain', () => controller.resume());
    }
  }

  /** Other interim responses say nothing that the client could use. HTTP/1.0 has none (RFC 9110 §15.2). */
  #passHints(received: ReceivedFields): void {
    if (this.#exchange.httpVersion === '1.0') return;
    const links = earlyHintLinks(received, this.#permit, this.#owner.ownCookies);
    if (links.length > 0) this.#exchange.reply.writeEarlyLinks(links);
  }

  onResponseEnd(received: ReceivedFields): void {
    this.#exchange.upstreamEndedMs = this.#owner.monotonicMs();
    const { reply } = this.#exchange;
    this.#passTrailers(received);
    this.#finish();
    if (this.#isCall) this.#countCall();
    if (this.#wholeBody === null) reply.end();
    else reply.end(this.#wholeBody, 'latin1');
  }

  /** To clients that can take them: others may see them as a second answer, or merge them into the headers (RFC 9110 §6.5.1). */
  #passTrailers(received: ReceivedFields): void {
    if (this.#isCall) this.#exchange.grpcStatus ??= parseGrpcStatus(received['grpc-status']);
    if (this.#exchange.httpVersion !== '2' && !this.#request.fields.takesTrailers) return;
    const trailers = clientResponseTrailers(received, this.#connectionOptions, this.#permit);
    if (trailers.length > 0) this.#exchange.reply.addTrailers(trailers);
  }

  onResponseError(error: Error): void {
    const failed = this.#server;
    this.#upstream.waiting.leave(this);
    // It was for this attempt. The next one may answer later, and for longer.
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
      this.#exchange.upstreamEndedMs = this.#owner.monotonicMs();
      this.#fail(failure);
      return;
    }
    this.#hasRetried = true;
    this.#controller = null;
    this.#owner.hooks.onRetry(this.#upstream.name, retry);
    this.#dispatch(this.#upstream.choose(failed));
  }

  /** Whatever comes of it, the token that was refused is not kept. A body that was read cannot be sent again. */
  #mayRenewToken(): boolean {
    if (this.#token === null || this.#hasRetried) return false;
    return this.#tokens.refused?.(this.#permit, this.#token) === true && this.#body === null;
  }

  async #sendWithOtherToken(): Promise<void> {
    this.#isTokenRefused = false;
    this.#hasRetried = true;
    this.#isAnswered = false;
    this.#controller = null;
    const { hooks } = this.#owner;
    hooks.onRetry(this.#upstream.name, 'token_refused');
    try {
      const token = await this.#tokens.forPermit(this.#permit);
      // The client may have left in the meantime.
      if (this.#isOver) return;
      const headers =
        token instanceof Denial ? token : this.#owner.prepare(this.#exchange, this.#request, this.#permit, token);
      if (headers instanceof Denial) {
        this.#fail(headers);
        return;
      }
      this.#headers = headers;
      this.#dispatch(this.#upstream.choose());
    } catch (thrown) {
      if (!this.#isOver) this.#fail(asGatewayFault(thrown));
    }
  }

  #retryReason(failure: Denial | GatewayFault): RetryReason | null {
    const wasSent = this.#controller !== null;
    const isLost = failure instanceof UpstreamFault && (!wasSent || failure.reason === 'upstream_reset');
    if (this.#hasRetried || !isLost) return null;
    return retryReason({
      method: this.#request.method,
      hasBody: this.#body !== null,
      wasSent,
      wasKept: this.#isOnKeptConnection,
      wasAnswered: this.#isAnswered,
      wasRefused: failure instanceof NotProcessedFault,
      isBodyKept: this.#body?.sent?.canBeSentAgain === true,
    });
  }

  onRequestUpgrade(received: ReceivedFields, socket: Duplex): void {
    this.#exchange.firstByteMs = this.#owner.monotonicMs();
    if (!acceptsHandshake(received, this.#request.fields.webSocketKey)) {
      socket.destroy();
      this.#fail(new UpstreamFault('upstream_protocol', 'answer does not fit the WebSocket handshake'));
      return;
    }
    this.#exchange.worker = null;
    const server = this.#server as UpstreamServer;
    server.noteSuccess();
    server.tunnels += 1;
    this.#release();
    this.#giveShare();
    const { tunnels, ownCookies } = this.#owner;
    const headers = clientResponseHeaders(received, this.#permit, ownCookies, this.#request.fields.origin);
    headers.push('x-request-id', this.#exchange.id);
    const tunnel = Tunnel.open(this.#exchange, socket, headers, () => {
      tunnels.delete(tunnel);
      this.#stopWatching?.();
      server.tunnels -= 1;
      this.#exchange.upstreamEndedMs = this.#owner.monotonicMs();
      this.#exchange.finish();
    });
    tunnels.add(tunnel);
    this.#stopWatching = this.#watch(tunnel);
  }

  /**
   * Called when the parser has delivered what came with the head of the request, or with that of the response: what is
   * still open now is a stream.
   */
  settle(): void {
    const { reply } = this.#exchange;
    if (this.#isOver || (!reply.hasBegun && reply.isRequestComplete)) return;
    if (reply.hasBegun && !this.#hasData) reply.flushHeaders();
    this.#stopWatching ??= this.#watch(this);
  }

  #watch(stream: OpenStream): (() => void) | null {
    const { principal } = this.#permit;
    return principal.credential === null ? null : this.#owner.hooks.watch(principal, stream);
  }

  /** Bytes that the client has sent and received. Events that a server pushes do not show that a user is there. */
  get use(): number {
    return (this.#body?.byteCount ?? 0) + (this.#isEventStream ? 0 : this.#exchange.responseBytes);
  }

  /** The credential has ended while this was open. */
  credentialEnded({ denial }: StreamEnding): void {
    if (!this.#exchange.reply.hasBegun) {
      this.#fail(denial);
      return;
    }
    if (this.#exchange.endsWithGrpcStatus) {
      this.breakOff(denial);
      return;
    }
    this.#exchange.refused(denial);
    this.#exchange.reply.cut();
  }

  /** Ends it before the server has answered, or has finished to. */
  breakOff(denial: Denial): void {
    if (this.#isOver) return;
    const controller = this.#controller;
    this.#fail(denial);
    controller?.abort(new UpstreamFault('downstream_aborted', 'call was ended'));
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
    this.#owner.hooks.onFailure(this.#exchange, failure);
    if (this.#isCall) this.#countCall();
  }

  #countCall(): void {
    const { grpcStatus } = this.#exchange;
    if (grpcStatus !== null) this.#owner.hooks.onCallEnded(this.#upstream.name, grpcStatus);
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#upstream.waiting.leave(this);
    this.#exchange.worker = null;
    this.#exchange.requestBytes = this.#body?.byteCount ?? 0;
    this.#stopWatching?.();
    this.#stopAnswerTimer();
    if (this.#deadlineTimer !== null) clearTimeout(this.#deadlineTimer);
    // A request that still waits for a connection keeps its place until its turn comes, whether its client has left or
    // not: coming and going would else fill the queue beyond its limit.
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
    this.#upstream.shares.settle();
  }
}

const breakOff = (forwarding: Forwarding, denial: Denial): void => forwarding.breakOff(denial);
