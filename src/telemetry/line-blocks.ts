/**
 * Gathers log lines into blocks before they are written: one write for some two hundred requests. The writing itself, with
 * its back-pressure, retries and bound on what waits, is sonic-boom's.
 *
 * perf: bench/micro/log.ts. Lines joined as strings cost a flattening and an encoding of their own; copied into a block
 * one by one they cost 0.2 µs each.
 */

/** What blocks are written to. */
export interface BlockSink {
  write(block: Uint8Array): unknown;
  flushSync(): void;
}

const BLOCK_BYTES = 64 * 1024;

export class LineBlocks {
  readonly #sink: BlockSink;
  readonly #timer: NodeJS.Timeout;
  #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #used = 0;

  /** @param flushEveryMs  longest time that a line is held; the timer does not keep the process alive */
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

  /** Hands on what is held. */
  flush(): void {
    if (this.#used === 0) return;
    this.#sink.write(this.#block.subarray(0, this.#used));
    this.#block = Buffer.allocUnsafe(BLOCK_BYTES);
    this.#used = 0;
  }

  /** Writes out everything before it returns. Call before the process ends. */
  flushSync(): void {
    this.flush();
    this.#sink.flushSync();
  }

  /** Stops the timer and writes out everything. */
  close(): void {
    clearInterval(this.#timer);
    this.flushSync();
  }
}
