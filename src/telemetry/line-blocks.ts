/**
 * Gathers log lines into blocks: one write for some two hundred requests. What the sink has no room for is dropped, line
 * by line, and counted.
 *
 * perf: bench/micro/log.ts. Joined strings have to be flattened and encoded; lines copied into a block one by one cost
 * 0.2 µs each.
 */

/** Where blocks go. */
export interface BlockSink {
  /** Takes a block, which no longer changes. */
  write(block: Uint8Array): void;
  /** Whether a block is being written, or waits. */
  readonly isBusy: boolean;
  /** Whether so much waits that no block is taken. */
  readonly isFull: boolean;
  /** Resolves when nothing waits. */
  idle(): Promise<void>;
}

/** Receives reports of lost lines. */
export interface LossReports {
  onLost(lines: number): void;
  /** Lines are written again. @param lost  how many were not */
  onRestored(lost: number): void;
}

const BLOCK_BYTES = 64 * 1024;

/** Gathers lines and hands them on in blocks of up to 64 KiB. */
export class LineBlocks {
  /** Notified of lost lines. */
  reports: LossReports | null = null;
  readonly #sink: BlockSink;
  readonly #timer: NodeJS.Timeout;
  #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #used = 0;
  #lost = 0;

  /** @param flushEveryMs  the longest that a line is held; the timer does not keep the process alive */
  constructor(sink: BlockSink, flushEveryMs: number) {
    this.#sink = sink;
    this.#timer = setInterval(() => this.#tick(), flushEveryMs).unref();
  }

  /** Whether lines are being lost. */
  get isFull(): boolean {
    return this.#sink.isFull;
  }

  /**
   * Takes whole lines, their newlines included. Never throws.
   *
   * @returns whether there was room for them
   */
  write(lines: string): boolean {
    // UTF-8 takes at most three bytes for a UTF-16 code unit.
    const longest = lines.length * 3;
    if (longest > BLOCK_BYTES - this.#used) {
      if (this.#sink.isFull) return this.#lose(lines);
      this.flush();
    }
    if (longest > BLOCK_BYTES) this.#sink.write(Buffer.from(lines));
    else this.#used += this.#block.write(lines, this.#used);
    return true;
  }

  /** Hands the present block on. */
  flush(): void {
    if (this.#used === 0) return;
    this.#sink.write(this.#block.subarray(0, this.#used));
    this.#block = Buffer.allocUnsafe(BLOCK_BYTES);
    this.#used = 0;
  }

  /** Hands everything on, and resolves when it is written. */
  drain(): Promise<void> {
    this.flush();
    return this.#sink.idle();
  }

  /** Stops the timer and hands everything on. */
  close(): void {
    clearInterval(this.#timer);
    this.flush();
  }

  /** While the sink is busy, lines gather: blocks that wait are full ones. */
  #tick(): void {
    if (this.#sink.isBusy) return;
    const lost = this.#lost;
    this.#lost = 0;
    if (lost > 0) this.reports?.onRestored(lost);
    this.flush();
  }

  #lose(lines: string): false {
    const count = lines.split('\n').length - 1;
    this.#lost += count;
    this.reports?.onLost(count);
    return false;
  }
}
