/** The commands of a page, run in their own directory as its reader runs them, with the program as `sallyport`. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './until.ts';

const MAIN = join(import.meta.dirname, '../../src/main.ts');
/** On the pages, `node` is the one that runs the tests. */
const PATH = `${join(process.execPath, '..')}:${process.env['PATH']}`;

export class DocumentedCommands implements AsyncDisposable {
  /** The password that the commands ask for. */
  readonly password = 'correct horse battery staple';
  /** What `sallyport start` has printed. */
  output = '';
  readonly #directory = mkdtempSync(join(tmpdir(), 'sallyport-documented-'));
  readonly #started: ChildProcess[] = [];

  /**
   * Runs a script.
   *
   * @returns its output
   * @throws if its last command fails
   */
  shell(script: string): string {
    return execFileSync('sh', ['-c', `sallyport() { "$NODE" "$MAIN" "$@"; }\n${script}`], {
      cwd: this.#directory,
      env: { ...process.env, NODE: process.execPath, MAIN, PATH },
      input: `${this.password}\n`,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'pipe'],
    });
  }

  read(file: string): string {
    return readFileSync(join(this.#directory, file), 'utf8');
  }

  write(file: string, text: string): void {
    writeFileSync(join(this.#directory, file), text);
  }

  /** Starts a program of the directory. */
  node(file: string): void {
    this.#started.push(spawn(process.execPath, [file], { cwd: this.#directory, stdio: 'ignore' }));
  }

  /** Runs `sallyport start`, and resolves when it is ready. */
  async start(): Promise<void> {
    const gateway = spawn(process.execPath, [MAIN, 'start'], {
      cwd: this.#directory,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#started.push(gateway);
    gateway.stdout.on('data', (chunk: Buffer) => {
      this.output += chunk.toString();
    });
    await until(() => {
      if (gateway.exitCode !== null) throw new Error(`ended with ${gateway.exitCode}: ${this.output}`);
      return this.output.includes('"admin":');
    }, 'the gateway is ready');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#started) {
      const ended = new Promise((resolve) => child.once('close', resolve));
      if (child.kill('SIGTERM')) await ended;
    }
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
