/**
 * The bytes that a client sends between its upgrade request and the answer to it. They are kept for the tunnel, up to a
 * limit; and because the connection is read meanwhile, a client that leaves is noticed.
 */

import type { Duplex } from 'node:stream';

/** Beyond this the client waits. */
const MAX_EARLY_BYTES = 64 * 1024;

/** Collects the bytes of one connection until a tunnel takes over. */
export class EarlyBytes {
  readonly #socket: Duplex;
  #bytes: Buffer;
  #isDiscarding = false;

  /** @param head  bytes that arrived together with the request */
  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#bytes = head;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
  }

  /** Returns the bytes so far and stops reading: the caller reads on. */
  take(): Buffer {
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    return this.#bytes;
  }

  /**
   * No tunnel will read them. The connection is still read, and no longer paused, so that a client that leaves is
   * noticed.
   */
  discard(): void {
    this.#isDiscarding = true;
    this.#bytes = Buffer.alloc(0);
    this.#socket.resume();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isDiscarding) return;
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#bytes.byteLength >= MAX_EARLY_BYTES) this.#socket.pause();
  };

  readonly #onEnd = (): void => {
    this.#socket.destroy();
  };
}
