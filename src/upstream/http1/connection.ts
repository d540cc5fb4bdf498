/**
 * One HTTP/1.1 connection to a server, with one request at a time. A connection whose state is in any doubt is closed: bytes
 * that nobody asked for, an answer that ends before its request, an answer that has no end of its own.
 */

import type { Socket } from 'node:net';
import type { buildConnector } from 'undici';
import { UpstreamFault } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { RequestBodyError } from '../request-body.ts';
import { ChunkedBody } from './chunks.ts';
import type { Http1Request } from './request.ts';
import { endOfHead, expectsContent, framingOf, requestLines } from './request-head.ts';
import {
  DEFAULT_IDLE_MS,
  hasOption,
  invalid,
  mayBecomeHead,
  NO_TRAILERS,
  type ResponseHead,
  readAnswerHead,
} from './response-head.ts';
import { Upload } from './upload.ts';

/** The pool that a connection belongs to. Times in milliseconds, on the monotonic clock. */
export interface ConnectionPool {
  readonly nowMs: Clock;
  /** Has the connection expire when this time has come. */
  watch(deadlineMs: number): void;
  /** It can carry a request, from the next turn of the event loop on. */
  isFree(connection: ServerConnection): void;
  /** It was closed, could not be made, or has become a tunnel. */
  hasEnded(connection: ServerConnection, error: Error | null): void;
}

/** What is read next. */
const NOTHING = 0;
const HEAD = 1;
const LENGTH = 2;
const CHUNKS = 3;
const UNTIL_END = 4;
const TUNNEL = 5;

const MAX_HEAD_BYTES = 32 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');

const ignore = (): void => {};

/** A connection, from the attempt to make it on. */
export class ServerConnection {
  readonly #owner: ConnectionPool;
  #socket: Socket | null = null;
  #request: Http1Request | null = null;
  #upload: Upload | null = null;
  #next = NOTHING;
  /** Bytes of the body that are still to come. */
  #left = 0;
  #chunks: ChunkedBody | null = null;
  /** The beginning of a head that is not complete. */
  #beginning: Buffer | null = null;
  /** Whether it has carried a request. */
  #isKept = false;
  #hasBegun = false;
  /** Whether it carries no further request. */
  #isLast = false;
  #isOver = false;
  #error: Error | null = null;
  #idleMs = DEFAULT_IDLE_MS;
  /** When it expires, on the owner's clock. */
  deadlineMs = Number.POSITIVE_INFINITY;

  constructor(owner: ConnectionPool) {
    this.#owner = owner;
  }

  /** Whether it is open and belongs to its pool. */
  get isReady(): boolean {
    return this.#socket !== null && !this.#isOver;
  }

  get isBusy(): boolean {
    return this.#request !== null;
  }

  /** Takes the result of the attempt to connect. */
  readonly connected: buildConnector.Callback = (...[error, socket]) => {
    if (error !== null) {
      this.#end(error);
    } else if (this.#isOver) {
      socket.destroy();
    } else {
      this.#socket = socket;
      socket.on('end', this.#onEnd).on('error', this.#onError).on('close', this.#onClose).on('drain', this.#onDrain);
      this.#rest();
    }
  };

  /** Sends a request. Returns false if that is over before it was sent: the connection is still free. */
  send(request: Http1Request, nowMs: number): boolean {
    const { asked, handler } = request;
    const { method, body, isUpgrade } = asked;
    // It was given up while the request waited, and says so no second time.
    if (body?.destroyed === true) {
      request.abort(body.errored ?? new RequestBodyError('aborted'));
      return false;
    }
    // Servers exist that answer HEAD with a body, or that take the body of a GET for the next request.
    const isLast = method === 'HEAD' || (body !== null && !expectsContent(method));
    try {
      const lines = requestLines(asked, isLast);
      const framing = framingOf(asked);
      handler.onRequestStart(request, this.#isKept);
      if (request.isOver) return false;
      this.#request = request;
      request.connection = this;
      this.#isKept = true;
      this.#isLast = isLast || isUpgrade;
      this.#hasBegun = false;
      this.#next = HEAD;
      this.#await(asked.firstByteTimeoutMs, nowMs);
      const socket = this.#socket as Socket;
      if (framing !== null) {
        this.#upload = new Upload(socket, this, asked, lines, framing);
      } else {
        socket.write(`${lines}${endOfHead(null, method)}`, 'latin1');
        handler.onRequestSent();
      }
    } catch (thrown) {
      request.abort(thrown as Error);
      return this.#isOver;
    }
    return true;
  }

  /** No more is read until {@link resume}. */
  pause(): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#socket?.pause();
  }

  resume(request: Http1Request): void {
    this.#await(request.asked.idleTimeoutMs, this.#owner.nowMs());
    this.#socket?.resume();
  }

  /** Its deadline has passed. */
  expire(): void {
    const what = this.#next === HEAD ? 'no answer in time' : 'answer has stopped';
    this.fail(new UpstreamFault('upstream_timeout', what));
  }

  /** Closes it at once; its request fails. */
  fail(error: Error): void {
    if (this.#request === null) this.drop();
    else this.#request.abort(error);
  }

  /** Closes it at once. Its request has been told, or is told by the caller. */
  drop(): void {
    this.#request = null;
    this.#upload?.stop();
    this.#upload = null;
    this.#end(null);
  }

  /** All of the request body is written. */
  uploaded(): void {
    this.#upload = null;
    this.#request?.handler.onRequestSent();
  }

  /** Takes what the server has sent. */
  received(bytes: Buffer): void {
    const request = this.#request;
    if (this.#next === TUNNEL) {
      if (this.#socket?.push(bytes) === false) this.#socket.pause();
      return;
    }
    if (request === null) {
      // Nobody may ever take this for an answer (UPS-03).
      this.drop();
      return;
    }
    try {
      if (!this.#hasBegun) {
        this.#hasBegun = true;
        request.handler.onResponseStarted();
      }
      let rest = bytes;
      while (this.#next === HEAD && rest.length > 0 && this.#request === request) rest = this.#readHead(request, rest);
      if (rest.length > 0 && this.#request === request) this.#readBody(request, rest);
      if (this.#request === request && this.#next !== HEAD && !request.isPaused) {
        this.#await(request.asked.idleTimeoutMs, this.#owner.nowMs());
      }
    } catch (thrown) {
      // The request fails when the connection is closed: by then, what came before has been passed on.
      this.#socket?.destroy(thrown as Error);
    }
  }

  /** Reads a head if it is complete, and returns what follows. */
  #readHead(request: Http1Request, portion: Buffer): Buffer {
    const before = this.#beginning;
    const bytes = before === null ? portion : Buffer.concat([before, portion]);
    const end = bytes.indexOf(HEAD_END, before === null ? 0 : Math.max(0, before.length - HEAD_END.length));
    if ((end === -1 ? bytes.length : end) > MAX_HEAD_BYTES) throw invalid('head that is too long');
    if (end === -1) {
      if (!mayBecomeHead(bytes.toString('latin1'))) throw invalid('head');
      this.#beginning = bytes;
      return bytes.subarray(bytes.length);
    }
    this.#beginning = null;
    const head = readAnswerHead(bytes.toString('latin1', 0, end + 2));
    const rest = bytes.subarray(end + HEAD_END.length);
    if (head.status === 101) {
      this.#leaveHttp(request, head, rest);
      return rest;
    }
    if (head.status < 200) {
      this.#await(request.asked.firstByteTimeoutMs, this.#owner.nowMs());
      request.handler.onResponseStart(request, head.status, head.fields);
      return rest;
    }
    this.#frame(request, head);
    request.handler.onResponseStart(request, head.status, head.fields);
    if (this.#next === NOTHING && this.#request === request) this.#complete(request, rest.length);
    return rest;
  }

  /** Decides where an answer ends (RFC 9112 §6.3), and whether another one may follow it. */
  #frame({ asked }: Http1Request, { status, length, isChunked, isKept, idleMs }: ResponseHead): void {
    const hasBody = status !== 204 && status !== 304;
    // Some servers send the body all the same.
    if (!isKept || (!hasBody && (isChunked || (length ?? 0) > 0))) this.#isLast = true;
    this.#idleMs = idleMs;
    if (!hasBody || asked.method === 'HEAD' || length === 0) {
      this.#next = NOTHING;
    } else if (length !== null) {
      this.#next = LENGTH;
      this.#left = length;
    } else if (isChunked) {
      this.#next = CHUNKS;
      this.#chunks = new ChunkedBody();
    } else {
      this.#next = UNTIL_END;
      this.#isLast = true;
    }
  }

  #readBody(request: Http1Request, bytes: Buffer): void {
    const { handler } = request;
    if (this.#next === UNTIL_END) {
      handler.onResponseData(request, bytes);
    } else if (this.#next === LENGTH) {
      const excess = bytes.length - this.#left;
      this.#left = Math.max(0, -excess);
      handler.onResponseData(request, excess > 0 ? bytes.subarray(0, -excess) : bytes);
      if (excess >= 0) this.#complete(request, excess);
    } else {
      const chunks = this.#chunks as ChunkedBody;
      const data = chunks.decode(bytes);
      if (data.length > 0) handler.onResponseData(request, data);
      if (chunks.fault !== null) throw chunks.fault;
      if (chunks.hasEnded) this.#complete(request, chunks.excess);
    }
  }

  /** @param excess  bytes behind the answer, which nobody asked for (SMG-40) */
  #complete(request: Http1Request, excess: number): void {
    // It has been given up meanwhile.
    if (this.#request !== request) return;
    const trailers = this.#chunks?.trailers ?? NO_TRAILERS;
    this.#request = null;
    this.#chunks = null;
    request.leave();
    const isSent = this.#upload === null && (request.asked.body === null || this.#socket?.writableLength === 0);
    if (this.#isLast || excess > 0 || !isSent) {
      this.drop();
    } else {
      if (request.isPaused) this.#socket?.resume();
      this.#rest();
    }
    try {
      request.handler.onResponseEnd(trailers);
    } catch (thrown) {
      // The connection no longer knows its request.
      request.handler.onResponseError(thrown as Error);
    }
  }

  #leaveHttp(request: Http1Request, { fields }: ResponseHead, rest: Buffer): void {
    const socket = this.#socket as Socket;
    if (!request.asked.isUpgrade || !hasOption(fields['connection'], 'upgrade')) throw invalid('101 not asked for');
    this.#request = null;
    this.#next = TUNNEL;
    request.leave();
    socket.off('end', this.#onEnd).off('error', this.#onError).off('close', this.#onClose).off('drain', this.#onDrain);
    this.#isOver = true;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#owner.hasEnded(this, null);
    if (rest.length > 0) socket.unshift(rest);
    try {
      request.handler.onRequestUpgrade(fields, socket);
    } catch (thrown) {
      // Nothing of the connection would tell the request any more.
      socket.on('error', ignore).destroy();
      request.handler.onResponseError(thrown as Error);
    }
  }

  #rest(): void {
    this.#next = NOTHING;
    this.#await(this.#idleMs, this.#owner.nowMs());
    this.#owner.isFree(this);
  }

  /** @param timeoutMs  0: for ever */
  #await(timeoutMs: number, nowMs: number): void {
    this.deadlineMs = timeoutMs === 0 ? Number.POSITIVE_INFINITY : nowMs + timeoutMs;
    this.#owner.watch(this.deadlineMs);
  }

  #end(error: Error | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#socket?.destroy();
    this.#owner.hasEnded(this, error);
  }

  readonly #onDrain = (): void => this.#upload?.drained();

  readonly #onEnd = (): void => {
    if (this.#next === UNTIL_END && this.#request !== null) this.#complete(this.#request, 0);
    else this.fail(new UpstreamFault('upstream_reset', 'server closed the connection'));
  };

  readonly #onError = (error: Error): void => {
    this.#error = error;
    // Its end follows later than requests may be sent on it.
    if (this.#request === null) this.drop();
  };

  readonly #onClose = (): void => {
    this.fail(this.#error ?? new UpstreamFault('upstream_reset', 'connection was closed'));
  };
}
