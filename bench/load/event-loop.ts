/**
 * How long does a reload, a scrape of the metrics, or the admin page hold up everything else? The longest pause of the event
 * loop of an instance with many routes while one of them is under way.
 *
 *     node bench/load/event-loop.ts [--routes 3000] [--rounds 3] [--workers 2]
 *
 * On a machine that is busy with other work the processor time of the longest turn of the loop says more than its duration.
 * Every other reload renames all routes, the worst case for the series. The scraper is another process (`curl`). With workers,
 * which need `redis-server`, the figures are those of the primary, and the last column is the processor time of the longest turn
 * in a worker.
 */

import { exec } from 'node:child_process';
import cluster from 'node:cluster';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { ExplainThreads } from '../../src/cli/explain/on-thread.ts';
import { loadConfig } from '../../src/gateway/configuration/load.ts';
import { systemClocks } from '../../src/lib/clock.ts';
import { Instance } from '../../src/process/instance.ts';
import { readFiles } from '../../src/process/read.ts';
import { readAgain } from '../../src/process/read-again.ts';
import { runWorker } from '../../src/process/workers/worker.ts';
import { AuditLog, auditOn } from '../../src/telemetry/audit.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { collectNodeMetrics } from '../../src/telemetry/node-metrics.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { RedisServer } from '../../test/support/redis.ts';
import { formatTable } from '../support/table.ts';

if (cluster.isWorker) await work();

const { values } = parseArgs({
  options: {
    routes: { type: 'string', default: '3000' },
    rounds: { type: 'string', default: '3' },
    workers: { type: 'string', default: '1' },
  },
});
const workers = Number(values.workers);
const redis = workers > 1 ? await RedisServer.start() : null;
let workerCpuMs = 0;
cluster.on('message', (_worker, message: { readonly longestCpuMs?: number }) => {
  workerCpuMs = Math.max(workerCpuMs, message.longestCpuMs ?? 0);
});
const directory = mkdtempSync(join(tmpdir(), 'sallyport-loop-'));
const path = join(directory, 'sallyport.yaml');
const options = { path, cwd: directory, env: {} };

function write(name: string): void {
  const routes = Array.from({ length: Number(values.routes) }, (_, index) => ({
    id: `${name}-${index}`,
    match: { path: `/services/${index}/api` },
    credential: 'session',
    upstream: 'app',
  }));
  const config = {
    version: 1,
    publicOrigin: 'https://shop.example.com',
    listeners: {
      public: { address: '127.0.0.1:0' },
      admin: { address: '127.0.0.1:0', tokenFile: join(directory, 'admin.token') },
    },
    workers,
    ...(redis !== null && {
      store: { redis: { url: redis.url, commandTimeout: '10s' } },
      upstreamToken: { algorithm: 'HS256', secretFile: join(directory, 'token.secret') },
    }),
    upstreams: { app: { endpoints: ['http://127.0.0.1:9'] } },
    routes,
  };
  writeFileSync(path, JSON.stringify(config));
}

/** Notes the processor time of the longest turn of the event loop, in milliseconds, until it is stopped. */
function watchTurns() {
  let longest = 0;
  let last = process.threadCpuUsage();
  let next: NodeJS.Immediate;
  const turn = () => {
    const used = process.threadCpuUsage(last);
    longest = Math.max(longest, (used.user + used.system) / 1_000);
    last = process.threadCpuUsage();
    next = setImmediate(turn);
  };
  next = setImmediate(turn);
  return () => {
    clearImmediate(next);
    return longest;
  };
}

/** Longest pause and duration of some work, in milliseconds. */
async function measure(work: () => Promise<unknown>) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await setTimeout(20);
  delay.reset();
  workerCpuMs = 0;
  const stop = watchTurns();
  const beganMs = performance.now();
  await work();
  const tookMs = performance.now() - beganMs;
  await setTimeout(workers > 1 ? 300 : 20);
  delay.disable();
  return { tookMs, pauseMs: delay.max / 1e6, cpuMs: stop(), inWorkerMs: workerCpuMs };
}

/** Runs as a worker, and reports its longest turns. */
async function work(): Promise<never> {
  await runWorker(async () => dependencies());
  process.exit(0);
}

function dependencies() {
  const nowhere = { write: () => {} };
  const metrics = new MetricRegistry();
  collectNodeMetrics(metrics);
  if (cluster.isWorker) {
    let stop = watchTurns();
    setInterval(() => {
      if (process.connected) process.send?.({ longestCpuMs: stop() });
      stop = watchTurns();
    }, 100).unref();
  }
  return {
    clocks: systemClocks,
    lines: nowhere,
    log: createLog('error', nowhere),
    audit: new AuditLog(auditOn(nowhere), Date.now),
    metrics,
  };
}

writeFileSync(join(directory, 'token.secret'), 'an-hs256-secret-of-32-bytes-or-more', { mode: 0o600 });
writeFileSync(join(directory, 'admin.token'), 'an-admin-token-that-is-long-enough', { mode: 0o600 });
write('first');
const explaining = new ExplainThreads();
const { loaded } = await readFiles(loadConfig(readFileSync(path, 'utf8'), options), systemClocks);
if (loaded === null) throw new Error('the configuration is not valid');
const instance = await Instance.start(
  {
    loaded,
    load: (inUse) => readAgain({ text: readFileSync(path, 'utf8'), options }, systemClocks, inUse),
    build: { version: 'bench', revision: 'unknown' },
    explain: (question, config) => explaining.answer(question, config, { error: console.error }),
    watchedFile: null,
    onHopeless: () => {},
  },
  dependencies(),
);
const scrape = `curl -s http://127.0.0.1:${instance.addresses.admin.port}/metrics | wc -c`;
const page = (target: string) =>
  `curl -sf -u me:an-admin-token-that-is-long-enough 'http://127.0.0.1:${instance.addresses.admin.port}${target}' | wc -c`;
const rows: string[][] = [];
const add = (what: string, { tookMs, pauseMs, cpuMs, inWorkerMs }: Awaited<ReturnType<typeof measure>>) =>
  rows.push([what, ...[pauseMs, cpuMs, tookMs, inWorkerMs].map((ms) => ms.toFixed(0))]);
for (let round = 0; round < Number(values.rounds); round += 1) {
  add('scrape', await measure(() => promisify(exec)(scrape)));
  add('admin page: overview', await measure(() => promisify(exec)(page('/'))));
  add('admin page: routes', await measure(() => promisify(exec)(page('/routes?page=2'))));
  add('admin page: routes, find', await measure(() => promisify(exec)(page('/routes?find=services/29'))));
  add('admin page: explain', await measure(() => promisify(exec)(page('/explain?method=GET&url=/services/7/api'))));
  write(round % 2 === 0 ? 'renamed' : 'first');
  const reload = await measure(async () => {
    const { problems } = await instance.reloader.reload();
    if (problems.length > 0) throw new Error(problems[0]);
  });
  add('reload, all routes renamed', reload);
  add('reload, nothing changed', await measure(() => instance.reloader.reload()));
}
await instance.close();
await redis?.[Symbol.asyncDispose]();
rmSync(directory, { recursive: true });
process.stdout.write(
  `${formatTable(['', 'longest pause, ms', 'processor time of the longest turn, ms', 'took, ms', 'in a worker'], rows)}\n`,
);
process.exit(0);
