import { describe, expect, test } from 'vitest';
import { ReloadSeries } from '../../../src/process/series.ts';
import { MetricsMerger } from '../../../src/process/workers/merge-metrics.ts';
import { MetricRegistry, type MetricsSnapshot } from '../../../src/telemetry/registry.ts';

/** What one process counts: some of every kind of metric. */
const counting = (amount: number): Promise<MetricsSnapshot> => {
  const registry = new MetricRegistry();
  registry.counter('sessions_opened_total', '-', { method: ['password'] }).inc({ method: 'password' }, amount);
  registry.hotHistogram('overhead_seconds', '-', [0.001, 0.0025], ['route']).child({ route: 'app' }).observeMs(amount);
  registry.readGauge('open_connections', '-', {}).readFrom(async () => amount);
  registry.gauge('store_up', '-', {}, 'min').set(amount === 1 ? 0 : 1);
  registry.readGauge('signing_key_age_seconds', '-', {}, 'max').readFrom(() => amount * 100);
  new ReloadSeries(registry).reloads.inc({ result: 'applied' }, 50);
  return registry.snapshot();
};
/** What the primary counts. */
const reloaded = (times: number): Promise<MetricsSnapshot> => {
  const registry = new MetricRegistry();
  new ReloadSeries(registry).reloads.inc({ result: 'applied' }, times);
  return registry.snapshot();
};
const OPENED = 'sallyport_sessions_opened_total{method="password"}';

async function value(
  merger: MetricsMerger,
  primary: MetricsSnapshot,
  workers: [number, MetricsSnapshot][],
  name: string,
) {
  const text = await merger.merge(primary, new Map(workers)).metrics();
  const found = text.split('\n').filter((line) => line.startsWith(`${name} `));
  expect(found).toHaveLength(1);
  return Number(found[0]?.split(' ').at(-1));
}

describe('metrics of several processes', () => {
  test('a scrape while workers are retired counts each of them exactly once', async () => {
    const merger = new MetricsMerger();
    const primary = await reloaded(0);
    const opened = (workers: [number, MetricsSnapshot][]) => value(merger, primary, workers, OPENED);
    const all: [number, MetricsSnapshot][] = [];
    for (const worker of [1, 2, 3]) all.push([worker, await counting(worker)]);
    expect(await opened(all)).toBe(6);
    const retired = Promise.all([merger.retire(1), merger.retire(2)]);
    expect(await opened(all.slice(2))).toBe(6);
    await retired;
    expect(await opened(all.slice(2))).toBe(6);
  });

  test('counters and histograms are added up, gauges as each of them means it', async () => {
    const primary = await reloaded(3);
    const workers: [number, MetricsSnapshot][] = [
      [1, await counting(1)],
      [2, await counting(2)],
    ];
    const of = (name: string) => value(new MetricsMerger(), primary, workers, name);
    expect(await of(OPENED)).toBe(3);
    expect(await of('sallyport_overhead_seconds_count{route="app"}')).toBe(2);
    expect(await of('sallyport_overhead_seconds_sum{route="app"}')).toBeCloseTo(0.003);
    expect(await of('sallyport_overhead_seconds_bucket{route="app",le="0.001"}')).toBe(1);
    expect(await of('sallyport_overhead_seconds_bucket{route="app",le="+Inf"}')).toBe(2);
    expect(await of('sallyport_open_connections')).toBe(3);
    expect(await of('sallyport_store_up')).toBe(0);
    expect(await of('sallyport_signing_key_age_seconds')).toBe(200);
    // About the gateway as a whole: the primary alone.
    expect(await of('sallyport_config_reloads_total{result="applied"}')).toBe(3);
  });

  test('a total never goes down: not when a worker is silent, nor when it ends, nor when another takes its place', async () => {
    const merger = new MetricsMerger();
    const primary = await reloaded(0);
    const opened = (workers: [number, MetricsSnapshot][]) => value(merger, primary, workers, OPENED);
    expect(
      await opened([
        [1, await counting(10)],
        [2, await counting(5)],
      ]),
    ).toBe(15);
    expect(await opened([[2, await counting(6)]])).toBe(16);
    await merger.retire(1);
    expect(await opened([[2, await counting(6)]])).toBe(16);
    expect(
      await opened([
        [1, await counting(1)],
        [2, await counting(6)],
      ]),
    ).toBe(17);
    await merger.retire(1);
    await merger.retire(2);
    expect(await opened([[1, await counting(2)]])).toBe(19);
    expect(
      await value(merger, primary, [[1, await counting(2)]], 'sallyport_overhead_seconds_count{route="app"}'),
    ).toBe(4);
    expect(await value(merger, primary, [[1, await counting(2)]], 'sallyport_open_connections')).toBe(2);
  });
});
