/** Runs the real program in its own process. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { CliSurroundings } from './support.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
/** Variables that do not change what the program does. */
const INHERITED = { PATH: process.env['PATH'], NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] };

/** The real program in its own process, which ends with the test. */
export class Program {
  readonly process: ChildProcessWithoutNullStreams;
  out = '';
  err = '';
  readonly ended: Promise<number | null>;
  #wake: (() => void) | null = null;

  constructor(argv: readonly string[], surroundings: Omit<CliSurroundings, 'clocks'> = {}) {
    const { stdin, env = {}, cwd = process.cwd() } = surroundings;
    this.process = spawn(process.execPath, [MAIN, ...argv], { cwd, env: { ...INHERITED, ...env } });
    this.process.stdout.on('data', (chunk: Buffer) => this.#read('out', chunk));
    this.process.stderr.on('data', (chunk: Buffer) => this.#read('err', chunk));
    this.ended = new Promise((resolve) =>
      this.process.on('close', (code) => {
        resolve(code);
        this.#wake?.();
      }),
    );
    this.process.stdin.end(stdin);
    onTestFinished(() => void this.process.kill('SIGKILL'));
  }

  /** Resolves when standard output contains this; rejects if the program ends first. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.out);
      if (match !== null) return match;
      if (this.process.exitCode !== null || this.process.signalCode !== null)
        throw new Error(`ended without saying ${pattern}: ${this.out}${this.err}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  #read(stream: 'out' | 'err', chunk: Buffer): void {
    this[stream] += chunk.toString();
    this.#wake?.();
  }
}
