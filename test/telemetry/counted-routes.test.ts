/** Series of routes across reloads, and their text format. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GONE_AFTER_MS } from '../../src/telemetry/counted-routes.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { TestClocks } from '../support/clocks.ts';
import { HOST, parseTestConfig, startGateway, type TestGateway } from '../support/gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const routes = (...ids: string[]) => ids.map((id) => ({ id, match: { path: `/${id}` }, credential: 'none' }));
const get = (gateway: TestGateway, id: string) => rawRequest(gateway.port, requestHead('GET', `/${id}`, [HOST]));

async function seriesWith(gateway: TestGateway, text: string): Promise<string[]> {
  return (await gateway.metrics.text()).split('\n').filter((line) => line.includes(text));
}
const countOf = async (gateway: TestGateway, id: string) =>
  (await seriesWith(gateway, `requests_total{route="${id}",method="GET",code_class="2xx"}`))[0]?.split(' ')[1];

test('R10: series of a removed route are dropped after a quarter of an hour', async () => {
  const clocks = new TestClocks();
  await using upstream = await RecordingUpstream.start();
  const options = { upstream: upstream.origin, clocks };
  await using gateway = await startGateway({ ...options, routes: routes('kept', 'gone') });
  await get(gateway, 'gone');
  await get(gateway, 'kept');
  await gateway.apply(parseTestConfig({ ...options, routes: routes('kept', 'new') }));
  clocks.advance(GONE_AFTER_MS - 1);
  expect(await countOf(gateway, 'gone')).toBe('1');
  clocks.advance(1);
  expect(await seriesWith(gateway, '"gone"')).toEqual([]);
  expect(await countOf(gateway, 'kept')).toBe('1');
  expect(await countOf(gateway, 'new')).toBe('0');
});

test('R10: series of an upstream that no route uses any more are dropped, too', async () => {
  const clocks = new TestClocks();
  const config = {
    upstreams: { one: { endpoints: ['http://127.0.0.1:9'] }, other: { endpoints: ['http://127.0.0.1:9'] } },
  };
  const on = (upstream: string) => ({ clocks, config, routes: [{ ...routes('app')[0], upstream }] });
  await using gateway = await startGateway(on('one'));
  await gateway.apply(parseTestConfig(on('other')));
  const durations = 'upstream_request_duration_seconds_count{upstream="one"';
  expect(await seriesWith(gateway, durations)).toHaveLength(5);
  clocks.advance(GONE_AFTER_MS);
  expect(await seriesWith(gateway, durations)).toEqual([]);
  expect(await seriesWith(gateway, durations.replace('one', 'other'))).toHaveLength(5);
});

test('R10: a route that returns before that continues its counts', async () => {
  const clocks = new TestClocks();
  await using upstream = await RecordingUpstream.start();
  const options = { upstream: upstream.origin, clocks };
  await using gateway = await startGateway({ ...options, routes: routes('app') });
  await get(gateway, 'app');
  await gateway.apply(parseTestConfig({ ...options, routes: routes('other') }));
  clocks.advance(GONE_AFTER_MS - 1);
  await gateway.apply(parseTestConfig({ ...options, routes: routes('app') }));
  clocks.advance(GONE_AFTER_MS);
  await get(gateway, 'app');
  expect(await countOf(gateway, 'app')).toBe('2');
});

test('R10: a route with a request in progress keeps its series', async () => {
  const clocks = new TestClocks();
  await using upstream = await RecordingUpstream.start(() => {});
  const options = { upstream: upstream.origin, clocks };
  await using gateway = await startGateway({ ...options, routes: routes('app') });
  await using client = await RawConnection.open(gateway.port);
  client.write(requestHead('GET', '/app', [HOST]));
  await upstream.received(1);
  await gateway.apply(parseTestConfig({ ...options, routes: routes('other') }));
  clocks.advance(GONE_AFTER_MS);
  expect(await seriesWith(gateway, 'requests_in_flight{route="app"} 1')).toHaveLength(1);
});

test('R10: renaming routes repeatedly does not accumulate series', async () => {
  const clocks = new TestClocks();
  await using gateway = await startGateway({ clocks, routes: routes('r0') });
  const before = (await gateway.metrics.text()).split('\n').length;
  for (let count = 1; count < 30; count += 1) {
    await gateway.apply(parseTestConfig({ clocks, routes: routes(`r${count}`) }));
    clocks.advance(GONE_AFTER_MS);
  }
  expect((await gateway.metrics.text()).split('\n').length).toBe(before);
});

test('R10: the text written in blocks equals that of prom-client', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: 'binary' }), { maxLength: 5 }), fc.nat(), async (values, count) => {
      const registry = new MetricRegistry();
      const counter = registry.hotCounter('balls_total', 'Balls.', ['colour']);
      const histogram = registry.hotHistogram('weight', 'Weight.', [0.001, 1], ['colour']);
      for (const colour of values) {
        counter.child({ colour }).inc(count);
        histogram.child({ colour }).observeMs(count);
      }
      histogram.child({}).observeMs(0.5);
      const lines = (text: string) =>
        text
          .split('\n')
          .filter((line) => line !== '')
          .toSorted();
      expect(lines(await registry.text())).toEqual(lines(await registry.prometheus.metrics()));
    }),
    { numRuns: 30 },
  );
});
