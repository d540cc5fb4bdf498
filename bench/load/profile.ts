/**
 * Where the CPU time of a request goes: `npm run bench -- profile [relay|warm|service|cold]`; and with `--allocations`, where
 * its memory is allocated.
 *
 * Runs one variant as fast as it goes while V8 samples the gateway's main thread, and shows the functions with the most
 * self time, as microseconds per request. The CPU time of the process is divided among the samples, so the
 * figures add up to it; what other threads and the kernel do is in the function that asked for it. The profiler itself
 * costs a few per cent.
 *
 * Allocations are bytes of V8's heap per request, most of which are garbage when it ends. Unlike times, they hardly depend on
 * what else the machine is doing.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { RedisServer } from '../../test/support/redis.ts';
import { Children, pinSelf } from '../support/children.ts';
import { cpuTimeUs } from '../support/process-figures.ts';
import { formatTable } from '../support/table.ts';
import { measure, type Round } from './measure.ts';
import type { ProfileRequest } from './servers/profiler.ts';
import { SessionSeeder } from './sessions.ts';
import { startVariants } from './variants.ts';

interface CallFrame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

/** The profile of time that the inspector returns. */
interface TimeProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: CallFrame }[];
  readonly samples: readonly number[];
}

/** That of allocations: a tree of calls. */
interface AllocationNode {
  readonly callFrame: CallFrame;
  /** Bytes, estimated from the samples. */
  readonly selfSize: number;
  readonly children: readonly AllocationNode[];
}

const WARM_UP_MS = 4_000;
const MEASURE_MS = 5_000;
const CONNECTIONS = 64;
const SHOWN = 30;
const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: { allocations: { type: 'boolean', default: false } },
});
const [name = 'warm'] = positionals;
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
  const ask = <T>(request: ProfileRequest) => variant.child.ask<{ profile: T }>(request);
  if (flags.allocations) {
    await ask({ of: 'allocations', step: 'begin' });
    const { requests } = await load(MEASURE_MS, requestsPerSec);
    const { profile: found } = await ask<{ head: AllocationNode }>({ of: 'allocations', step: 'end' });
    return printAllocations(found.head, requests);
  }
  await ask({ of: 'time', step: 'begin' });
  const before = cpuTimeUs(variant.child.pid);
  const { requests } = await load(MEASURE_MS, requestsPerSec);
  const after = cpuTimeUs(variant.child.pid);
  const { profile: found } = await ask<TimeProfile>({ of: 'time', step: 'end' });
  if (before === null || after === null) throw new Error('CPU time can only be read on Linux');
  printTimes(found, (after - before) / requests, requests);
}

function printTimes({ nodes, samples }: TimeProfile, cpuUsPerRequest: number, requests: number): void {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, describe(callFrame)]));
  const counts = new Map<string, number>();
  let busy = 0;
  for (const sample of samples) {
    const what = names.get(sample) as string;
    if (what === '(idle)') continue;
    busy += 1;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
  console.log(`${name}: ${requests} requests, ${cpuUsPerRequest.toFixed(1)} µs of CPU each, profiler included\n`);
  printOwn(counts, cpuUsPerRequest / busy, 'µs', 2);
}

function printAllocations(head: AllocationNode, requests: number): void {
  const bytes = new Map<string, number>();
  let total = 0;
  const add = ({ callFrame, selfSize, children }: AllocationNode) => {
    const what = describe(callFrame);
    total += selfSize;
    bytes.set(what, (bytes.get(what) ?? 0) + selfSize);
    children.forEach(add);
  };
  add(head);
  console.log(`${name}: ${requests} requests, ${(total / requests).toFixed(0)} bytes allocated for each\n`);
  printOwn(bytes, 1 / requests, 'bytes', 0);
}

/** The functions with the most of their own, all and those of the gateway. @param scale  makes an amount one per request */
function printOwn(own: ReadonlyMap<string, number>, scale: number, unit: string, digits: number): void {
  const rows = [...own]
    .toSorted(([, a], [, b]) => b - a)
    .map(([what, amount]) => ({ what, perRequest: amount * scale }));
  const ours = rows.filter(({ what }) => what.includes(' src/'));
  const total = ours.reduce((sum, { perRequest }) => sum + perRequest, 0);
  const table = (list: typeof rows) =>
    list.slice(0, SHOWN).map(({ what, perRequest }) => [what, perRequest.toFixed(digits)]);
  console.log(formatTable(['all functions', `own ${unit}`], table(rows)));
  console.log(`\n${formatTable([`of src/: ${total.toFixed(digits)} ${unit} in all`, `own ${unit}`], table(ours))}`);
}

function describe({ functionName, url, lineNumber }: CallFrame): string {
  if (url === '') return functionName === '' ? '(native)' : functionName;
  const file = url.startsWith('file:') ? relative(ROOT, fileURLToPath(url)) : url;
  return `${functionName === '' ? '(anonymous)' : functionName} ${file}:${lineNumber + 1}`;
}
