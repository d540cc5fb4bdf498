/** Writes a request with a body to a connection: the head with the first part of the body, in one write where that is short. */

import type { Socket } from 'node:net';
import type { ServerRequest } from '../dispatch.ts';
import { RequestBodyError } from '../request-body.ts';
import { endOfHead, type Framing } from './request-head.ts';

/** A longer part is a write of its own. */
const MAX_JOINED_BYTES = 8 * 1024;

/** Who is told how the body has come along. */
interface UploadOwner {
  /** All of it is written. */
  uploaded(): void;
  /** It cannot be completed. */
  fail(error: Error): void;
}

/** One request on its way to a connection. Applies backpressure. */
export class Upload {
  readonly #socket: Socket;
  readonly #owner: UploadOwner;
  readonly #method: string;
  readonly #body: NonNullable<ServerRequest['body']>;
  /** Bytes that are announced and have not come; `null` for a chunked body. */
  #left: number | null;
  /** The lines of the head, until they are written. */
  #lines: string | null;

  constructor(socket: Socket, owner: UploadOwner, { method, body }: ServerRequest, lines: string, framing: Framing) {
    this.#socket = socket;
    this.#owner = owner;
    this.#method = method;
    this.#body = body as NonNullable<typeof body>;
    this.#lines = lines;
    this.#left = typeof framing === 'number' ? framing : null;
    this.#body.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onError);
  }

  /** The connection takes more. */
  drained(): void {
    this.#body.resume();
  }

  /** The request is over: no more of the body is read or written. */
  stop(): void {
    this.#body.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onError);
    this.#body.destroy();
  }

  readonly #onData = (part: Buffer): void => {
    if (this.#left !== null) this.#left -= part.byteLength;
    // The server would take what is beyond the announced length for the next request.
    if (this.#left !== null && this.#left < 0) this.#owner.fail(new RequestBodyError('aborted'));
    else if (!this.#write(part)) this.#body.pause();
  };

  #write(part: Buffer): boolean {
    const socket = this.#socket;
    const isChunked = this.#left === null;
    const before = `${this.#head(isChunked)}${isChunked ? `${part.byteLength.toString(16)}\r\n` : ''}`;
    const after = isChunked ? '\r\n' : '';
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

  /** The head, the first time. */
  #head(isChunked: boolean): string {
    const lines = this.#lines;
    this.#lines = null;
    return lines === null ? '' : `${lines}${endOfHead(isChunked ? 'chunked' : this.#left, this.#method)}`;
  }

  readonly #onEnd = (): void => {
    const isEmpty = this.#lines !== null;
    if (this.#left !== null && this.#left > 0) {
      this.#owner.fail(new RequestBodyError('aborted'));
      return;
    }
    // A body without a byte is none.
    if (isEmpty) this.#socket.write(this.#head(false), 'latin1');
    else if (this.#left === null) this.#socket.write('0\r\n\r\n', 'latin1');
    this.#owner.uploaded();
  };

  readonly #onError = (error: Error): void => this.#owner.fail(error);
}
