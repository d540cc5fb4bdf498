/** The page of figures: the text between its marks comes from the reports, and everything else stays. */

import { expect, test } from 'vitest';
import { goalRows, isReached } from '../../bench/report/goals.ts';
import { filled } from '../../bench/report/page.ts';
import type { Reports } from '../../bench/report/reports.ts';
import type { ScenarioReport } from '../../bench/scenarios/run.ts';

const spread = (median: number) => ({ min: median - 1, median, max: median + 1 });

const tls: ScenarioReport = {
  ...{ kind: 'scenario', name: 'tls', title: 'TLS', date: '2026-11-29T00:00:00Z', command: '', commit: 'abc' },
  machine: { cpu: 'a processor', cores: 2, memoryGiB: 8, system: '', loadAverage: 0.5 },
  ...{ node: 'v26.10.0', undici: '8' },
  settings: { rounds: 3, roundMs: 700, warmUpMs: 1_000, isPinned: true, tookSec: 1 },
  figures: [{ title: 'warm request', by: 'nginx', value: spread(44), unit: 'CPU µs' }],
  goals: [
    { title: 'is low enough', value: spread(3), atMost: 3, unit: '×' },
    { title: 'is too high', value: spread(3.1), atMost: 3, unit: '×' },
    { title: 'is too low', value: spread(5.9), atLeast: 6, unit: '×' },
    { title: 'has no goal', value: spread(9), unit: '×' },
  ],
  notes: ['A note.'],
};
const reports: Reports = { load: null, peers: null, scenarios: new Map([['tls', tls]]) };
const plotted = () => Promise.resolve('a plot\n');
const page = (name: string) => `before\n<!-- figures: ${name} -->\nold\n<!-- end -->\nafter\n`;

test('figures, with machine, load and commit, replace only the text between the marks', async () => {
  const text = await filled(page('tls'), reports, plotted);
  expect(text).toMatch(/^before\n<!-- figures: tls -->\n/);
  expect(text).toMatch(/<!-- end -->\nafter\n$/);
  expect(text).not.toContain('old');
  expect(text).toContain('a processor, 2 cores, load average before 0.5, Node 26.10.0, commit abc');
  expect(text).toContain('| warm request | nginx | 44.0 | 43.0–45.0 | CPU µs |');
});

test('filling a page a second time changes nothing', async () => {
  const first = await filled(page('tls'), reports, plotted);
  expect(await filled(first, reports, plotted)).toBe(first);
});

test('the page says which figures are not measured yet', async () => {
  expect(await filled(page('peers'), reports, plotted)).toContain('Not measured yet.');
});

test('a mark without an end is refused, as it would lose the rest of the page', async () => {
  await expect(filled('<!-- figures: tls -->\nrest', reports, plotted)).rejects.toThrow('tls have no end');
});

test('the table of goals shows each goal, whether it is reached, and the obstacle if not', () => {
  const rows = goalRows(reports);
  expect(rows.map((row) => [row.title, isReached(row), row.obstacle])).toEqual([
    ['is low enough', true, ''],
    ['is too high', false, 'Not known yet.'],
    ['is too low', false, 'Not known yet.'],
  ]);
});
