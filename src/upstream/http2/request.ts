/**
 * One request on one HTTP/2 stream. It calls its handler as one over HTTP/1.1 does, so that a forward does not depend on the protocol.
 */

import { type ClientHttp2Stream, constants } from 'node:http2';
import { Readable } from 'node:stream';
import { UpstreamFault } from '../../errors.ts';
import type { ReceivedFields, RequestController, RequestHandler, ServerRequest } from '../dispatch.ts';
import { RequestBodyError } from '../request-body.ts';
import { handshakeProof } from '../websocket/tunnel.ts';
import type { StreamConnection } from './connection.ts';
import { streamFailure } from './fault.ts';
import { http2RequestHeaders, receivedFields, statusOf, webSocketKeyOf } from './fields.ts';
import { SentBody } from './sent-body.ts';

const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM } = constants;

const NO_WEBSOCKETS = new UpstreamFault('upstream_protocol', 'server takes no WebSockets over HTTP/2');

interface RequestStream extends ClientHttp2Stream {
  request: StreamRequest;
}

/** A request that waits for a connection, is under way, or is over. */
export class StreamRequest implements RequestController {
  readonly options: ServerRequest;
  readonly handler: RequestHandler;
  #isPaused = false;
  #connection: StreamConnection | null = null;
  #stream: ClientHttp2Stream | null = null;
  #isOver = false;
  #isAnswered = false;
  /** The server has ended the answer. Node ends the stream also where it was reset without an error. */
  #hasServerEnded = false;
  #trailers: ReceivedFields = {};
  #error: Error | null = null;
  /** One of its frames could not be sent, for example because the connection was ending. */
  #wasNotSent = false;
  #answerTimer: NodeJS.Timeout | null = null;

  constructor(options: ServerRequest, handler: RequestHandler) {
    this.options = options;
    this.handler = handler;
  }

  /** Sends it on a connection that has room for it. */
  start(connection: StreamConnection): void {
    const { body, firstByteTimeoutMs, idleTimeoutMs, isDuplex, isUpgrade } = this.options;
    this.#connection = connection;
    try {
      this.handler.onRequestStart(this, connection.begin());
      // Not before the request begins: that would count as a failed connection, and could eject the server.
      if (isUpgrade && !connection.takesWebSockets) throw NO_WEBSOCKETS;
      const list = http2RequestHeaders(this.options, connection.scheme);
      const endStream = body === null && !isUpgrade;
      this.#stream = connection.open(list, { endStream, waitForTrailers: body !== null && !isDuplex });
    } catch (thrown) {
      this.abort(thrown as Error);
      return;
    }
    this.#listen(this.#stream);
    // Other bodies have their pace limited where they come in.
    if (isDuplex) this.#stream.setTimeout(idleTimeoutMs);
    if (body !== null) {
      body.sent ??= new SentBody(body);
      body.sent.sendTo(this.#stream, this);
    } else if (firstByteTimeoutMs > 0) {
      this.#answerTimer = setTimeout(onNoAnswer, firstByteTimeoutMs, this);
    }
  }

  abort(reason: Error): void {
    if (this.#isOver) return;
    this.#leave(true);
    this.handler.onResponseError(reason);
  }

  pause(): void {
    this.#isPaused = true;
    this.#stream?.pause();
    // The client is slow, not the server.
    this.#stream?.setTimeout(0);
  }

  resume(): void {
    if (!this.#isPaused || this.#isOver) return;
    this.#isPaused = false;
    this.#stream?.setTimeout(this.options.idleTimeoutMs);
    this.#stream?.resume();
  }

  bodyEnded(): void {
    if (this.#isAnswered) return;
    // Until the server has taken the rest.
    this.#stream?.setTimeout(this.options.takeTimeoutMs);
  }

  /** No answer has come in time, or nothing in either direction: the connection may be dead, or the client says nothing. */
  timedOut(): void {
    this.#connection?.probe();
    if (!this.#isAnswered && this.options.body?.sent?.hasEnded === false) {
      this.abort(new RequestBodyError('stalled'));
      return;
    }
    const what = this.#isAnswered ? 'answer has stopped' : 'no answer in time';
    this.abort(new UpstreamFault('upstream_timeout', what));
  }

  /** One listener for all requests, each of which is found through its stream (ADR 3). */
  #listen(stream: ClientHttp2Stream): void {
    (stream as RequestStream).request = this;
    stream.push = pushed;
    stream.on('headers', onInterim);
    stream.on('response', onResponse);
    stream.on('trailers', onTrailers);
    stream.on('finish', onFinish);
    stream.on('wantTrailers', onWantTrailers);
    stream.on('timeout', onTimeout);
    stream.on('frameError', onFrameError);
    stream.on('error', onError);
    stream.on('close', onClose);
  }

  interim(raw: readonly string[]): void {
    if (this.#isOver) return;
    this.handler.onResponseStarted();
    this.handler.onResponseStart(this, statusOf(raw), receivedFields(raw));
  }

  answered(stream: ClientHttp2Stream, flags: number, raw: readonly string[]): void {
    if (this.#isOver) return;
    this.#isAnswered = true;
    if (this.#answerTimer !== null) clearTimeout(this.#answerTimer);
    this.options.body?.sent?.answered();
    this.handler.onResponseStarted();
    const status = statusOf(raw);
    const hasEnded = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
    if (this.options.isUpgrade && status < 300 && !hasEnded) {
      this.#leaveHttp(stream, receivedFields(raw));
      return;
    }
    this.handler.onResponseStart(this, status, receivedFields(raw));
    if (this.#isOver) return;
    // Known at once, so that an answer without a body is passed on without one.
    if (hasEnded) {
      stream.resume();
      this.#complete();
      return;
    }
    if (!this.#isPaused) stream.setTimeout(this.options.idleTimeoutMs);
    stream.on('end', onEnd);
    stream.on('data', onData);
  }

  data(chunk: Buffer): void {
    if (!this.#isOver) this.handler.onResponseData(this, chunk);
  }

  trailers(raw: readonly string[]): void {
    this.#trailers = receivedFields(raw);
  }

  serverEnded(): void {
    this.#hasServerEnded = true;
  }

  /** All of the answer has been read. */
  ended(): void {
    if (!this.#isOver && this.#hasServerEnded) this.#complete();
  }

  sent(): void {
    if (this.#isOver) return;
    if (!this.#isAnswered) this.#stream?.setTimeout(0);
    this.handler.onRequestSent();
  }

  frameFailed(): void {
    this.#wasNotSent = true;
  }

  errored(error: Error): void {
    this.#error = error;
  }

  closed(stream: ClientHttp2Stream): void {
    this.#connection?.closed();
    if (this.#isOver) return;
    const wasProcessed = !this.#wasNotSent && this.#connection?.mayHaveProcessed(stream) === true;
    this.abort(streamFailure(stream.rstCode, this.#error, wasProcessed));
  }

  #complete(): void {
    const trailers = this.#trailers;
    // A server that has answered need not read the rest.
    const { body, isUpgrade } = this.options;
    this.#leave((body !== null || isUpgrade) && this.#stream?.writableFinished === false);
    try {
      this.handler.onResponseEnd(trailers);
    } catch (thrown) {
      this.handler.onResponseError(thrown as Error);
    }
  }

  /** The stream is a WebSocket now. Its server answers no key (RFC 8441 §5), so its 2xx is turned into what a client of HTTP/1.1 expects. */
  #leaveHttp(stream: ClientHttp2Stream, received: ReceivedFields): void {
    this.#leave(false);
    received['upgrade'] = 'websocket';
    received['sec-websocket-accept'] = handshakeProof(webSocketKeyOf(this.options.headers));
    try {
      this.handler.onRequestUpgrade(received, stream);
    } catch (thrown) {
      cancel(stream);
      this.handler.onResponseError(thrown as Error);
    }
  }

  #leave(isStreamLeft: boolean): void {
    this.#isOver = true;
    if (this.#answerTimer !== null) clearTimeout(this.#answerTimer);
    this.#answerTimer = null;
    this.options.body?.sent?.detach();
    const stream = this.#stream;
    stream?.setTimeout(0);
    if (isStreamLeft && stream?.closed === false) setImmediate(cancel, stream);
  }
}

/** Node reports the end of a stream that was reset as well, but only after it has closed it. */
function pushed(this: ClientHttp2Stream, chunk: unknown, encoding?: BufferEncoding): boolean {
  if (chunk === null && !this.closed) (this as RequestStream).request.serverEnded();
  return Readable.prototype.push.call(this, chunk, encoding);
}

/** A listener on streams. What it throws fails its request: nothing above it catches that, and the process would end. */
const guarded = <Given extends readonly unknown[]>(
  act: (request: StreamRequest, stream: ClientHttp2Stream, ...given: Given) => void,
) =>
  function listener(this: ClientHttp2Stream, ...given: Given): void {
    const { request } = this as RequestStream;
    try {
      act(request, this, ...given);
    } catch (thrown) {
      request.abort(thrown as Error);
    }
  };

type Raw = readonly string[];
const onInterim = guarded((request, _stream, _fields: unknown, _flags: number, raw: Raw) => request.interim(raw));
const onResponse = guarded((request, stream, _fields: unknown, flags: number, raw: Raw) =>
  request.answered(stream, flags, raw),
);
const onTrailers = guarded((request, _stream, _fields: unknown, _flags: number, raw: Raw) => request.trailers(raw));
const onData = guarded((request, _stream, chunk: Buffer) => request.data(chunk));
const onEnd = guarded((request) => request.ended());
const onWantTrailers = guarded((request, stream) => {
  if (!stream.closed) stream.sendTrailers(receivedFields(request.options.body?.trailers ?? []));
});
const onFinish = guarded((request) => request.sent());
const onTimeout = guarded((request) => request.timedOut());
const onFrameError = guarded((request) => request.frameFailed());
const onError = guarded((request, _stream, error: Error) => request.errored(error));
const onClose = guarded((request, stream) => request.closed(stream));

/**
 * Not from within a callback of the stream, where Node puts this code off and aborts the process (`Http2Stream::OnTrailers`) when
 * the stream waits for trailers.
 */
const cancel = (stream: ClientHttp2Stream): void => {
  if (!stream.closed) stream.close(NGHTTP2_CANCEL);
};

const onNoAnswer = (request: StreamRequest): void => request.timedOut();
