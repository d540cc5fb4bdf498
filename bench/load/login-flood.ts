/**
 * Does a flood of logins slow down users who are logged in? Warm requests at a fixed rate, in turns without and with a
 * flood of wrong passwords from many addresses, in one run on one gateway.
 *
 *     node bench/load/login-flood.ts [--rate 1000] [--logins 32] [--rounds 11] [--seconds 2]
 *
 * The gateway, its hash thread included, has one core (`taskset`), this process and the upstream have another. Latency
 * is counted from when a request was due, not from when it was sent, so that a stall is not overlooked. Percentiles are
 * taken per round and their median is shown, so that other work of the machine in one round counts once.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { hashPassword } from '../../src/endpoints/login/password/hash.ts';
import { readConfig } from '../../src/gateway/configuration/contents.ts';
import { configSchema } from '../../src/gateway/configuration/schema.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { systemClocks } from '../../src/lib/clock.ts';
import { AuditLog, auditOn } from '../../src/telemetry/audit.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';

const HOST = 'shop.example.com';
const NOWHERE = { write: () => {} };

/** Messages from the gateway's process to this one. */
interface Ready {
  readonly port: number;
  readonly cookie: string;
}

/** The gateway's process. */
async function serve(upstream: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-flood-'));
  const usersFile = join(directory, 'users.yaml');
  await writeFile(usersFile, `users:\n  - name: alice\n    passwordHash: ${await hashPassword('correct')}\n`);
  const config = configSchema({ baseDir: directory, fileProblem: () => null }).parse({
    version: 1,
    publicOrigin: `https://${HOST}`,
    listeners: { public: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] } },
    login: { password: { usersFile } },
    upstreams: { app: { endpoints: [upstream] } },
    routes: [{ id: 'app', match: { path: '/' }, credential: 'session', upstream: 'app' }],
  });
  const gateway = await Gateway.open(await readConfig(config, systemClocks), {
    clocks: systemClocks,
    lines: NOWHERE,
    log: createLog('error', NOWHERE),
    audit: new AuditLog(auditOn(NOWHERE), Date.now),
    metrics: new MetricRegistry(),
  });
  const { port } = (await gateway.listen()).addresses.public;
  const { sessionId } = await gateway.sessions.open({
    subject: 'alice',
    user: {},
    method: 'password',
    device: 'bench',
  });
  process.send?.({ port, cookie: `__Host-sid=${sessionId}` } satisfies Ready);
  process.once('disconnect', () => {
    void rm(directory, { recursive: true }).finally(() => process.exit(0));
  });
}

const agent = new Agent({ keepAlive: true, maxSockets: 256 });

/** Makes a request and resolves with its status when the answer is complete. */
function call(port: number, path: string, headers: Record<string, string>, body?: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        agent,
        host: '127.0.0.1',
        port,
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: { Host: HOST, ...headers },
      },
      (response) => response.on('end', () => resolve(response.statusCode ?? 0)).resume(),
    );
    outgoing.on('error', reject).end(body);
  });
}

/** Sends warm requests at a fixed rate. Resolves with their latencies, sorted. */
async function warmLoad({ port, cookie }: Ready, rate: number, seconds: number): Promise<number[]> {
  const latencies: number[] = [];
  const pending: Promise<void>[] = [];
  const startedMs = performance.now();
  for (let index = 0; index < rate * seconds; index += 1) {
    const dueMs = startedMs + (index * 1_000) / rate;
    while (performance.now() < dueMs) await new Promise((resolve) => setImmediate(resolve));
    pending.push(
      call(port, '/', { Cookie: cookie }).then((status) => {
        if (status !== 200) throw new Error(`warm request answered with ${status}`);
        latencies.push(performance.now() - dueMs);
      }),
    );
  }
  await Promise.all(pending);
  return latencies.sort((a, b) => a - b);
}

/** Number of logins so far: no account and no address repeats, so that none is slowed. */
let count = 0;

/** Keeps this many logins with a wrong password in progress, each from another address, until stopped. */
function flood({ port }: Ready, concurrency: number): () => Promise<Record<string, number>> {
  const answers: Record<string, number> = {};
  let isOn = true;
  const workers = Array.from({ length: concurrency }, async () => {
    while (isOn) {
      count += 1;
      const address = `10.${(count >> 16) & 255}.${(count >> 8) & 255}.${count & 255}`;
      const headers = { 'Content-Type': 'application/json', 'X-Forwarded-For': address };
      const status = await call(
        port,
        '/auth/login',
        headers,
        JSON.stringify({ username: `u${count}`, password: 'wrong' }),
      );
      answers[status] = (answers[status] ?? 0) + 1;
      // A refused client waits and tries again: this measures logins, not refusals.
      if (status === 503) await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
  return async () => {
    isOn = false;
    await Promise.all(workers);
    return answers;
  };
}

const percentile = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

const median = (values: readonly number[]) =>
  percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  );

/** The median over all rounds of each percentile. */
function summary(rounds: readonly (readonly number[])[]): Record<string, string> {
  const at = (share: number) => median(rounds.map((sorted) => percentile(sorted, share))).toFixed(2);
  return { 'p50 ms': at(0.5), 'p90 ms': at(0.9), 'p99 ms': at(0.99), 'max ms': at(1) };
}

async function drive(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rate: { type: 'string', default: '1000' },
      logins: { type: 'string', default: '32' },
      rounds: { type: 'string', default: '11' },
      seconds: { type: 'string', default: '2' },
    },
  });
  const [rate, logins, rounds, seconds] = [values.rate, values.logins, values.rounds, values.seconds].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  spawnSync('taskset', ['-acp', '1', String(process.pid)]);
  const upstream = createServer((_request, response) => response.end('ok'));
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`;
  const gateway = spawn('taskset', ['-c', '0', process.execPath, import.meta.filename, '--serve', origin], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const ready = await new Promise<Ready>((resolve) => gateway.once('message', (message) => resolve(message as Ready)));

  await warmLoad(ready, rate, 2);
  await flood(ready, 1)();
  const quiet: number[][] = [];
  const flooded: number[][] = [];
  const answers: Record<string, number> = {};
  for (let round = 0; round < rounds; round += 1) {
    quiet.push(await warmLoad(ready, rate, seconds));
    const stop = flood(ready, logins);
    flooded.push(await warmLoad(ready, rate, seconds));
    for (const [status, count] of Object.entries(await stop())) answers[status] = (answers[status] ?? 0) + count;
  }
  console.log(
    `${cpus()[0]?.model}, Node ${process.version}; ${rate} warm requests/s, ${rounds} rounds of ${seconds} s`,
  );
  console.table({ quiet: summary(quiet), [`${logins} logins at once`]: summary(flooded) });
  console.log('answers to the logins:', answers);
  end(gateway);
  agent.destroy();
  upstream.close();
}

function end(child: ChildProcess): void {
  child.disconnect();
}

const [role, origin = ''] = process.argv.slice(2);
if (role === '--serve') await serve(origin);
else await drive();
