import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ReloadSeries } from '../../../src/process/series.ts';
import { MetricsMerger, ProcessMetrics, someMetrics } from '../../../src/process/workers/merge-metrics.ts';
import { MetricRegistry } from '../../../src/telemetry/registry.ts';

/** The metrics of one process: some of every kind. */
const counting = (amount: number): Promise<ProcessMetrics> => {
  const registry = new MetricRegistry();
  registry.counter('sessions_opened_total', '-', { method: ['password'] }).inc({ method: 'password' }, amount);
  registry.hotHistogram('overhead_seconds', '-', [0.001, 0.0025], ['route']).child({ route: 'app' }).observeMs(amount);
  registry.readGauge('open_connections', '-', {}).readFrom(async () => amount);
  registry.gauge('store_up', '-', {}, 'min').set(amount === 1 ? 0 : 1);
  registry.readGauge('signing_key_age_seconds', '-', {}, 'max').readFrom(() => amount * 100);
  new ReloadSeries(registry).reloads.inc({ result: 'applied' }, 50);
  return ProcessMetrics.of(registry.parts());
};
/** The metrics of the primary. */
const reloaded = (times: number): Promise<ProcessMetrics> => {
  const registry = new MetricRegistry();
  new ReloadSeries(registry).reloads.inc({ result: 'applied' }, times);
  return ProcessMetrics.of(registry.parts());
};
const OPENED = 'sallyport_sessions_opened_total{method="password"}';

async function textOf(blocks: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const block of blocks) text += block;
  return text;
}

async function value(
  merger: MetricsMerger,
  primary: ProcessMetrics,
  workers: [number, ProcessMetrics][],
  name: string,
) {
  const text = await textOf(merger.merge(primary, new Map(workers)));
  const found = text.split('\n').filter((line) => line.startsWith(`${name} `));
  expect(found).toHaveLength(1);
  return Number(found[0]?.split(' ').at(-1));
}

test('a worker hands over many series in small parts, and loses none', async () => {
  const registry = new MetricRegistry();
  const requests = registry.hotCounter('requests_total', '-', ['route']);
  for (let route = 0; route < 3_000; route += 1) requests.child({ route: `route-${route}` }).inc();
  registry.counter('sessions_opened_total', '-').inc();
  const scrape = registry.parts();
  const sizes: number[] = [];
  for (let areLast = false; !areLast; ) {
    const answer = await someMetrics(scrape);
    areLast = answer.areLast;
    sizes.push(answer.parts.reduce((sum, { series }) => sum + series.length, 0));
  }
  expect(Math.max(...sizes)).toBeLessThan(1_024);
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3_001);
});

describe('metrics of several processes', () => {
  test('a scrape while workers are retired counts each of them exactly once', async () => {
    const merger = new MetricsMerger();
    const primary = await reloaded(0);
    const opened = (workers: [number, ProcessMetrics][]) => value(merger, primary, workers, OPENED);
    const all: [number, ProcessMetrics][] = [];
    for (const worker of [1, 2, 3]) all.push([worker, await counting(worker)]);
    expect(await opened(all)).toBe(6);
    const retired = Promise.all([merger.retire(1), merger.retire(2)]);
    expect(await opened(all.slice(2))).toBe(6);
    await retired;
    expect(await opened(all.slice(2))).toBe(6);
  });

  test('counters and histograms are added up; each gauge is merged by its own rule', async () => {
    const primary = await reloaded(3);
    const workers: [number, ProcessMetrics][] = [
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
    // Metrics of the gateway as a whole come from the primary alone.
    expect(await of('sallyport_config_reloads_total{result="applied"}')).toBe(3);
  });

  test('a total never decreases, whether a worker is silent, exits or is replaced', async () => {
    const merger = new MetricsMerger();
    const primary = await reloaded(0);
    const opened = (workers: [number, ProcessMetrics][]) => value(merger, primary, workers, OPENED);
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

  test('the metrics of a single worker are written as it would write them', async () => {
    const registry = new MetricRegistry();
    registry.counter('odd_total', 'With "quotes"', { label: ['a"b\\c\nd'] }).inc({ label: 'a"b\\c\nd' }, 1.5);
    registry.histogram('rare_seconds', '-', [0.1, 1], { kind: ['x'] }).observe({ kind: 'x' }, 0.5);
    registry.hotHistogram('often_seconds', '-', [0.001, 0.0025], ['route']).child({ route: 'app' }).observeMs(2);
    registry.hotHistogram('plain_seconds', '-', [0.001], []).child({}).observeMs(2);
    registry.readGauge('unknown', '-', {}).readFrom(() => Number.NaN);
    registry.gauge('endless', '-').set(Number.POSITIVE_INFINITY);
    const worker = await ProcessMetrics.of(registry.parts());
    const text = await textOf(new MetricsMerger().merge(await reloaded(0), new Map([[1, worker]])));
    expect(text.replaceAll(/^.*sallyport_config_.*\n/gm, '')).toBe(await registry.text());
  });

  test('R10: many series are merged in slices that let the event loop run', async () => {
    const many = (amount: number) => {
      const registry = new MetricRegistry();
      const family = registry.hotHistogram('overhead_seconds', '-', [0.001, 0.0025, 0.005, 0.01], ['route']);
      for (let route = 0; route < 30_000; route += 1) family.child({ route: `route-${route}` }).observeMs(amount);
      return registry;
    };
    const [families, primary] = [many(1), await reloaded(0)];
    // A clock that moves by a millisecond each time it is read, so that no machine is too fast for several slices.
    let nowMs = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => {
      nowMs += 1;
      return nowMs;
    });
    onTestFinished(() => void vi.restoreAllMocks());
    let turns = 0;
    let isOver = false;
    const turn = () => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    const worker = await ProcessMetrics.of(families.parts());
    const [read, merger] = [turns, new MetricsMerger()];
    const text = await textOf(merger.merge(primary, new Map([[1, worker]])));
    const merged = turns;
    await merger.retire(1);
    isOver = true;
    expect(text).toContain('sallyport_overhead_seconds_count{route="route-29999"} 1\n');
    // 59 parts of 512 series: the clock is read after each, and a slice takes five of them.
    expect(read).toBeGreaterThan(5);
    expect(merged - read).toBeGreaterThan(5);
    expect(turns - merged).toBeGreaterThan(5);
    for await (const { series } of many(1).parts()) expect(series.length).toBeLessThanOrEqual(512);
  });
});
