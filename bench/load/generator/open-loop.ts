/**
 * Load at a rate: requests are due at even intervals, whether or not the answers to those before have come, and the
 * latency of each counts from the moment it was due. So a pause of the other side shows in every request that fell
 * into it.
 *
 * Not autocannon's `-R`, which sends the whole second's requests at the beginning of each second, back to back
 * (`lib/httpClient.js`: `setInterval(…, 1000)`): its latency at half load is that of full load, half of the time.
 */

import { connect, type Socket } from 'node:net';
import { percentile } from '../../support/statistics.ts';
import { ANSWER } from '../answer.ts';
import { type Load, type Outcome, shareOf } from './load.ts';

/** How long to wait for answers after the last request. */
const TIMEOUT_MS = 10_000;

/** Runs a load at its rate. */
export function openLoop(load: Load, rate: number): Promise<Outcome> {
  return new OpenLoop(load, rate).run();
}

class OpenLoop {
  readonly #connections: PacedConnection[];
  readonly #idle: PacedConnection[] = [];
  /** The times at which requests were due that still wait for a connection. */
  readonly #waiting: number[] = [];
  readonly #intervalMs: number;
  readonly #total: number;
  readonly #latenciesUs: number[] = [];
  readonly #latenessUs: number[] = [];
  readonly #failures = { non2xx: 0, mismatches: 0, connectionErrors: 0, timeouts: 0 };
  #startedMs = 0;
  #lastMs = 0;
  #due = 0;
  #ended = 0;
  #timer: NodeJS.Timeout | null = null;
  #onDone: () => void = () => {};

  constructor(load: Load, rate: number) {
    const { credentials, durationMs, connections } = load;
    this.#intervalMs = 1_000 / rate;
    this.#total = credentials.use === 'once' ? credentials.values.length : Math.round((durationMs / 1_000) * rate);
    this.#connections = Array.from({ length: connections }, (_, index) => {
      const requests = shareOf(load, index, connections).map((value) => requestBytes(load, value));
      return new PacedConnection(load.port, requests, load.answer ?? ANSWER, this);
    });
  }

  async run(): Promise<Outcome> {
    await Promise.all(this.#connections.map((connection) => connection.open()));
    this.#idle.push(...this.#connections);
    await new Promise<void>((resolve) => {
      this.#onDone = resolve;
      this.#startedMs = performance.now();
      this.#lastMs = this.#startedMs;
      this.#timer = setInterval(() => this.#tick(), 1);
    });
    for (const connection of this.#connections) connection.close();
    return {
      requests: this.#latenciesUs.length,
      durationMs: this.#lastMs - this.#startedMs,
      latenciesUs: Float64Array.from(this.#latenciesUs),
      latenessP99Us: percentile(Float64Array.from(this.#latenessUs).sort(), 99),
      failures: this.#failures,
    };
  }

  answered(connection: PacedConnection, dueMs: number, problem: 'non2xx' | 'mismatches' | null): void {
    this.#lastMs = performance.now();
    if (problem === null) this.#latenciesUs.push((this.#lastMs - dueMs) * 1_000);
    else this.#failures[problem] += 1;
    this.#ended += 1;
    this.#reuse(connection);
    this.#sendDue();
    if (this.#ended === this.#total) this.#finish();
  }

  /** A connection that breaks is not replaced: one is enough for the run not to count. */
  broke(hadRequest: boolean): void {
    this.#failures.connectionErrors += 1;
    if (hadRequest) this.#ended += 1;
    if (this.#ended === this.#total) this.#finish();
  }

  #tick(): void {
    this.#sendDue();
    const isOverdue = this.#due === this.#total && performance.now() - this.#lastMs > TIMEOUT_MS;
    if (!isOverdue) return;
    this.#failures.timeouts += this.#total - this.#ended;
    this.#finish();
  }

  /** Sends requests that have become due. Called every millisecond and at every answer. */
  #sendDue(): void {
    const nowMs = performance.now();
    while (this.#due < this.#total) {
      const scheduledMs = this.#startedMs + this.#due * this.#intervalMs;
      if (scheduledMs > nowMs) return;
      this.#due += 1;
      // The generator's own lateness is reported, not charged to the other side.
      this.#latenessUs.push((nowMs - scheduledMs) * 1_000);
      const connection = this.#idle.shift();
      if (connection === undefined) this.#waiting.push(nowMs);
      else this.#send(connection, nowMs);
    }
  }

  #reuse(connection: PacedConnection): void {
    const dueMs = this.#waiting.shift();
    if (dueMs === undefined) this.#idle.push(connection);
    else this.#send(connection, dueMs);
  }

  #send(connection: PacedConnection, dueMs: number): void {
    connection.send(dueMs);
  }

  #finish(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.#onDone();
  }
}

/** A keep-alive connection with at most one request under way. */
class PacedConnection {
  readonly #socket: Socket;
  readonly #requests: readonly Buffer[];
  readonly #answer: string;
  readonly #run: OpenLoop;
  #next = 0;
  #dueMs: number | null = null;
  #received: Buffer | null = null;

  constructor(port: number, requests: readonly Buffer[], answer: string, run: OpenLoop) {
    this.#requests = requests;
    this.#answer = answer;
    this.#run = run;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
  }

  open(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.once('connect', () => {
        this.#socket.off('error', reject);
        this.#socket.on('error', () => {});
        this.#socket.on('close', () => this.#run.broke(this.#dueMs !== null));
        this.#socket.on('data', (chunk: Buffer) => this.#onData(chunk));
        resolve();
      });
      this.#socket.once('error', reject);
    });
  }

  send(dueMs: number): void {
    this.#dueMs = dueMs;
    this.#socket.write(this.#requests[this.#next++ % this.#requests.length] as Buffer);
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    const received = this.#received === null ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = received.indexOf('\r\n\r\n');
    const head = headEnd === -1 ? '' : received.toString('latin1', 0, headEnd);
    const bodyLength = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
    if (headEnd === -1 || received.length < headEnd + 4 + bodyLength) {
      this.#received = received;
      return;
    }
    this.#received = null;
    const dueMs = this.#dueMs as number;
    this.#dueMs = null;
    const isRight = received.toString('latin1', headEnd + 4) === this.#answer;
    const isSuccess = head.startsWith('HTTP/1.1 2');
    this.#run.answered(this, dueMs, isSuccess ? (isRight ? null : 'mismatches') : 'non2xx');
  }
}

function requestBytes({ path, headers, credentials }: Load, credential: string): Buffer {
  const lines = Object.entries({ ...headers, Connection: 'keep-alive', [credentials.header]: credential });
  return Buffer.from(
    `GET ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
    'latin1',
  );
}
