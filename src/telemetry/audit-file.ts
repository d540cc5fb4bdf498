/**
 * The audit stream in a file: written synchronously, line by line, so that a record is on its way to the disk before the
 * answer is. If the file is renamed (by logrotate, say), the next record creates a new one.
 *
 * A file that cannot be written ends nothing. Records wait in memory, up to a bound, and are written in their order when
 * the file takes them; what exceeds the bound is lost, counted and logged.
 */

import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs';
import type { AuditOutput } from './audit.ts';
import type { LossReports } from './line-blocks.ts';
import { errorFields, type Logger } from './log.ts';

const MAX_HELD_BYTES = 4 * 1024 * 1024;
const RETRY_EVERY_MS = 1_000;

/** An audit file. */
export class AuditFile implements AuditOutput {
  readonly #path: string;
  readonly #log: Logger;
  readonly #reports: LossReports;
  #descriptor: number;
  readonly #held: Buffer[] = [];
  #heldBytes = 0;
  /** What of the first of them is written. */
  #offset = 0;
  #lost = 0;
  /** Set while the file cannot be written. */
  #retry: NodeJS.Timeout | null = null;

  /**
   * Opens the file for appending. A new one is readable by its owner only.
   *
   * @throws Error of the file system when it cannot be opened
   */
  constructor(path: string, log: Logger, reports: LossReports) {
    this.#path = path;
    this.#log = log;
    this.#reports = reports;
    this.#descriptor = this.#open();
  }

  write(line: string): void {
    this.#hold(line);
    if (this.canWrite() || this.#heldBytes <= MAX_HELD_BYTES) return;
    this.#dropLast();
    this.#lost += 1;
    this.#reports.onLost(1);
  }

  writeNow(line: string): boolean {
    if (!this.canWrite()) return false;
    this.#hold(line);
    // Half a record cannot be taken back where others append as well: it counts as written, and the rest comes next.
    if (this.canWrite() || this.#offset > 0) return true;
    this.#dropLast();
    return false;
  }

  canWrite(): boolean {
    try {
      for (let [first] = this.#held; first !== undefined; [first] = this.#held) {
        this.#follow();
        this.#offset += writeSync(this.#descriptor, first, this.#offset);
        if (this.#offset < first.byteLength) continue;
        this.#held.shift();
        this.#heldBytes -= first.byteLength;
        this.#offset = 0;
      }
    } catch (fault) {
      this.#failed(fault);
      return false;
    }
    this.#worked();
    return true;
  }

  #hold(line: string): void {
    const bytes = Buffer.from(line);
    this.#held.push(bytes);
    this.#heldBytes += bytes.byteLength;
  }

  #dropLast(): void {
    this.#heldBytes -= this.#held.pop()?.byteLength ?? 0;
  }

  /** Opens the file again when the path no longer leads to it. */
  #follow(): void {
    const at = statSync(this.#path, { throwIfNoEntry: false });
    const present = fstatSync(this.#descriptor);
    if (at !== undefined && at.ino === present.ino && at.dev === present.dev) return;
    const opened = this.#open();
    closeSync(this.#descriptor);
    this.#descriptor = opened;
    this.#offset = 0;
  }

  #open(): number {
    return openSync(this.#path, 'a', 0o600);
  }

  #failed(fault: unknown): void {
    if (this.#retry !== null) return;
    this.#retry = setInterval(() => this.canWrite(), RETRY_EVERY_MS).unref();
    this.#log.error({ file: this.#path, fault: errorFields(fault) }, 'audit file cannot be written; records wait');
  }

  #worked(): void {
    if (this.#retry === null) return;
    clearInterval(this.#retry);
    this.#retry = null;
    this.#reports.onRestored(this.#lost);
    this.#lost = 0;
  }
}
