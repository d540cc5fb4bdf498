/**
 * The body of a request on its way to HTTP/2 streams. While it is short and no answer has arrived it is kept, so that it can be sent
 * again if a server did not process the request (RFC 9113 §8.7). Applies backpressure.
 */

import type { ClientHttp2Stream } from 'node:http2';
import type { Readable } from 'node:stream';

/** A longer body cannot be sent again. */
const MAX_KEPT_BYTES = 64 * 1024;

/** Notified of the progress of a body. */
interface BodyWatcher {
  /** The whole body is written, or waits in the stream. */
  bodyEnded(): void;
  /** It was given up. */
  abort(reason: Error): void;
}

/** One body, which goes to one stream after the other until a server takes it. */
export class SentBody {
  readonly #body: Readable;
  #kept: Buffer[] | null = [];
  #keptBytes = 0;
  #hasEnded = false;
  #stream: ClientHttp2Stream | null = null;
  #watcher: BodyWatcher | null = null;

  constructor(body: Readable) {
    this.#body = body;
  }

  /** Whether another server can get all of it. */
  get canBeSentAgain(): boolean {
    return this.#kept !== null;
  }

  /** Whether all of it has been handed to the stream. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** Writes it to a stream, from its beginning. */
  sendTo(stream: ClientHttp2Stream, watcher: BodyWatcher): void {
    const isFirst = this.#body.listenerCount('data') === 0;
    this.#stream = stream;
    this.#watcher = watcher;
    stream.on('drain', () => {
      if (this.#stream === stream) this.#body.resume();
    });
    for (const part of this.#kept ?? []) stream.write(part);
    if (this.#hasEnded) {
      this.#end();
    } else if (this.#body.errored !== null) {
      // Also before the first stream: its error is not emitted again.
      this.#onError(this.#body.errored);
    } else if (isFirst) {
      this.#body.on('data', this.#onData);
      this.#body.on('end', this.#onEnd);
      this.#body.on('error', this.#onError);
    } else if (!stream.writableNeedDrain) {
      this.#body.resume();
    }
  }

  /** The server has answered: nothing is kept any more. */
  answered(): void {
    this.#kept = null;
  }

  /** The stream is over. What arrives in the meantime waits. */
  detach(): void {
    this.#stream = null;
    this.#watcher = null;
    if (!this.#body.destroyed) this.#body.pause();
  }

  readonly #onData = (part: Buffer): void => {
    if (this.#kept !== null) {
      this.#keptBytes += part.byteLength;
      if (this.#keptBytes > MAX_KEPT_BYTES) this.#kept = null;
      else this.#kept.push(part);
    }
    if (this.#stream !== null && !this.#stream.write(part)) this.#body.pause();
  };

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    this.#end();
  };

  readonly #onError = (error: Error): void => {
    this.#watcher?.abort(error);
  };

  #end(): void {
    if (this.#stream === null) return;
    this.#stream.end();
    this.#watcher?.bodyEnded();
  }
}
