/** Compares the two sides of a change by the reports of alternating runs: base, head, base, head, … */

import { spreadOf } from '../support/statistics.ts';
import type { LoadReport } from './report.ts';

/** A Markdown table of the CPU time of each variant on both sides, and of how much it changed. */
export function comparison(base: readonly LoadReport[], head: readonly LoadReport[]): string {
  const names = new Map(head.flatMap(({ atMaximum }) => atMaximum.map(({ variant, title }) => [variant, title])));
  const rows = [...names].flatMap(([variant, title]) => {
    const [before, after] = [timesRelayOf(base, variant), timesRelayOf(head, variant)];
    if (before.length === 0 || after.length === 0) return [];
    const [was, is] = [spreadOf(before), spreadOf(after)];
    const spread = ({ min, max }: typeof was) => `${min.toFixed(2)}–${max.toFixed(2)}`;
    return [
      `| ${title} | ${was.median.toFixed(2)} (${spread(was)}) | ${is.median.toFixed(2)} (${spread(is)}) | ${(is.median / was.median).toFixed(2)} |`,
    ];
  });
  return [
    'CPU time per request as a multiple of the bare relay in the same run: median (lowest–highest).',
    '',
    `| | base, ${base.length} runs | head, ${head.length} runs | head ÷ base |`,
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

const timesRelayOf = (reports: readonly LoadReport[], name: string) =>
  reports.flatMap(({ atMaximum }) =>
    atMaximum.flatMap(({ variant, timesRelay }) =>
      variant === name && timesRelay !== null ? [timesRelay.median] : [],
    ),
  );
