/**
 * What a client sends between its upgrade request and the answer to it. Nobody has asked for it yet, so it is kept for
 * the tunnel, up to a limit; and because the connection is read all the same, a client that leaves is noticed.
 */

import type { Duplex } from 'node:stream';

/** Beyond this the client waits. */
const MAX_EARLY_BYTES = 64 * 1024;

export class EarlyBytes {
  readonly #socket: Duplex;
  #bytes: Buffer;

  /** @param head  what came together with the request */
  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#bytes = head;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
  }

  /** Hands over what has come, and the reading of what comes. */
  take(): Buffer {
    this.#socket.off('data', this.#onData);
    this.#socket.off('end', this.#onEnd);
    return this.#bytes;
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    if (this.#bytes.byteLength >= MAX_EARLY_BYTES) this.#socket.pause();
  };

  readonly #onEnd = (): void => {
    this.#socket.destroy();
  };
}
