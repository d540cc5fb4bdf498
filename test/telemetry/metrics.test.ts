/** Which series can be scraped, and which cannot. */

import { describe, expect, test } from 'vitest';
import { REASONS } from '../../src/errors.ts';
import { collectNodeMetrics } from '../../src/telemetry/node-metrics.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { RequestSeries, RouteMetrics } from '../../src/telemetry/route-series.ts';
import { TestClocks } from '../support/clocks.ts';
import { HOST, startGateway } from '../support/gateway.ts';
import { RawConnection, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

const seriesOf = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
const DECISIONS = 'sallyport_auth_decisions_total';
const routes = [{ id: 'app', match: { path: '/' }, credential: 'none' }];

describe('a refusal', () => {
  test('has a series from the start on exactly the routes where it can occur', async () => {
    const metrics = new MetricRegistry();
    const series = new RequestSeries(metrics);
    new RouteMetrics(series, 'app', 'upstream');
    new RouteMetrics(series, '_gateway', null);
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

  test('is counted even on a route where it was not expected', async () => {
    const metrics = new MetricRegistry();
    const route = new RouteMetrics(new RequestSeries(metrics), 'app', 'upstream');
    route.refused('login_failed');
    route.refused('login_failed');
    expect(await metrics.text()).toContain(`${DECISIONS}{route="app",outcome="deny",reason="login_failed"} 2\n`);
  });
});

test('every metric has a series from the start, except for features that are not configured', async () => {
  await using gateway = await startGateway({ routes });
  const text = await gateway.metrics.text();
  const names = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type]) =>
    type === 'histogram' ? `${name}_count` : type === 'summary' ? `${name}_count` : name,
  );
  const empty = names.filter((name) => seriesOf(text, name).length === 0);
  expect(empty).toEqual(
    expect.not.arrayContaining(['nodejs_active_requests', 'sallyport_nodejs_eventloop_utilization_ratio']),
  );
  // Redis, TLS, issuers, identity providers, workers, destinations, HTTP/2 and files that this gateway does not have.
  const NOT_CONFIGURED =
    /_(?:grpc_calls|store_command_duration|tls_certificate|jwks_|provider_|service_tokens_|workers_|destination_|config_|signing_keys_last|users_file_)/;
  expect(empty.filter((name) => !NOT_CONFIGURED.test(name))).toEqual([]);
});

test.each(['minor', 'major', 'incremental', 'weakcb'])(
  'garbage collection has a series before it first runs: %s',
  async (kind) => {
    const metrics = new MetricRegistry();
    collectNodeMetrics(metrics);
    const text = await metrics.text();
    expect(text).toMatch(new RegExp(`^nodejs_gc_duration_seconds_count\\{kind="${kind}"\\} \\d+$`, 'm'));
  },
);

test('the utilization of the event loop is between 0 and 1', async () => {
  const metrics = new MetricRegistry();
  collectNodeMetrics(metrics);
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

/** The value of a series by its labels, in any order; `null` when there is none. */
const seriesValue = (text: string, name: string, labels: Record<string, string>): number | null => {
  const line = seriesOf(text, name).find((series) =>
    Object.entries(labels).every(([label, value]) => series.includes(`${label}="${value}"`)),
  );
  return line === undefined ? null : Number(line.split(' ').at(-1));
};

describe('the metrics of a route', () => {
  const IN_FLIGHT = 'sallyport_http_requests_in_flight';
  const byKind = [
    { id: 'open', match: { path: '/' }, credential: 'none' },
    { id: 'closed', match: { path: '/closed' }, credential: 'session', upstream: 'app' },
  ];

  test('count requests in progress, up and down, however they end', async () => {
    await using upstream = await RecordingUpstream.start(() => {});
    await using gateway = await startGateway({ upstream: upstream.origin, routes: byKind });
    const inFlight = async (route: string) => seriesValue(await gateway.metrics.text(), IN_FLIGHT, { route });
    expect(await inFlight('open')).toBe(0);
    const waiting = await RawConnection.open(gateway.port);
    waiting.write(requestHead('GET', '/', [HOST]));
    await upstream.received(1);
    expect([await inFlight('open'), await inFlight('closed')]).toEqual([1, 0]);
    // Refused by the route, for lack of a route, before routing, by the parser; answered by an endpoint of the gateway.
    for (const [target, host] of [
      ['/closed', HOST],
      ['/', 'Host: other.example.com'],
      ['/%zz', HOST],
      ['/ bad', HOST],
      ['/.well-known/jwks.json', HOST],
    ]) {
      await using client = await RawConnection.open(gateway.port);
      client.write(requestHead('GET', target as string, [host as string]));
      await client.response();
    }
    waiting.socket.destroy();
    await until(() => gateway.gateway.requestsInFlight === 0, 'all requests are over');
    const left = seriesOf(await gateway.metrics.text(), IN_FLIGHT).filter((line) => !line.endsWith(' 0'));
    expect(left).toEqual([]);
  });

  test('measure the time of an upstream by status class', async () => {
    await using upstream = await RecordingUpstream.start((request, socket) => {
      const status = request.head.startsWith('GET /missing') ? '404 Not Found' : '200 OK';
      socket.write(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
    });
    await using gateway = await startGateway({ upstream: upstream.origin, routes });
    await using client = await RawConnection.open(gateway.port);
    for (const target of ['/', '/missing', '/missing']) {
      client.write(requestHead('GET', target, [HOST]));
      await client.response();
    }
    await until(() => gateway.gateway.requestsInFlight === 0, 'all requests are over');
    const text = await gateway.metrics.text();
    const count = (code_class: string) =>
      seriesValue(text, 'sallyport_upstream_request_duration_seconds_count', { upstream: 'app', code_class });
    expect(['1xx', '2xx', '3xx', '4xx', '5xx'].map(count)).toEqual([0, 1, 0, 2, 0]);
  });

  test('count the headers of clients that only the gateway may write', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await startGateway({ upstream: upstream.origin, routes });
    await using client = await RawConnection.open(gateway.port);
    client.write(requestHead('GET', '/', [HOST, 'X-Real-IP: 10.0.0.1', 'x_auth_request_user: root', 'Accept: */*']));
    await client.response();
    await until(() => gateway.gateway.requestsInFlight === 0, 'the request is over');
    const text = await gateway.metrics.text();
    expect(seriesValue(text, 'sallyport_owned_headers_removed_total', { route: 'app' })).toBe(2);
  });

  test('distinguish methods only if the configuration says so', async () => {
    const text = async (labels: 'method'[]) => {
      const metrics = new MetricRegistry();
      const route = new RouteMetrics(new RequestSeries(metrics), 'app', null, labels);
      for (const method of ['GET', 'BREW']) {
        route.observe({
          method,
          status: 200,
          upstreamStatus: 200,
          principalKind: null,
          reason: null,
          durationMs: 1,
          trace: null,
          wallMs: 0,
          overheadMs: 1,
          firstByteMs: null,
          requestBytes: 0,
          responseBytes: 0,
          ownedHeaders: 0,
        });
      }
      return seriesOf(await metrics.text(), 'sallyport_http_requests_total');
    };
    const counted = (lines: string[]) => lines.filter((line) => !line.endsWith(' 0'));
    expect(counted(await text([]))).toEqual(['sallyport_http_requests_total{route="app",code_class="2xx"} 2']);
    expect(await text([])).toHaveLength(5);
    expect(counted(await text(['method']))).toEqual([
      'sallyport_http_requests_total{route="app",method="GET",code_class="2xx"} 1',
      'sallyport_http_requests_total{route="app",method="_OTHER",code_class="2xx"} 1',
    ]);
  });
});

describe('the metrics of sessions and tokens', () => {
  test('show why tokens were minted and where sessions were read from', async () => {
    const clocks = new TestClocks();
    await using upstream = await RecordingUpstream.start();
    await using gateway = await startGateway({ upstream: upstream.origin, clocks });
    const cookie = await gateway.cookie();
    await using client = await RawConnection.open(gateway.port);
    const call = async () => {
      client.write(requestHead('GET', '/', [HOST, cookie]));
      expect((await client.response()).status).toBe(200);
    };
    await call();
    await call();
    clocks.advance(100_000);
    await call();
    const text = await gateway.metrics.text();
    const minted = (cause: string) => seriesValue(text, 'sallyport_tokens_minted_total', { cause });
    expect(['first', 'renewal', 'replaced'].map(minted)).toEqual([1, 1, 0]);
    expect(seriesValue(text, 'sallyport_session_lookup_duration_seconds_count', { source: 'memory' })).toBeGreaterThan(
      0,
    );
    expect(seriesValue(text, 'sallyport_session_lookup_duration_seconds_count', { source: 'redis' })).toBeNull();
  });

  test('count streams that ended with their session', async () => {
    await using upstream = await RecordingUpstream.start((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n');
    });
    await using gateway = await startGateway({ upstream: upstream.origin });
    await using client = await RawConnection.open(gateway.port);
    client.write(requestHead('GET', '/', [HOST, await gateway.cookie('bob')]));
    await client.bytes(20);
    await gateway.gateway.sessions.endAll('bob', 'operator');
    await until(() => gateway.gateway.requestsInFlight === 0, 'the stream is over');
    const text = await gateway.metrics.text();
    expect(seriesValue(text, 'sallyport_streams_ended_total', { credential: 'session' })).toBe(1);
    expect(seriesValue(text, 'sallyport_streams_ended_total', { credential: 'token' })).toBe(0);
  });
});
