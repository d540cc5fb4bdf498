/** What is there to be scraped, and what is not. */

import { describe, expect, test } from 'vitest';
import { REASONS } from '../../src/errors.ts';
import { Metrics, RouteMetrics } from '../../src/observability/metrics.ts';
import { HOST, startGateway } from '../support/gateway.ts';
import { RawConnection, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

const seriesOf = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
const DECISIONS = 'sallyport_auth_decisions_total';
const routes = [{ id: 'app', match: { path: '/' }, credential: 'none' }];

describe('what is refused', () => {
  test('has a series on a route from the start when it can occur there, and only then', async () => {
    const metrics = new Metrics('test');
    new RouteMetrics(metrics, 'app', 'upstream');
    new RouteMetrics(metrics, '_gateway', null);
    const text = await metrics.text();
    const reasonsOn = (route: string) =>
      seriesOf(text, DECISIONS).flatMap((line) =>
        line.includes(`route="${route}"`) ? [/reason="(\w+)"/.exec(line)?.[1] ?? ''] : [],
      );
    expect(reasonsOn('app')).toEqual(expect.arrayContaining(['credential_missing', 'upstream_timeout', 'user', 'bug']));
    expect(reasonsOn('app')).not.toContain('login_failed');
    expect(reasonsOn('app').length).toBeLessThan(Object.keys(REASONS).length / 1.5);
    expect(reasonsOn('_gateway')).toEqual(expect.arrayContaining(Object.keys(REASONS)));
  });

  test('is counted also where it was not to be expected', async () => {
    const metrics = new Metrics('test');
    const route = new RouteMetrics(metrics, 'app', 'upstream');
    route.refused('login_failed');
    route.refused('login_failed');
    expect(await metrics.text()).toContain(`${DECISIONS}{route="app",outcome="deny",reason="login_failed"} 2\n`);
  });
});

test('every metric has a series from the start, but those of what is not configured', async () => {
  await using gateway = await startGateway({ routes });
  await gateway.gateway.collect();
  const text = await gateway.metrics.text();
  const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) =>
    type === 'histogram' ? `${name}_count` : type === 'summary' ? `${name}_count` : name,
  );
  const empty = names.filter((name) => seriesOf(text, name).length === 0);
  expect(empty).toEqual(
    expect.not.arrayContaining(['sallyport_nodejs_active_requests', 'sallyport_nodejs_eventloop_utilization_ratio']),
  );
  // Redis, TLS, issuers, workers and destinations that this gateway does not have.
  const NOT_CONFIGURED =
    /_(?:store_command_duration|tls_certificate|jwks_|service_tokens_|workers_|destination_|config_)/;
  expect(empty.filter((name) => !NOT_CONFIGURED.test(name))).toEqual([]);
});

test.each(['minor', 'major', 'incremental', 'weakcb'])(
  'garbage collection has a series before the first one: %s',
  async (kind) => {
    const text = await new Metrics('test').text();
    expect(text).toMatch(new RegExp(`^sallyport_nodejs_gc_duration_seconds_count\\{kind="${kind}"\\} \\d+$`, 'm'));
  },
);

test('the part of the time in which the event loop is busy is a number between 0 and 1', async () => {
  const metrics = new Metrics('test');
  const [line = ''] = seriesOf(await metrics.text(), 'sallyport_nodejs_eventloop_utilization_ratio');
  const value = Number(line.split(' ')[1]);
  expect(value).toBeGreaterThanOrEqual(0);
  expect(value).toBeLessThanOrEqual(1);
});

test('connections to an upstream are counted as busy or idle', async () => {
  const held: (() => void)[] = [];
  await using upstream = await RecordingUpstream.start((_request, socket) => {
    held.push(() => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
  });
  await using gateway = await startGateway({ upstream: upstream.origin, routes });
  const connections = async () => {
    await gateway.gateway.collect();
    return seriesOf(await gateway.metrics.text(), 'sallyport_upstream_connections').sort();
  };
  const expected = (busy: number, idle: number) => [
    `sallyport_upstream_connections{upstream="app",state="busy"} ${busy}`,
    `sallyport_upstream_connections{upstream="app",state="idle"} ${idle}`,
  ];
  expect(await connections()).toEqual(expected(0, 0));
  await using client = await RawConnection.open(gateway.port);
  client.write(requestHead('GET', '/', [HOST]));
  await upstream.received(1);
  expect(await connections()).toEqual(expected(1, 0));
  for (const answer of held) answer();
  expect((await client.response()).status).toBe(200);
  await until(async () => (await connections()).join() === expected(0, 1).join(), 'the connection is idle');
});
