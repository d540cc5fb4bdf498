/**
 * `npm run bench -- scenarios`: what an edge does beside small GETs. Each scenario writes a report of its own, so that one can be run
 * again alone.
 */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { canPin, pinSelf } from '../support/children.ts';
import { provenance } from '../support/machine.ts';
import type { Spread } from '../support/statistics.ts';
import { formatTable } from '../support/table.ts';
import { bodies } from './bodies.ts';
import { fanOut } from './fan-out.ts';
import { held } from './held.ts';
import { latency } from './latency.ts';
import { logins } from './logins.ts';
import { type Found, OTHER_CORE, type Scenario, Stage } from './scenario.ts';
import { sessions } from './sessions.ts';
import { tail } from './tail.ts';
import { tls } from './tls.ts';
import { tokens } from './tokens.ts';
import { tunnels } from './tunnels.ts';
import { connections, routes, telemetry, traces, workers } from './warm-path.ts';

/** In the order of the page. */
export const SCENARIOS: readonly Scenario[] = [
  latency,
  tail,
  telemetry,
  traces,
  sessions,
  routes,
  connections,
  workers,
  bodies,
  tls,
  tunnels,
  held,
  tokens,
  logins,
  fanOut,
];

export type ScenarioReport = ReturnType<typeof provenance> &
  Found & {
    readonly kind: 'scenario';
    readonly name: string;
    readonly title: string;
    readonly settings: Stage['turns'] & { readonly isPinned: boolean; readonly tookSec: number };
  };

/**
 * Runs some scenarios.
 *
 * @param fileOf  where the report of each goes, by name
 * @returns the names of those that failed, for whom the previous report stays
 */
export async function runScenarios(
  chosen: readonly Scenario[],
  isQuick: boolean,
  fileOf: (name: string) => string,
): Promise<readonly string[]> {
  const isPinned = canPin && availableParallelism() > OTHER_CORE;
  if (isPinned) pinSelf(OTHER_CORE);
  const failed: string[] = [];
  for (const scenario of chosen) {
    console.error(`scenario: ${scenario.name}`);
    try {
      const report = await runOne(scenario, isQuick, isPinned);
      const file = fileOf(scenario.name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, `${JSON.stringify(report, null, 2)}\n`);
      print(report);
    } catch (error) {
      console.error(`scenario ${scenario.name} failed:`, error);
      failed.push(scenario.name);
    }
  }
  return failed;
}

async function runOne({ name, title, run }: Scenario, isQuick: boolean, isPinned: boolean): Promise<ScenarioReport> {
  const measured = provenance();
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-bench-'));
  const startedMs = performance.now();
  try {
    await using stage = await Stage.open(directory, isQuick);
    const found = await run(stage);
    const tookSec = Math.round((performance.now() - startedMs) / 1_000);
    return { kind: 'scenario', name, title, ...measured, settings: { ...stage.turns, isPinned, tookSec }, ...found };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function print({ title, machine, commit, settings, figures, goals, notes }: ScenarioReport): void {
  console.log(
    `\n${title} · ${machine.cpu} · load ${machine.loadAverage?.toFixed(1)} · commit ${commit} · ${settings.tookSec} s`,
  );
  console.log(
    formatTable(
      ['', 'by', 'median', 'min–max', ''],
      figures.map(({ title, by, value, unit }) => [title, by, shown(value.median), rangeOf(value), unit]),
    ),
  );
  if (goals.length > 0) {
    const rows = goals.map(({ title, value, unit, atMost, atLeast }) => {
      const goal = atMost !== undefined ? `at most ${atMost}` : atLeast !== undefined ? `at least ${atLeast}` : '';
      return [title, `${shown(value.median)} ${unit}`, rangeOf(value), goal];
    });
    console.log(`\n${formatTable(['ratio', 'median', 'min–max', 'goal'], rows)}`);
  }
  for (const note of notes) console.log(note);
}

const rangeOf = ({ min, max }: Spread) => (min === max ? '' : `${shown(min)}–${shown(max)}`);

/** Three digits that count. */
const shown = (value: number) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));
