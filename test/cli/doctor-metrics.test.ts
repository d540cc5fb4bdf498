/** The counters that `sallyport doctor` judges exist in a gateway. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { metricFindings } from '../../src/cli/doctor/metric-checks.ts';
import type { Observation } from '../../src/cli/doctor/observe.ts';
import { startInstance, type TestInstance } from '../support/instance.ts';

let instance: TestInstance;
let metrics: string;
beforeAll(async () => {
  instance = await startInstance();
  // The log's own counters, which openDependencies registers in a process.
  const lost = ['stdout', 'audit_file']
    .map((output) => `sallyport_log_lines_lost_total{output="${output}"} 0\n`)
    .join('');
  metrics = `${await (await instance.admin('/metrics')).text()}\n${lost}`;
});
afterAll(() => instance[Symbol.asyncDispose]());

const found = (text: string | null) =>
  metricFindings({ gateway: { metrics: text, silence: null } } as Observation).map(
    ({ verdict, about, text: said }) => `${verdict} ${about}: ${said}`,
  );

test('all counters are zero at the start', () => {
  expect(found(metrics)).toEqual(['ok limits: since the start, none was reached, and no log line was lost']);
});

test.each([
  ['log_lines_lost_total{output="audit_file"}', 'failure audit: audit records lost: 1,234'],
  ['log_lines_lost_total{output="stdout"}', 'failure log: lines of the log lost: 1,234'],
  [
    'connections_refused_total{reason="limit"}',
    'warning limits: connections refused because too many were open: 1,234',
  ],
  [
    'connections_refused_total{reason="client"}',
    'warning limits: connections refused because one client had too many: 1,234',
  ],
  [
    'requests_over_limit_total{limit="session"}',
    'warning limits: requests refused because a client, a session or a route had too many in progress: 1,234',
  ],
  ['requests_shed_total{when="early"}', 'warning limits: requests refused because the process was overloaded: 1,234'],
  ['store_errors_total{reason="timeout"}', 'warning store: commands to the store that failed: 1,234'],
  ['workers_restarts_total', 'failure workers: workers that exited and were restarted: 1,234'],
  [
    'token_revocations_forgotten_total',
    'failure revocations: revocations dropped before their end, because there were too many: 1,234',
  ],
  ['config_watch_errors_total', 'warning reload: failures to watch a file: 1,234'],
])('%s above zero is reported', (series, line) => {
  const zero = `\nsallyport_${series} 0\n`;
  expect(metrics).toContain(zero);
  expect(found(metrics.replace(zero, `\nsallyport_${series} 1234\n`))).toEqual([line]);
});

test('series of the same metric are summed, without those of a metric with a longer name', () => {
  const text =
    '\nsallyport_store_errors_total{reason="timeout"} 2\nsallyport_store_errors_total{reason="reply"} 3\nsallyport_store_errors_total_x 9\n';
  expect(found(text)).toEqual(['warning store: commands to the store that failed: 5']);
});

test('metrics that could not be read are reported', () => {
  expect(found(null)).toEqual(['warning metrics: could not be read']);
});
