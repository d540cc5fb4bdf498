/**
 * A gateway in its own process, so that its memory can be measured separately from the test's. Linux only: reads /proc.
 *
 * Run as a program, it starts one from the options in its first argument, prints the port and a session cookie, and
 * exits when its standard input closes.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type GatewayOptions, startGateway } from './gateway.ts';

interface Ready {
  readonly port: number;
  /** A Cookie header line with a session of the user bob. */
  readonly cookie: string;
}

export class MeasuredGateway implements AsyncDisposable {
  readonly port: number;
  readonly cookie: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, { port, cookie }: Ready) {
    this.#child = child;
    this.port = port;
    this.cookie = cookie;
  }

  /** @param options  without clocks, since they are passed as JSON */
  static async start(options: Omit<GatewayOptions, 'clocks'>): Promise<MeasuredGateway> {
    const child = spawn(process.execPath, [import.meta.filename, JSON.stringify(options)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    const [line] = (await once(lines, 'line')) as [string];
    return new MeasuredGateway(child, JSON.parse(line) as Ready);
  }

  /** Resident memory of the process, bytes. */
  get rss(): number {
    return this.#status('VmRSS');
  }

  /** The peak of resident memory during some work, in bytes above its memory before. */
  async growthDuring(work: () => Promise<void>): Promise<number> {
    const before = this.rss;
    writeFileSync(`/proc/${this.#child.pid}/clear_refs`, '5');
    await work();
    return this.#status('VmHWM') - before;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await exit;
  }

  #status(field: string): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1_024;
  }
}

if (import.meta.main) {
  const gateway = await startGateway(JSON.parse(process.argv[2] ?? '{}') as GatewayOptions);
  const ready: Ready = { port: gateway.port, cookie: await gateway.cookie() };
  process.stdout.write(`${JSON.stringify(ready)}\n`);
  process.stdin.resume();
  process.stdin.once('end', () => process.exit(0));
}
