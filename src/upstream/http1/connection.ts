/**
 * One HTTP/1.1 connection to a server, with one request at a time. A connection whose state is in any doubt is closed: bytes
 * without a request, an answer that ends before its request, an answer without an end of its own.
 */

import type { Socket } from 'node:net';
import { UpstreamFault } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Connect } from '../connect.ts';
import { RequestBodyError } from '../request-body.ts';
import type { Http1Request } from './request.ts';
import { isDoubtful, requestHead } from './request-head.ts';
import { ResponseBody } from './response-body.ts';
import {
  DEFAULT_IDLE_MS,
  hasOption,
  invalid,
  mayBecomeHead,
  type ResponseHead,
  readResponseHead,
  readTrailers,
} from './response-head.ts';
import { Upload } from './upload.ts';

/** The pool that a connection belongs to. Times in milliseconds, on the monotonic clock. */
export interface ConnectionPool {
  readonly nowMs: Clock;
  /** Makes the connection expire at this time. */
  watch(deadlineMs: number): void;
  /** It can carry a request, from the next turn of the event loop on. */
  isFree(connection: ServerConnection): void;
  /** It was closed, could not be made, or has become a tunnel. */
  hasEnded(connection: ServerConnection, error: Error | null): void;
}

const MAX_HEAD_BYTES = 32 * 1024;
const HEAD_END = Buffer.from('\r\n\r\n');
const NOTHING = Buffer.alloc(0);

/** All connections read into it, one after the other, so that data must be copied out. */
const readBuffer = Buffer.allocUnsafeSlow(64 * 1024);

/** A connection, beginning with the attempt to make it. */
export class ServerConnection {
  readonly #owner: ConnectionPool;
  #socket: Socket | null = null;
  #request: Http1Request | null = null;
  #upload: Upload | null = null;
  /** The beginning of a head that is not complete. */
  #beginning: Buffer = NOTHING;
  /** `null` until the head of the answer has come. */
  #body: ResponseBody | null = null;
  /** Whether it has carried a request. */
  #isKept = false;
  /** Whether it carries no further request. */
  #isLast = false;
  /** Whether it has left its pool: closed, or as a tunnel. */
  #isOver = false;
  #idleMs = DEFAULT_IDLE_MS;
  /** When it expires, on the owner's clock. */
  deadlineMs = Number.POSITIVE_INFINITY;

  constructor(connect: Connect, owner: ConnectionPool) {
    this.#owner = owner;
    connect(
      (...[error, socket]) => {
        if (error !== null) this.drop(error);
        else if (this.#isOver) socket.destroy();
        else this.#adopt(socket);
      },
      { buffer: readBuffer, callback: (count) => this.#read(count) },
    );
  }

  /** Whether it is open and belongs to its pool. */
  get isReady(): boolean {
    return this.#socket !== null && !this.#isOver;
  }

  get isBusy(): boolean {
    return this.#request !== null;
  }

  /**
   * Whether it can carry the next request, now that the turn in which it became free is over. One that has not taken all of the last
   * one is closed (SMG-20): over TLS, only another turn shows that it has.
   */
  hasRested(): boolean {
    if (this.isReady && this.#socket?.writableLength !== 0) this.drop();
    return this.isReady;
  }

  /** Sends a request. It stays free if that fails before anything is written. */
  send(request: Http1Request): void {
    const { asked, handler } = request;
    try {
      // It was given up while the request waited, and its error is not emitted again.
      if (asked.body?.destroyed === true) throw asked.body.errored ?? new RequestBodyError('aborted');
      const head = requestHead(asked);
      handler.onRequestStart(request, this.#isKept);
      if (request.isOver) return;
      this.#request = request;
      request.connection = this;
      this.#isKept = true;
      this.#isLast = asked.isUpgrade || isDoubtful(asked);
      this.#await(asked.firstByteTimeoutMs);
      const socket = this.#socket as Socket;
      if (asked.body !== null) {
        this.#upload = new Upload(request, socket, head);
      } else {
        socket.write(head, 'latin1');
        handler.onRequestSent();
      }
    } catch (thrown) {
      request.abort(thrown as Error);
    }
  }

  /** No more is read until {@link resume}. */
  pause(): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    this.#socket?.pause();
  }

  resume({ asked }: Http1Request): void {
    this.#await(asked.idleTimeoutMs);
    this.#socket?.resume();
  }

  /** Its deadline has passed. */
  expire(): void {
    const what = this.#body === null ? 'no answer in time' : 'answer has stopped';
    this.fail(new UpstreamFault('upstream_timeout', what));
  }

  /** Closes it at once; its request fails. */
  fail(error: Error): void {
    if (this.#request === null) this.drop();
    else this.#request.abort(error);
  }

  /**
   * Closes it at once. The caller notifies its request, if it has not been notified yet.
   *
   * @param error  why it could not be made
   */
  drop(error: Error | null = null): void {
    this.#request = null;
    this.#upload?.stop();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket?.destroy();
    this.#owner.hasEnded(this, error);
  }

  #adopt(socket: Socket): void {
    this.#socket = socket;
    socket.on('drain', () => this.#upload?.drained());
    socket.on('end', () => {
      if (this.#request !== null && this.#body?.isEndless === true) this.#complete(this.#request, this.#body);
      else this.fail(new UpstreamFault('upstream_reset', 'server closed the connection'));
    });
    socket.on('error', () => {
      // `close` follows later, and no request may be sent until then. A request under way fails with `close`, after what has arrived.
      if (this.#request === null) this.drop();
    });
    socket.on('close', () => {
      this.fail(socket.errored ?? new UpstreamFault('upstream_reset', 'connection was closed'));
    });
    this.#rest();
  }

  #read(count: number): boolean {
    const bytes = Buffer.allocUnsafe(count);
    readBuffer.copy(bytes, 0, 0, count);
    this.received(bytes);
    return true;
  }

  /** Takes what the server has sent. */
  received(bytes: Buffer): void {
    if (this.#isOver) {
      // It is a tunnel, and its handler reads the socket.
      if (this.#socket?.push(bytes) === false) this.#socket.pause();
      return;
    }
    const request = this.#request;
    if (request === null) {
      // Must never be read as an answer (UPS-03).
      this.drop();
      return;
    }
    try {
      request.handler.onResponseStarted();
      let rest = bytes;
      while (this.#body === null && rest.length > 0 && !request.isOver) rest = this.#readHead(request, rest);
      if (this.#body === null || request.isOver) return;
      this.#readBody(request, this.#body, rest);
      if (!request.isOver && !request.isPaused) this.#await(request.asked.idleTimeoutMs);
    } catch (thrown) {
      this.#socket?.destroy(thrown as Error);
    }
  }

  /** Reads a head if it is complete, and returns what follows. */
  #readHead(request: Http1Request, portion: Buffer): Buffer {
    const before = this.#beginning;
    const bytes = before.length === 0 ? portion : Buffer.concat([before, portion]);
    const end = bytes.indexOf(HEAD_END, Math.max(0, before.length - HEAD_END.length));
    if ((end === -1 ? bytes.length : end) > MAX_HEAD_BYTES) throw invalid('head that is too long');
    if (end === -1) {
      if (!mayBecomeHead(bytes, before.length)) throw invalid('head');
      this.#beginning = bytes;
      return NOTHING;
    }
    this.#beginning = NOTHING;
    const head = readResponseHead(bytes.toString('latin1', 0, end + 2), request.asked.method);
    const rest = bytes.subarray(end + HEAD_END.length);
    if (head.status === 101) {
      this.#leaveHttp(request, head, rest);
      return NOTHING;
    }
    if (head.status < 200) {
      this.#await(request.asked.firstByteTimeoutMs);
    } else {
      this.#body = new ResponseBody(head.length);
      this.#idleMs = head.idleMs;
      this.#isLast ||= head.idleMs <= 0;
    }
    request.handler.onResponseStart(request, head.status, head.fields);
    return rest;
  }

  #readBody(request: Http1Request, body: ResponseBody, bytes: Buffer): void {
    const data = body.take(bytes);
    if (data.length > 0) request.handler.onResponseData(request, data);
    if (body.fault !== null) throw invalid(body.fault);
    if (body.hasEnded) this.#complete(request, body);
  }

  #complete(request: Http1Request, body: ResponseBody): void {
    // It has been given up in the meantime.
    if (request.isOver) return;
    const trailers = readTrailers(body.trailers);
    const isSent = this.#upload?.isSent !== false;
    this.#request = null;
    request.leave();
    // Bytes after the answer belong to no request (SMG-40).
    if (this.#isLast || body.excess > 0 || !isSent) {
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
    this.#isOver = true;
    request.leave();
    this.#owner.hasEnded(this, null);
    if (rest.length > 0) socket.unshift(rest);
    try {
      request.handler.onRequestUpgrade(fields, socket);
    } catch (thrown) {
      // The connection no longer notifies the request of anything.
      socket.destroy();
      request.handler.onResponseError(thrown as Error);
    }
  }

  #rest(): void {
    this.#upload = null;
    this.#body = null;
    this.#await(this.#idleMs);
    this.#owner.isFree(this);
  }

  /** @param timeoutMs  0: none */
  #await(timeoutMs: number): void {
    this.deadlineMs = timeoutMs === 0 ? Number.POSITIVE_INFINITY : this.#owner.nowMs() + timeoutMs;
    this.#owner.watch(this.deadlineMs);
  }
}
