/**
 * Compares ways to do a small thing: nanoseconds and bytes for each.
 *
 * Each way runs in its own process, so that one does not affect how the compiler optimises the other, and they
 * take turns, in alternating order, because the speed of the machine changes from one second to the next.
 */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { spreadOf } from '../support/statistics.ts';
import { formatTable } from '../support/table.ts';

export interface Way {
  readonly name: string;
  /** Does it once; a promise is awaited. The result is kept, so that the compiler cannot drop the work. */
  readonly once: () => unknown;
}

const TURNS = 5;
const WARM_UP_MS = 300;
const MEASURE_MS = 300;

/**
 * Prints the cost of each way. The first is the one that the code does not use; ratios refer to it.
 *
 * @param file  `import.meta.url` of the benchmark, which runs again for each way
 */
export function compare(file: string, title: string, ways: readonly Way[]): void {
  const [, , flag, chosen] = process.argv;
  if (flag === '--way') {
    const way = ways.find(({ name }) => `${title}: ${name}` === chosen);
    if (way !== undefined) void measure(way).then((nanoseconds) => console.log(nanoseconds));
    return;
  }
  const nanoseconds = new Map<Way, number[]>(ways.map((way) => [way, []]));
  for (let turn = 0; turn < TURNS; turn++) {
    for (const way of turn % 2 === 0 ? ways : ways.toReversed()) {
      nanoseconds.get(way)?.push(inOwnProcess(file, `${title}: ${way.name}`));
    }
  }
  const results = ways.map((way) => ({ name: way.name, spread: spreadOf(nanoseconds.get(way) ?? []) }));
  const first = results[0]?.spread.min ?? Number.NaN;
  const rows = results.map(({ name, spread }) => [
    name,
    spread.min.toFixed(1),
    spread.median.toFixed(1),
    `${(spread.min / first).toFixed(2)} ×`,
  ]);
  console.log(`${formatTable([title, 'ns, least', 'median', ''], rows)}\n`);
}

function inOwnProcess(file: string, way: string): number {
  const { stdout, status } = spawnSync(process.execPath, [fileURLToPath(file), '--way', way], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${way} ended with code ${status}`);
  return Number(stdout);
}

/** Keeps results alive. */
let sink: unknown;

async function measure({ once }: Way): Promise<number> {
  const runFor = once() instanceof Promise ? runWaiting : run;
  await runFor(once, WARM_UP_MS);
  const { count, elapsedMs } = await runFor(once, MEASURE_MS);
  if (sink === measure) throw new Error('unreachable');
  return (elapsedMs * 1e6) / count;
}

function run(once: () => unknown, durationMs: number): { count: number; elapsedMs: number } {
  const startedMs = performance.now();
  let count = 0;
  for (;;) {
    for (let index = 0; index < 1_000; index++) sink = once();
    count += 1_000;
    const elapsedMs = performance.now() - startedMs;
    if (elapsedMs >= durationMs) return { count, elapsedMs };
  }
}

async function runWaiting(once: () => unknown, durationMs: number): Promise<{ count: number; elapsedMs: number }> {
  const startedMs = performance.now();
  for (let count = 1; ; count++) {
    sink = await once();
    const elapsedMs = performance.now() - startedMs;
    if (elapsedMs >= durationMs) return { count, elapsedMs };
  }
}
