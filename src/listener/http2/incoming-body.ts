/**
 * The body of a request as it arrives. A stream of its own, because Node ends that of HTTP/2 also when the client has reset it
 * or has gone: half an upload would be taken for a whole one. This one ends only after END_STREAM; else it just closes.
 *
 * Nothing is read before it is asked for. Until then flow control stops the client (RFC 9113 §5.2).
 */

import type { ServerHttp2Stream } from 'node:http2';
import { Readable } from 'node:stream';

/** The body of one request. */
export class IncomingBody extends Readable {
  readonly #stream: ServerHttp2Stream;
  #isStarted = false;
  /** Whether the client has sent all of it, and it was read. */
  isComplete = false;

  constructor(stream: ServerHttp2Stream) {
    super({ autoDestroy: false });
    this.#stream = stream;
    stream.once('close', this.#onClose);
  }

  override _read(): void {
    if (!this.#isStarted) {
      this.#isStarted = true;
      this.#stream.on('data', this.#onData);
      this.#stream.on('end', this.#onEnd);
    }
    this.#stream.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#stream.off('data', this.#onData);
    this.#stream.pause();
    callback(error);
  }

  readonly #onData = (part: Buffer): void => {
    if (!this.push(part)) this.#stream.pause();
  };

  /** A stream that is closed before it ends was reset, or its connection has gone. */
  readonly #onEnd = (): void => {
    if (this.#stream.closed) return;
    this.isComplete = true;
    this.push(null);
  };

  readonly #onClose = (): void => {
    if (!this.isComplete) this.destroy();
  };
}
