/** The reports in `bench/results/` that the page is made of. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LoadReport } from '../load/report.ts';
import type { PeersReport } from '../peers/report.ts';
import { SCENARIOS, type ScenarioReport } from '../scenarios/run.ts';

export interface Reports {
  readonly load: LoadReport | null;
  readonly peers: PeersReport | null;
  /** By name, in the order of the page. */
  readonly scenarios: ReadonlyMap<string, ScenarioReport>;
}

/** Reads what is there. */
export function readReports(directory: string): Reports {
  const read = <T>(name: string): T | null => {
    const file = join(directory, `${name}.json`);
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : null;
  };
  const found = SCENARIOS.map(({ name }) => [name, read<ScenarioReport>(`scenario-${name}`)] as const);
  const scenarios = new Map(found.flatMap(([name, report]) => (report === null ? [] : [[name, report] as const])));
  return { load: read<LoadReport>('reference'), peers: read<PeersReport>('peers'), scenarios };
}
