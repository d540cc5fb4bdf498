/**
 * Gathers log lines into blocks: one write for some two hundred requests. sonic-boom writes the blocks, with
 * backpressure, retries and a bound on what waits.
 *
 * perf: bench/micro/log.ts. Joined strings have to be flattened and encoded; lines copied into a block one by one cost
 * 0.2 µs each.
 */

/** Where blocks go. */
export interface BlockSink {
  write(block: Uint8Array): unknown;
  flushSync(): void;
}

const BLOCK_BYTES = 64 * 1024;

/** Gathers lines and hands them on in blocks of up to 64 KiB. */
export class LineBlocks {
  readonly #sink: BlockSink;
  readonly #timer: NodeJS.Timeout;
  #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #used = 0;

  /** @param flushEveryMs  the longest that a line is held; the timer does not keep the process alive */
  constructor(sink: BlockSink, flushEveryMs: number) {
    this.#sink = sink;
    this.#timer = setInterval(() => this.flush(), flushEveryMs).unref();
  }

  /** Takes one whole line, its newline included. */
  write(line: string): void {
    // UTF-8 takes at most three bytes for a UTF-16 code unit.
    const longest = line.length * 3;
    if (longest > BLOCK_BYTES - this.#used) this.flush();
    if (longest > BLOCK_BYTES) this.#sink.write(Buffer.from(line));
    else this.#used += this.#block.write(line, this.#used);
  }

  /** Hands the present block on. */
  flush(): void {
    if (this.#used === 0) return;
    this.#sink.write(this.#block.subarray(0, this.#used));
    this.#block = Buffer.allocUnsafe(BLOCK_BYTES);
    this.#used = 0;
  }

  /** Writes everything before it returns. Call before the process ends. */
  flushSync(): void {
    this.flush();
    this.#sink.flushSync();
  }

  /** Stops the timer and writes everything. */
  close(): void {
    clearInterval(this.#timer);
    this.flushSync();
  }
}
