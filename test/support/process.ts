/**
 * The program itself, in its own process: `sallyport start` with a configuration file that can be rewritten.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ADMIN_TOKEN, ConfigFileFixture, type InstanceTestOptions } from './instance.ts';
import { freePorts } from './ports.ts';
import { until } from './until.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface ProcessOptions extends InstanceTestOptions {
  /** The program; default: `src/main.ts`. */
  readonly main?: string;
  /** Options of Node; default: none. */
  readonly nodeArgs?: readonly string[];
  /** The public port; default: a free one. */
  readonly port?: number;
  /** Do not wait until it is ready, because it never will be. */
  readonly isNotWaitedFor?: boolean;
  /** A file descriptor for its standard output; `stdout` then stays empty. */
  readonly stdoutTo?: number;
}

/** How a process ended. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export class GatewayProcess implements AsyncDisposable {
  readonly port: number;
  readonly adminPort: number;
  readonly file: ConfigFileFixture;
  readonly ended: Promise<ProcessEnd>;
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;

  private constructor(port: number, adminPort: number, file: ConfigFileFixture, options: ProcessOptions) {
    this.port = port;
    this.adminPort = adminPort;
    this.file = file;
    const args = [...(options.nodeArgs ?? []), options.main ?? MAIN, 'start', '--config', file.path];
    this.#child = spawn(process.execPath, args, {
      stdio: ['ignore', options.stdoutTo ?? 'pipe', 'pipe'],
    });
    running.add(this.#child);
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString();
    });
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString();
    });
    this.ended = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        running.delete(this.#child);
        resolve({ code, signal });
      });
    });
  }

  /** Starts the program, and waits until it is ready. Throws with its output if it ends before that. */
  static async start(options: ProcessOptions = {}): Promise<GatewayProcess> {
    const [free, adminPort] = (await freePorts(2)) as [number, number];
    const port = options.port ?? free;
    const file = new ConfigFileFixture();
    const { listeners, ...config } = (options.config ?? {}) as { listeners?: Record<string, object> };
    const withPorts = {
      ...config,
      listeners: {
        ...listeners,
        public: { ...listeners?.['public'], address: `127.0.0.1:${port}` },
        admin: { ...listeners?.['admin'], address: `127.0.0.1:${adminPort}` },
      },
    };
    file.write({ ...options, config: withPorts });
    const gateway = new GatewayProcess(port, adminPort, file, options);
    if (options.isNotWaitedFor !== true) await gateway.ready();
    return gateway;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Log records so far. */
  get records(): Record<string, unknown>[] {
    const lines = this.stdout.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Resolves when it is ready. */
  async ready(): Promise<void> {
    let end: ProcessEnd | null = null;
    void this.ended.then((how) => {
      end = how;
    });
    let status = 0;
    await until(async () => {
      if (end !== null) throw new Error(`ended (${JSON.stringify(end)}): ${this.stderr}${this.stdout}`);
      status = await this.status('/readyz');
      return status === 200;
    }, 'the gateway is ready').catch((error: unknown) => {
      throw new Error(`not ready, the last status was ${status}: ${this.stderr}${this.stdout}`, { cause: error });
    });
  }

  /** Status of an answer of the admin listener; 0 if there is no answer. */
  async status(path: string): Promise<number> {
    try {
      return (await this.admin(path)).status;
    } catch {
      return 0;
    }
  }

  /** Asks the admin listener, with the token. */
  admin(path: string, init: RequestInit = {}): Promise<Response> {
    const own = { authorization: `Bearer ${ADMIN_TOKEN}`, connection: 'close' };
    const headers = { ...(init.headers as Record<string, string>), ...own };
    return fetch(`http://127.0.0.1:${this.adminPort}${path}`, { ...init, headers });
  }

  /** Rewrites the configuration, with the same addresses. */
  rewrite(options: InstanceTestOptions): void {
    const listeners = {
      public: { address: `127.0.0.1:${this.port}` },
      admin: { address: `127.0.0.1:${this.adminPort}` },
    };
    this.file.write({ ...options, config: { listeners, ...options.config } });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
    this.file[Symbol.dispose]();
  }
}
