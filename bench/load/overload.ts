/**
 * What a gateway serves when it is asked for more than it can serve: goodput, the share that it refuses, and what
 * probes, and a client that asks now and then, notice of it. Requests are due at a fixed rate, once, twice and three
 * times its capacity, and each takes a free connection, or opens another one up to a limit; one that finds none
 * counts as not served.
 *
 *     node bench/load/overload.ts [--times 1,2,3] [--seconds 6] [--connections 8000] [--workers 1] [--queue-delay 1s] [--path /auth/session]
 *
 * With `--path /auth/session`, which the gateway answers by itself, the upstream has no part in it; it shares its core with the
 * generator. Needs `redis-server` for more than one worker. The gateway has one core, generator and upstream the other. An answer counts
 * as good when it is the upstream's and comes within the deadline. The capacity is measured before and after each rate
 * by a closed loop over a few connections, because other work of the machine changes it.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { RedisServer } from '../../test/support/redis.ts';
import { Children, pinSelf } from '../support/children.ts';
import { percentile } from '../support/statistics.ts';
import { formatTable } from '../support/table.ts';
import { type RunningGateway, startGateway } from './gateway.ts';
import { HOST } from './http.ts';
import { createServiceIssuer, openSessions } from './sessions.ts';

const { values } = parseArgs({
  options: {
    times: { type: 'string', default: '1,2,3' },
    seconds: { type: 'string', default: '6' },
    connections: { type: 'string', default: '8000' },
    deadline: { type: 'string', default: '1000' },
    workers: { type: 'string', default: '1' },
    'queue-delay': { type: 'string', default: '1s' },
    path: { type: 'string', default: '/api/orders' },
  },
});
const SECONDS = Number(values.seconds);
const MAX_CONNECTIONS = Number(values.connections);
const DEADLINE_MS = Number(values.deadline);
const WORKERS = Number(values.workers);
/** Connections of the closed loop that measures the capacity of the gateway. */
const CAPACITY_CONNECTIONS = 128;
const CAPACITY_MS = 3_000;
const SETTLE_MS = 1_500;
const PROBE_EVERY_MS = 50;
/** A client with an address of its own, which asks this often, each time on a new connection. */
const GUEST_EVERY_MS = 100;
const SESSIONS = 64;

/** The outcomes of the requests of one connection or of all. */
class Tally {
  readonly goodMs: number[] = [];
  late = 0;
  refused = 0;
  broken = 0;
  /** Due while every connection was busy. */
  unsent = 0;

  add(status: string, tookMs: number): void {
    if (status === '503' || status === '429') this.refused += 1;
    else if (status !== '200') this.broken += 1;
    else if (tookMs > DEADLINE_MS) this.late += 1;
    else this.goodMs.push(tookMs);
  }
}

/** One connection, with one request at a time. */
class Client {
  readonly #socket: Socket;
  readonly #request: Buffer;
  readonly #onFree: (client: Client, status: string, tookMs: number) => void;
  #sentMs = 0;
  isBusy = false;
  isOpen = true;

  constructor(port: number, request: Buffer, onFree: (client: Client, status: string, tookMs: number) => void) {
    this.#request = request;
    this.#onFree = onFree;
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.#socket.on('error', () => {});
    this.#socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    this.#socket.on('close', () => {
      this.isOpen = false;
      if (this.isBusy) this.#free('none');
    });
  }

  send(dueMs: number): void {
    this.isBusy = true;
    this.#sentMs = dueMs;
    this.#socket.write(this.#request);
  }

  close(): void {
    this.isBusy = false;
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    const start = chunk.toString('latin1', 0, 12);
    if (this.isBusy && start.startsWith('HTTP/1.1 ')) this.#free(start.slice(9));
  }

  #free(status: string): void {
    this.isBusy = false;
    this.#onFree(this, status, performance.now() - this.#sentMs);
  }
}

/** Answers per second that the gateway can give, to a closed loop. */
async function capacity({ port }: RunningGateway, requests: readonly Buffer[]): Promise<number> {
  let answers = 0;
  let isOver = false;
  const clients = Array.from({ length: CAPACITY_CONNECTIONS }, (_, index) => {
    const client: Client = new Client(port, requests[index % requests.length] as Buffer, (it, status) => {
      if (status !== '200') throw new Error(`capacity: answer ${status}`);
      answers += 1;
      if (!isOver) it.send(0);
    });
    return client;
  });
  for (const client of clients) client.send(0);
  await sleep(500);
  answers = 0;
  const beganMs = performance.now();
  await sleep(CAPACITY_MS);
  const perSec = answers / ((performance.now() - beganMs) / 1_000);
  isOver = true;
  await sleep(200);
  for (const client of clients) client.close();
  return perSec;
}

/** Requests at a rate, regardless of the outcome of earlier ones. */
async function offer({ port }: RunningGateway, requests: readonly Buffer[], perSec: number): Promise<Tally> {
  const tally = new Tally();
  const all = new Set<Client>();
  const idle: Client[] = [];
  const onFree = (client: Client, status: string, tookMs: number) => {
    tally.add(status, tookMs);
    if (client.isOpen) idle.push(client);
    else all.delete(client);
  };
  const next = (): Client | null => {
    for (let client = idle.pop(); client !== undefined; client = idle.pop()) {
      if (client.isOpen) return client;
      all.delete(client);
    }
    if (all.size >= MAX_CONNECTIONS) return null;
    const client = new Client(port, requests[all.size % requests.length] as Buffer, onFree);
    all.add(client);
    return client;
  };
  const beganMs = performance.now();
  let due = 0;
  while (performance.now() - beganMs < SECONDS * 1_000) {
    const nowMs = performance.now();
    for (; due < ((nowMs - beganMs) / 1_000) * perSec; due += 1) {
      const client = next();
      if (client === null) tally.unsent += 1;
      else client.send(nowMs);
    }
    await sleep(1);
  }
  await sleep(DEADLINE_MS);
  for (const client of all) client.close();
  return tally;
}

/** Sends a request on a new connection every so often until it is stopped. */
function every(intervalMs: number, port: number, path: string, headers: Record<string, string>, localAddress?: string) {
  const tally = new Tally();
  let asked = 0;
  const timer = setInterval(() => {
    const beganMs = performance.now();
    asked += 1;
    httpGet(
      { host: '127.0.0.1', port, path, headers, agent: false, ...(localAddress && { localAddress }) },
      (answer) => {
        answer.resume().on('end', () => tally.add(String(answer.statusCode), performance.now() - beganMs));
      },
    ).on('error', () => {});
  }, intervalMs);
  return () => {
    clearInterval(timer);
    return { tally, asked };
  };
}

const at = (tookMs: readonly number[], percent: number) =>
  percentile(
    tookMs.toSorted((a, b) => a - b),
    percent,
  ).toFixed(0);
const share = (part: number, whole: number) => `${((100 * part) / whole).toFixed(0)} %`;

async function run(gateway: RunningGateway): Promise<void> {
  const cookies = await openSessions(gateway.port, SESSIONS);
  const requests = cookies.map((it) =>
    Buffer.from(`GET ${values.path} HTTP/1.1\r\nHost: ${HOST}\r\nCookie: ${it}\r\n\r\n`, 'latin1'),
  );
  await capacity(gateway, requests);
  const rows: string[][] = [];
  for (const times of values.times.split(',').map(Number)) {
    const before = await capacity(gateway, requests);
    await sleep(SETTLE_MS);
    const stopProbe = every(PROBE_EVERY_MS, gateway.adminPort, '/livez', { Host: '127.0.0.1' });
    const guest = { Host: HOST, Cookie: cookies[0] as string };
    const stopGuest = every(GUEST_EVERY_MS, gateway.port, values.path, guest, '127.0.0.2');
    const tally = await offer(gateway, requests, before * times);
    const [probes, guests] = [stopProbe(), stopGuest()];
    await sleep(SETTLE_MS);
    const can = (before + (await capacity(gateway, requests))) / 2;
    const due = before * times * SECONDS;
    rows.push([
      `${times} ×`,
      (before * times).toFixed(0),
      (tally.goodMs.length / SECONDS).toFixed(0),
      share(tally.goodMs.length / SECONDS, can),
      at(tally.goodMs, 50),
      at(tally.goodMs, 99),
      share(tally.refused, due),
      share(tally.late, due),
      share(tally.unsent, due),
      String(tally.broken),
      `${at(probes.tally.goodMs, 50)} / ${at(probes.tally.goodMs, 99)}`,
      share(probes.tally.goodMs.length, probes.asked),
      `${at(guests.tally.goodMs, 50)} / ${at(guests.tally.goodMs, 99)}`,
      share(guests.tally.goodMs.length, guests.asked),
    ]);
  }
  const head = ['load', 'due/s', 'good/s', 'of capacity', 'p50 ms', 'p99 ms', 'refused', 'late', 'not sent', 'broken'];
  console.log(formatTable([...head, 'probe p50/p99', 'answered', 'guest p50/p99', 'served'], rows));
}

pinSelf(1);
using children = new Children();
const redis = WORKERS > 1 ? await RedisServer.start() : null;
const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
try {
  const upstreamFile = fileURLToPath(new URL('servers/upstream.ts', import.meta.url));
  const upstream = await children.node([upstreamFile]).ask<{ port: number }>();
  const settings = {
    upstreamPort: upstream.port,
    redisUrl: redis?.url ?? null,
    accessLog: 'all' as const,
    jwks: (await createServiceIssuer()).jwks,
    listener: { limits: { maxQueueDelay: values['queue-delay'] } },
    workers: WORKERS,
  };
  const gateway = await startGateway(children, directory, settings, {
    ...(WORKERS === 1 && { core: 0 }),
    openFiles: 20_000,
  });
  await run(gateway);
} finally {
  await redis?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
}
process.exit(0);
