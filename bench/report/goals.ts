/** The figures to reach: what is reached, and what stands in the way. */

import type { LoadReport } from '../load/report.ts';
import type { VariantName } from '../load/variants.ts';
import type { PeersReport } from '../peers/report.ts';
import type { Goal } from '../scenarios/scenario.ts';
import type { Spread } from '../support/statistics.ts';
import { obstacleOf } from './obstacles.ts';
import type { Reports } from './reports.ts';

/** One row of the table. */
export interface GoalRow extends Goal {
  /** The report that it is from. */
  readonly from: string;
  /** Empty where it is reached. */
  readonly obstacle: string;
}

/** Whether the median is within the goal. */
export const isReached = ({ value, atMost, atLeast }: Goal): boolean =>
  (atMost === undefined || value.median <= atMost) && (atLeast === undefined || value.median >= atLeast);

/** All goals whose reports are there. */
export function goalRows({ load, peers, scenarios }: Reports): GoalRow[] {
  const rows: (Goal & { readonly from: string })[] = [];
  if (load !== null) rows.push(...ofLoad(load).map((goal) => ({ ...goal, from: 'reference' })));
  if (peers !== null) rows.push(...ofPeers(peers).map((goal) => ({ ...goal, from: 'peers' })));
  for (const { name, goals } of scenarios.values()) {
    const bound = goals.filter(({ atMost, atLeast }) => atMost !== undefined || atLeast !== undefined);
    rows.push(...bound.map((goal) => ({ ...goal, from: `scenario-${name}` })));
  }
  return rows.map((row) => ({ ...row, obstacle: isReached(row) ? '' : obstacleOf(row.title) }));
}

function ofLoad({ atMaximum }: LoadReport): Goal[] {
  const of = (name: VariantName): Spread | null =>
    atMaximum.find(({ variant }) => variant === name)?.timesRelay ?? null;
  const goal = (title: string, value: Spread | null, atMost: number): Goal[] =>
    value === null ? [] : [{ title, value, atMost, unit: '×' }];
  return [
    ...goal('warm session ÷ bare relay', of('warm'), 1.15),
    ...goal('service token not seen before ÷ bare relay', of('service-cold'), 4),
  ];
}

function ofPeers({ peers }: PeersReport): Goal[] {
  const of = (wanted: string) => peers.find(({ name }) => name === wanted)?.timesSallyport ?? null;
  const [nginx, oauth2Proxy, heimdall] = [of('nginx'), of('oauth2-proxy'), of('heimdall')];
  const turned = ({ min, median, max }: Spread): Spread => ({ min: 1 / max, median: 1 / median, max: 1 / min });
  return [
    ...(nginx === null
      ? []
      : [{ title: 'warm session ÷ nginx, which checks nothing', value: turned(nginx), atMost: 2.5, unit: '×' }]),
    ...(oauth2Proxy === null
      ? []
      : [{ title: 'oauth2-proxy ÷ warm session', value: oauth2Proxy, atLeast: 6, unit: '×' }]),
    ...(heimdall === null ? [] : [{ title: 'Heimdall ÷ service token', value: heimdall, atLeast: 9, unit: '×' }]),
  ];
}
