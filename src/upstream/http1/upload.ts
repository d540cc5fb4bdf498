/** Writes a request with a body to a connection: the head with the first part of the body, in one write where that is short. */

import type { Socket } from 'node:net';
import { RequestBodyError } from '../request-body.ts';
import type { Http1Request } from './request.ts';

/** A longer part is written separately. */
const MAX_JOINED_BYTES = 8 * 1024;

/** One request on its way to a connection. Applies backpressure. */
export class Upload {
  readonly #request: Http1Request;
  readonly #socket: Socket;
  /** Empty once it is written. */
  #head: string;
  /** Bytes that are announced and have not come; `Infinity` for a body in chunks. */
  #left: number;
  /** Whether all of it is written. */
  isSent = false;

  constructor(request: Http1Request, socket: Socket, head: string) {
    this.#request = request;
    this.#socket = socket;
    this.#head = head;
    this.#left = request.asked.bodyLength ?? Number.POSITIVE_INFINITY;
    request.asked.body?.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError);
  }

  /** The connection takes more. */
  drained(): void {
    this.#request.asked.body?.resume();
  }

  /** The request is over: no more of the body is read or written. */
  stop(): void {
    const { body } = this.#request.asked;
    body?.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError).destroy();
  }

  readonly #onData = (part: Buffer): void => {
    this.#left -= part.byteLength;
    // The server would take what is beyond the announced length for the next request.
    if (this.#left < 0) this.#request.abort(new RequestBodyError('aborted'));
    else if (!this.#write(part)) this.#request.asked.body?.pause();
  };

  #write(part: Buffer): boolean {
    const socket = this.#socket;
    const isChunked = this.#left === Number.POSITIVE_INFINITY;
    const before = isChunked ? `${this.#head}${part.byteLength.toString(16)}\r\n` : this.#head;
    const after = isChunked ? '\r\n' : '';
    this.#head = '';
    if (part.byteLength <= MAX_JOINED_BYTES) {
      return socket.write(`${before}${part.toString('latin1')}${after}`, 'latin1');
    }
    socket.cork();
    if (before !== '') socket.write(before, 'latin1');
    const takesMore = socket.write(part);
    if (after !== '') socket.write(after, 'latin1');
    socket.uncork();
    return takesMore;
  }

  readonly #onEnd = (): void => {
    if (this.#left > 0 && this.#left !== Number.POSITIVE_INFINITY) {
      this.#request.abort(new RequestBodyError('aborted'));
      return;
    }
    const last = this.#left === 0 ? this.#head : `${this.#head}0\r\n\r\n`;
    if (last !== '') this.#socket.write(last, 'latin1');
    this.isSent = true;
    this.#request.handler.onRequestSent();
  };

  readonly #onError = (error: Error): void => this.#request.abort(error);
}
