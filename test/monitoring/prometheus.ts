/** Prometheus and its tool, as Debian packages them. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { findProgram } from '../support/programs.ts';

const PROMETHEUS = findProgram(['prometheus']);
const PROMTOOL = findProgram(['promtool']);

/** Whether both are installed; test/support/prerequisites.ts does it. */
export const HAS_PROMETHEUS = PROMETHEUS !== null && PROMTOOL !== null;

const run = promisify(execFile);

/** Runs `promtool`. Resolves with its output, whether or not it succeeds. */
export async function promtool(
  ...args: readonly string[]
): Promise<{ readonly isGood: boolean; readonly said: string }> {
  try {
    const { stdout, stderr } = await run(PROMTOOL ?? 'promtool', args, { maxBuffer: 1 << 26 });
    return { isGood: true, said: stdout + stderr };
  } catch (fault) {
    const { stdout = '', stderr = '' } = fault as { stdout?: string; stderr?: string };
    return { isGood: false, said: stdout + stderr };
  }
}

/** A series of an answer, with its values over time. */
interface AnsweredSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [atSec: number, value: string])[];
}

/** A server that scrapes nothing and answers from blocks. */
export class PrometheusServer implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #origin: string;

  private constructor(child: ChildProcess, origin: string) {
    this.#child = child;
    this.#origin = origin;
  }

  /** Starts it on a free port. @param configFile  without scrapes @param directory  with blocks */
  static async start(configFile: string, directory: string): Promise<PrometheusServer> {
    const args = [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${directory}`,
      '--storage.tsdb.retention.time=100y',
      '--web.listen-address=127.0.0.1:0',
    ];
    const child = spawn(PROMETHEUS ?? 'prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    process.once('exit', () => child.kill('SIGKILL'));
    let said = '';
    let origin: string | null = null;
    for await (const line of createInterface({ input: child.stderr })) {
      said += `${line}\n`;
      const [, address] = /msg="Listening on" address=(\S+)/.exec(line) ?? [];
      if (address !== undefined) origin = `http://${address}`;
      if (line.includes('Server is ready to receive web requests')) break;
    }
    if (origin === null) throw new Error(`prometheus did not start: ${said}`);
    child.stderr.resume();
    return new PrometheusServer(child, origin);
  }

  /** Evaluates an expression at each step. Rejects if Prometheus refuses it. */
  async query(expr: string, { fromSec, toSec, stepSec }: { fromSec: number; toSec: number; stepSec: number }) {
    const parameters = { query: expr, start: String(fromSec), end: String(toSec), step: String(stepSec) };
    const { result } = await this.#ask<{ result: AnsweredSeries[] }>('query_range', parameters);
    return result;
  }

  /** The values of a label. */
  labelValues(
    label: string,
    selector: string,
    { fromSec, toSec }: { fromSec: number; toSec: number },
  ): Promise<string[]> {
    const parameters = { 'match[]': selector, start: String(fromSec), end: String(toSec) };
    return this.#ask<string[]>(`label/${label}/values`, parameters);
  }

  async #ask<T>(what: string, parameters: Record<string, string>): Promise<T> {
    const response = await fetch(`${this.#origin}/api/v1/${what}?${new URLSearchParams(parameters)}`);
    const { data, error } = (await response.json()) as { data: T; error?: string };
    if (error !== undefined) throw new Error(`${parameters['query'] ?? what}: ${error}`);
    return data;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}
