/**
 * Writes blocks to a file descriptor that may not take them: a full disk, a pipe that nobody reads. What waits is
 * bounded, the event loop never waits, and writing continues when it can.
 */

import { write } from 'node:fs';
import type { BlockSink } from './line-blocks.ts';

/** Blocks that wait, all together. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

/** Pauses between attempts: short for a reader that is behind, long for a full disk. */
const FIRST_PAUSE_MS = 1;
const LONGEST_PAUSE_MS = 500;

/** Writes blocks to a descriptor one after the other. Never throws. */
export class BlockWriter implements BlockSink {
  readonly #descriptor: number;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  /** What of the first block is written. */
  #offset = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #onIdle: PromiseWithResolvers<void> | null = null;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  get isBusy(): boolean {
    return this.#waiting.length > 0;
  }

  get isFull(): boolean {
    return this.#waitingBytes >= MAX_WAITING_BYTES;
  }

  write(block: Uint8Array): void {
    this.#waiting.push(block);
    // A part of a buffer holds all of it.
    this.#waitingBytes += block.buffer.byteLength;
    if (this.#waiting.length === 1) this.#next();
  }

  idle(): Promise<void> {
    if (!this.isBusy) return Promise.resolve();
    this.#onIdle ??= Promise.withResolvers();
    return this.#onIdle.promise;
  }

  #next(): void {
    const [block] = this.#waiting;
    if (block !== undefined) write(this.#descriptor, block, this.#offset, this.#onWritten);
    else {
      this.#onIdle?.resolve();
      this.#onIdle = null;
    }
  }

  /** After any error the block waits: full disks and slow readers recover, and there is no other place to write. */
  readonly #onWritten = (error: Error | null, bytes: number): void => {
    if (error !== null || bytes === 0) {
      setTimeout(() => this.#next(), this.#pauseMs).unref();
      this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
      return;
    }
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#offset += bytes;
    const [block] = this.#waiting;
    if (block !== undefined && this.#offset >= block.byteLength) {
      this.#waiting.shift();
      this.#waitingBytes -= block.buffer.byteLength;
      this.#offset = 0;
    }
    this.#next();
  };
}
