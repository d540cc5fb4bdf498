/**
 * Where the CPU time of a request goes: `npm run bench -- profile [relay|warm|service|cold]`.
 *
 * Runs one variant as fast as it goes while V8 samples the gateway's main thread, and shows the functions with the most
 * self time, as microseconds per request. The CPU time of the process is divided among the samples, so the
 * figures add up to it; what other threads and the kernel do is in the function that asked for it. The profiler itself
 * costs a few per cent.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RedisServer } from '../../test/support/redis.ts';
import { Children, pinSelf } from '../support/children.ts';
import { cpuTimeUs } from '../support/process-figures.ts';
import { formatTable } from '../support/table.ts';
import { measure, type Round } from './measure.ts';
import { SessionSeeder } from './sessions.ts';
import { startVariants } from './variants.ts';

/** The profile that the inspector returns. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
}

const WARM_UP_MS = 4_000;
const MEASURE_MS = 5_000;
const CONNECTIONS = 64;
const SHOWN = 30;
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const [name = 'warm'] = process.argv.slice(2);
pinSelf(1);
using children = new Children();
await using redis = await RedisServer.start();
using seeder = new SessionSeeder(redis.url);
const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
try {
  await profile();
} finally {
  await rm(directory, { recursive: true, force: true });
}

async function profile(): Promise<void> {
  const variants = await startVariants(children, {
    directory,
    redisUrl: redis.url,
    seeder,
    connections: CONNECTIONS,
    core: 0,
    isProfiled: true,
  });
  const variant = variants.find((candidate) => candidate.name === name);
  if (variant === undefined) throw new Error(`there is no variant ${name}`);
  const generator = children.node([fileURLToPath(new URL('generator/generator.ts', import.meta.url))]);
  await generator.ask();
  const load = (durationMs: number, perSec: number): Promise<Round> =>
    measure(generator, variant, {
      connections: CONNECTIONS,
      durationMs,
      rate: null,
      expectedRequests: (perSec * durationMs) / 1_000,
      core: 0,
    });
  const { requestsPerSec } = await load(WARM_UP_MS, 2_000);
  await variant.child.ask('begin');
  const before = cpuTimeUs(variant.child.pid);
  const { requests } = await load(MEASURE_MS, requestsPerSec);
  const after = cpuTimeUs(variant.child.pid);
  const { profile: found } = await variant.child.ask<{ profile: Profile }>('end');
  if (before === null || after === null) throw new Error('CPU time can only be had on Linux');
  print(found, (after - before) / requests, requests);
}

function print({ nodes, samples }: Profile, cpuUsPerRequest: number, requests: number): void {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, describe(callFrame)]));
  const counts = new Map<string, number>();
  let busy = 0;
  for (const sample of samples) {
    const what = names.get(sample) as string;
    if (what === '(idle)') continue;
    busy += 1;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  const rows = [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([what, count]) => ({ what, us: (count / busy) * cpuUsPerRequest }));
  const ours = rows.filter(({ what }) => what.includes(' src/'));
  const total = (list: typeof rows) => list.reduce((sum, { us }) => sum + us, 0);
  const table = (list: typeof rows) => list.slice(0, SHOWN).map(({ what, us }) => [what, us.toFixed(2)]);
  console.log(`${name}: ${requests} requests, ${cpuUsPerRequest.toFixed(1)} µs of CPU each, profiler included\n`);
  console.log(formatTable(['all functions', 'own µs'], table(rows)));
  console.log(`\n${formatTable([`of src/: ${total(ours).toFixed(1)} µs in all`, 'own µs'], table(ours))}`);
}

function describe({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  if (url === '') return functionName === '' ? '(native)' : functionName;
  const file = url.startsWith('file:') ? relative(ROOT, fileURLToPath(url)) : url;
  return `${functionName === '' ? '(anonymous)' : functionName} ${file}:${lineNumber + 1}`;
}
