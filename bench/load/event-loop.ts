/**
 * How long does a reload, or a scrape of the metrics, hold up everything else? The longest pause of the event loop of an
 * instance with many routes while one of the two is under way.
 *
 *     node bench/load/event-loop.ts [--routes 3000] [--rounds 3]
 *
 * On a machine that is busy with other work the processor time of the longest turn of the loop says more than its duration.
 * Every other reload renames all routes, the worst case for the series. The scraper is another process (`curl`).
 */

import { exec } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { loadConfig } from '../../src/gateway/load.ts';
import { systemClocks } from '../../src/lib/clock.ts';
import { Instance } from '../../src/process/instance.ts';
import { readFiles } from '../../src/process/read.ts';
import { readAgain } from '../../src/process/read-again.ts';
import { AuditLog, auditOn } from '../../src/telemetry/audit.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { collectNodeMetrics } from '../../src/telemetry/node-metrics.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { formatTable } from '../support/table.ts';

const { values } = parseArgs({
  options: { routes: { type: 'string', default: '3000' }, rounds: { type: 'string', default: '3' } },
});
const NOWHERE = { write: () => {} };
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
    listeners: { public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0' } },
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
  const stop = watchTurns();
  const beganMs = performance.now();
  await work();
  const tookMs = performance.now() - beganMs;
  await setTimeout(20);
  delay.disable();
  return { tookMs, pauseMs: delay.max / 1e6, cpuMs: stop() };
}

write('first');
const { loaded } = await readFiles(loadConfig(readFileSync(path, 'utf8'), options), systemClocks);
if (loaded === null) throw new Error('the configuration is not valid');
const metrics = new MetricRegistry();
collectNodeMetrics(metrics);
const instance = await Instance.start(
  {
    loaded,
    load: (inUse) => readAgain({ text: readFileSync(path, 'utf8'), options }, systemClocks, inUse),
    build: { version: 'bench', revision: 'unknown' },
    watchedFile: null,
    onHopeless: () => {},
  },
  {
    clocks: systemClocks,
    lines: NOWHERE,
    log: createLog('error', NOWHERE),
    audit: new AuditLog(auditOn(NOWHERE), Date.now),
    metrics,
  },
);
const scrape = `curl -s http://127.0.0.1:${instance.addresses.admin.port}/metrics | wc -c`;
const rows: string[][] = [];
const add = (what: string, { tookMs, pauseMs, cpuMs }: Awaited<ReturnType<typeof measure>>) =>
  rows.push([what, pauseMs.toFixed(0), cpuMs.toFixed(0), tookMs.toFixed(0)]);
for (let round = 0; round < Number(values.rounds); round += 1) {
  add('scrape', await measure(() => promisify(exec)(scrape)));
  write(round % 2 === 0 ? 'renamed' : 'first');
  const reload = await measure(async () => {
    const { problems } = await instance.reloader.reload();
    if (problems.length > 0) throw new Error(problems[0]);
  });
  add('reload, all routes renamed', reload);
  add('reload, nothing changed', await measure(() => instance.reloader.reload()));
}
await instance.close();
rmSync(directory, { recursive: true });
process.stdout.write(
  `${formatTable(['', 'longest pause, ms', 'processor time of the longest turn, ms', 'took, ms'], rows)}\n`,
);
process.exit(0);
