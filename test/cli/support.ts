/** Runs commands in the test's own process, or the real program in one of its own. */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { runCli } from '../../src/cli/run.ts';
import { type Clocks, systemClocks } from '../../src/lib/clock.ts';

export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CliSurroundings {
  readonly stdin?: string;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  readonly clocks?: Clocks;
}

/** Runs a command line in this process. */
export async function cli(argv: readonly string[], surroundings: CliSurroundings = {}): Promise<CliRun> {
  const { stdin = '', env = {}, cwd = process.cwd(), clocks = systemClocks } = surroundings;
  let [out, err] = ['', ''];
  const code = await runCli(argv, {
    stdin: Readable.from(stdin === '' ? [] : [Buffer.from(stdin)]),
    stdout: { write: (text) => (out += text) },
    stderr: { write: (text) => (err += text) },
    env,
    cwd,
    clocks,
    startedAtMs: 0,
  });
  return { code, out, err };
}

/** A directory that is gone after the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-cli-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

/** A file in a directory that is gone after the test. */
export function temporaryFile(name: string, text: string): string {
  const path = join(temporaryDirectory(), name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const MAIN = join(import.meta.dirname, '../../src/main.ts');

/** The real program in a process of its own, ended with the test. */
export class Program {
  readonly process: ChildProcessWithoutNullStreams;
  out = '';
  err = '';
  readonly ended: Promise<number | null>;
  #wake: (() => void) | null = null;

  constructor(argv: readonly string[], surroundings: Omit<CliSurroundings, 'clocks'> = {}) {
    const { stdin, env = {}, cwd = process.cwd() } = surroundings;
    this.process = spawn(process.execPath, [MAIN, ...argv], { cwd, env: { PATH: process.env['PATH'], ...env } });
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

  /** Resolves when standard output has this; rejects when the program ends before. */
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
