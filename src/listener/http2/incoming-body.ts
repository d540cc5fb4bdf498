/**
 * The body of a request as it arrives. It wraps Node's HTTP/2 stream, which ends even if the client has reset it or disconnected, so a
 * partial upload would look complete. This stream ends only after END_STREAM; otherwise it closes without an end.
 *
 * It reads only on demand. Until then flow control stops the client (RFC 9113 §5.2).
 */

import type { ServerHttp2Stream } from 'node:http2';
import { Readable } from 'node:stream';

/** The body of one request. */
export class IncomingBody extends Readable {
  readonly #stream: ServerHttp2Stream;
  #isStarted = false;
  /** Whether the client has sent the whole body and it has been read. */
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

  /** A stream that closes before its end was reset, or its connection was lost. */
  readonly #onEnd = (): void => {
    if (this.#stream.closed) return;
    this.isComplete = true;
    this.push(null);
  };

  readonly #onClose = (): void => {
    if (!this.isComplete) this.destroy();
  };
}
