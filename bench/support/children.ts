/**
 * The processes that a benchmark starts. They end with it: by pid, whether it finishes, fails or is interrupted.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { findProgram } from '../../test/support/programs.ts';

export interface ChildOptions {
  /** Core to which it is pinned, where that is possible. Default: the core of the benchmark itself. */
  readonly core?: number;
  /** What happens to its standard output: shown (default), or read and dropped. */
  readonly output?: 'read' | 'shown';
  /** The same of its standard error. */
  readonly errors?: 'read' | 'shown';
  /** Soft limit of open files. */
  readonly openFiles?: number;
  /** Whether it is a program of the benchmark, with which messages are exchanged. Default: yes, for those on Node. */
  readonly hasChannel?: boolean;
}

const TASKSET = findProgram(['taskset']);

/** Whether processes can be pinned to a core. */
export const canPin = TASKSET !== null;

/** Pins this process to a core, and with it every child that is not pinned to another one. */
export function pinSelf(core: number): void {
  if (TASKSET !== null) spawnSync(TASKSET, ['-a', '-c', '-p', String(core), String(process.pid)]);
}

export class Children implements Disposable {
  readonly #running = new Set<ChildProcess>();
  readonly #endAll = () => {
    for (const child of this.#running) endGroup(child);
  };

  constructor() {
    process.once('exit', this.#endAll);
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      // A second signal must not end the process before its children have ended.
      process.on(signal, () => process.exit(code));
    }
  }

  /** Starts a program of the benchmark, or the gateway, on the Node that the benchmark runs on. */
  node(args: readonly string[], options: ChildOptions = {}): Child {
    return this.#start([process.execPath, ...args], args[0] ?? '', { hasChannel: true, ...options });
  }

  /**
   * Starts any other program. Its output and its errors are read, unless the options say otherwise.
   *
   * @param env  variables beside those of the benchmark
   */
  program(command: readonly string[], options: ChildOptions = {}, env: Readonly<Record<string, string>> = {}): Child {
    return this.#start(
      command,
      command[0] ?? '',
      { output: 'read', errors: 'read', ...options, hasChannel: false },
      env,
    );
  }

  #start(
    given: readonly string[],
    name: string,
    { core, openFiles, output = 'shown', errors = 'shown', hasChannel }: ChildOptions,
    env: Readonly<Record<string, string>> = {},
  ): Child {
    let command = [...given];
    // Both replace themselves, so that the pid is the program's.
    if (core !== undefined && TASKSET !== null) command = [TASKSET, '-c', String(core), ...command];
    if (openFiles !== undefined)
      command = ['/bin/sh', '-c', `ulimit -S -n ${openFiles} && exec "$@"`, 'sh', ...command];
    const [program, ...rest] = command;
    const child = spawn(program as string, rest, {
      env: { ...process.env, ...env },
      stdio: ['ignore', streamFor(output), streamFor(errors), ...(hasChannel ? (['ipc'] as const) : [])],
      serialization: 'advanced',
      // A group of its own, so that what it has started ends with it.
      detached: true,
    });
    this.#running.add(child);
    child.once('exit', () => this.#running.delete(child));
    return new Child(child, name);
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#endAll);
    this.#endAll();
  }
}

/** Ends a process and what it has started. */
function endGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended already.
  }
}

const streamFor = (what: 'read' | 'shown') => (what === 'read' ? 'pipe' : 'inherit');

/** One of them. */
export class Child {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #name: string;
  #lastOutput: Buffer = Buffer.alloc(0);

  constructor(child: ChildProcess, name: string) {
    this.#process = child;
    this.#name = name;
    this.pid = child.pid as number;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#lastOutput = chunk;
      });
    }
  }

  /** The end of its output, if that is read: for messages. */
  get lastOutput(): string {
    return this.#lastOutput.toString('utf8').slice(-2_000);
  }

  get hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** Sends a message, if given, and waits for the next message from the process. */
  ask<T>(message?: unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`${this.#name} ended with code ${code}`));
      this.#process.once('exit', onExit);
      this.#process.once('message', (answer) => {
        this.#process.off('exit', onExit);
        resolve(answer as T);
      });
      if (message !== undefined) this.#process.send(message as object);
    });
  }

  /** Ends it, and waits until it has exited. */
  async end(): Promise<void> {
    if (this.hasEnded) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    endGroup(this.#process);
    await ended;
  }
}
