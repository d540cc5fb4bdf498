/** What is recorded of a request, whose traces are continued, and what happens if the collector accepts no spans. */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type GatewayOptions, HOST, PUBLIC_ORIGIN, parseTestConfig, startGateway } from '../../support/gateway.ts';
import { startInstance } from '../../support/instance.ts';
import { RawConnection, rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { TestCollector } from '../../support/telemetry/collector.ts';
import { parseOpenMetrics } from '../../support/telemetry/openmetrics.ts';
import { BUSY_MS, until } from '../../support/until.ts';
import { startEchoUpstream, WebSocketClient } from '../../support/websocket.ts';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = `00-${TRACE_ID}-00f067aa0ba902b7-01`;
const UNSAMPLED = PARENT.replace(/01$/, '00');
const TRACEPARENT = `Traceparent: ${PARENT}`;
const routes = [
  { id: 'app', match: { path: '/' }, credential: 'session' },
  { id: 'tenants', match: { path: '/api/:tenant/orders' }, credential: 'none' },
];

let collector: TestCollector;
let upstream: RecordingUpstream;

beforeAll(async () => {
  collector = await TestCollector.start();
  upstream = await RecordingUpstream.start();
});
beforeEach(() => {
  collector.spans.length = 0;
  collector.requests.length = 0;
  collector.status = 200;
  upstream.reset();
});
afterAll(async () => {
  await collector[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

type Traces = Record<string, unknown>;

const tracing = (traces: Traces = {}, options: GatewayOptions = {}): GatewayOptions => ({
  upstream: upstream.origin,
  routes,
  ...options,
  config: { traces: { url: collector.url, sampleRatio: 1, ...traces }, ...options.config },
});

const TRUSTING = { listeners: { public: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] } } };

/** Sends requests to a gateway, then closes it so that it exports its spans. */
async function traced(traces: Traces, heads: readonly string[], options: GatewayOptions = {}) {
  const gateway = await startGateway(tracing(traces, options));
  for (const head of heads) await rawRequest(gateway.port, head);
  const lines = gateway.log.records.filter(({ msg }) => msg === 'request');
  const metrics = await gateway.metrics.text('openmetrics');
  await gateway.gateway.close();
  return { lines, families: parseOpenMetrics(metrics), log: gateway.log.records };
}

const passedOn = (name: string) => upstream.last.values(name);

describe('a recorded request', () => {
  test('is a span named after its route, with a child span for the upstream, which continues it', async () => {
    const { lines } = await traced({}, [requestHead('GET', '/api/acme-17/orders/4711?secret=x', [HOST])]);
    const server = collector.span('server');
    const client = collector.span('client');
    expect(collector.spans).toHaveLength(2);
    expect(server).toMatchObject({ name: 'GET /api/:tenant/orders', parentSpanId: '', isError: false, links: [] });
    expect(server.attributes).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'http.route': '/api/:tenant/orders',
      'network.protocol.version': '1.1',
      'sallyport.listener': 'public',
      'sallyport.principal.kind': 'anonymous',
      'sallyport.route': 'tenants',
      'sallyport.store.lookups': 0,
    });
    const { hostname, port } = new URL(upstream.origin);
    expect(client).toMatchObject({ name: 'GET', traceId: server.traceId, parentSpanId: server.spanId });
    expect(client.events).toEqual(['sent', 'first byte']);
    expect(client.attributes).toEqual({
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'sallyport.upstream': 'app',
      'server.address': hostname,
      'server.port': Number(port),
      'url.scheme': 'http',
    });
    expect(server.resource).toMatchObject({
      'service.name': 'sallyport',
      'service.instance.id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'telemetry.sdk.language': 'nodejs',
    });
    expect(passedOn('traceparent')).toEqual([`00-${server.traceId}-${client.spanId}-03`]);
    expect(lines[0]).toMatchObject({ traceId: server.traceId, spanId: server.spanId });
    expect(server.startNs).toBeLessThanOrEqual(client.startNs);
    expect(client.endNs).toBeLessThanOrEqual(server.endNs);
    expect(collector.bytes).not.toMatch(/acme-17|4711|secret=x/);
  });

  test('with a session shows its age and the minted token, but not the user', async () => {
    const gateway = await startGateway(tracing());
    await rawRequest(gateway.port, requestHead('GET', '/', [HOST, await gateway.cookie('mallory-the-user')]));
    await gateway.gateway.close();
    expect(collector.spans.map(({ name }) => name).toSorted()).toEqual(['GET', 'GET /', 'mint token']);
    expect(collector.span('server').attributes).toMatchObject({
      'sallyport.principal.kind': 'user',
      'sallyport.session.age': 0,
    });
    expect(collector.span('mint token').parentSpanId).toBe(collector.span('server').spanId);
    expect(collector.bytes).not.toContain('mallory-the-user');
  });

  test('that is refused or invalid shows the reason but not the path', async () => {
    await traced({}, [
      requestHead('GET', '/secret-path', [HOST]),
      requestHead('GET', '/secret-%zz-path', [HOST]),
      requestHead('PROPFIND', '/', [HOST]),
    ]);
    const said = collector.spans.map(({ name, attributes, isError }) => [
      name,
      attributes['sallyport.reason'],
      attributes['http.response.status_code'],
      isError,
    ]);
    expect(said).toEqual([
      ['GET /', 'credential_missing', 401, false],
      ['GET', 'request_ambiguous', 400, false],
      ['HTTP', 'method_not_allowed', 405, false],
    ]);
    expect(collector.bytes).not.toContain('secret-');
  });

  test('that fails upstream is an error with a reason', async () => {
    await traced({}, [requestHead('GET', '/api/x/orders', [HOST])], { upstream: 'http://127.0.0.1:9' });
    const failed = { isError: true, attributes: { 'error.type': 'upstream_connect_failed' } };
    expect(collector.span('server')).toMatchObject(failed);
    expect(collector.span('client')).toMatchObject(failed);
    expect(collector.span('client').attributes).not.toHaveProperty('http.response.status_code');
  });

  test('to an endpoint of the gateway shows its path, with a session handle as a parameter', async () => {
    const gateway = await startGateway(tracing());
    const cookie = await gateway.cookie();
    const handle = 'A'.repeat(43);
    await rawRequest(gateway.port, requestHead('GET', '/auth/session', [HOST, cookie]));
    await rawRequest(
      gateway.port,
      requestHead('DELETE', `/auth/sessions/${handle}`, [HOST, cookie, `Origin: ${PUBLIC_ORIGIN}`]),
    );
    await gateway.gateway.close();
    const names = collector.spans.filter(({ kind }) => kind === 'server').map(({ name }) => name);
    expect(names).toEqual(['GET /auth/session', 'DELETE /auth/sessions/:handle']);
    expect(collector.bytes).not.toContain(handle);
  });

  test('that becomes a WebSocket is recorded when the WebSocket closes', async () => {
    await using echo = await startEchoUpstream();
    const gateway = await startGateway(
      tracing(
        {},
        {
          upstream: `http://127.0.0.1:${echo.port}`,
          routes: [{ id: 'ws', match: { path: '/' }, credential: 'none', webSocket: true }],
        },
      ),
    );
    await using socket = await WebSocketClient.open(gateway.port, '/');
    socket.connection.close();
    await until(() => gateway.gateway.requestsInFlight === 0, 'the tunnel is closed');
    await gateway.gateway.close();
    for (const kind of ['server', 'client'])
      expect(collector.span(kind).attributes['http.response.status_code']).toBe(101);
  });

  test('is an exemplar of the duration histogram, in OpenMetrics only', async () => {
    const { families, lines } = await traced({}, [requestHead('GET', '/api/x/orders', [HOST])]);
    const samples = families.get('sallyport_http_request_duration_seconds')?.samples ?? [];
    const [exemplar, ...others] = samples.flatMap(({ exemplar }) => exemplar ?? []);
    expect(others).toEqual([]);
    expect(exemplar?.labels.get('trace_id')).toBe(lines[0]?.['traceId']);
    expect(exemplar?.labels.get('span_id')).toBe(lines[0]?.['spanId']);
    expect(exemplar?.value).toBeCloseTo(Number(lines[0]?.['durationMs']) / 1_000, 5);
  });
});

describe('a request that is not recorded', () => {
  test('A2: gets no trace context, so that services behind the gateway decide for themselves', async () => {
    const { lines } = await traced({ sampleRatio: 0 }, [requestHead('GET', '/api/x/orders', [HOST])]);
    expect(passedOn('traceparent')).toEqual([]);
    expect(collector.requests).toEqual([]);
    expect(lines[0]).not.toHaveProperty('traceId');
  });

  test("keeps its client's context and logs its trace id if tracing is off", async () => {
    await using gateway = await startGateway({ upstream: upstream.origin, routes });
    await rawRequest(gateway.port, requestHead('GET', '/api/x/orders', [HOST, TRACEPARENT, 'Tracestate: a=1']));
    expect([passedOn('traceparent'), passedOn('tracestate')]).toEqual([[PARENT], ['a=1']]);
    const line = gateway.log.records.find(({ msg }) => msg === 'request');
    expect(line).toMatchObject({ traceId: TRACE_ID });
    expect(line).not.toHaveProperty('spanId');
  });

  test.each([`${PARENT}x`, `${PARENT}, ${PARENT}`, '00-0-0-01', `01${PARENT.slice(2)}`])(
    'logs no trace id for the invalid traceparent %s',
    async (invalid) => {
      await using gateway = await startGateway({ upstream: upstream.origin, routes });
      await rawRequest(gateway.port, requestHead('GET', '/api/x/orders', [HOST, `Traceparent: ${invalid}`]));
      expect(gateway.log.text).not.toContain('traceId');
      expect(passedOn('traceparent')).toEqual([]);
    },
  );
});

describe('a client that sends a trace context', () => {
  const head = (traceparent: string) =>
    requestHead('GET', '/api/x/orders', [HOST, `Traceparent: ${traceparent}`, 'Tracestate: vendor=1', 'Baggage: a=1']);

  test('is not trusted by default: its trace is linked, not continued, and not sent upstream', async () => {
    await traced({}, [head(PARENT)]);
    const server = collector.span('server');
    expect(server.traceId).not.toBe(TRACE_ID);
    expect(server).toMatchObject({
      parentSpanId: '',
      traceState: '',
      links: [{ traceId: TRACE_ID, spanId: '00f067aa0ba902b7' }],
    });
    expect(upstream.text).not.toContain(TRACE_ID);
    expect(passedOn('tracestate')).toEqual([]);
    expect(passedOn('baggage')).toEqual(['a=1']);
  });

  test('cannot cause recording here or in the services behind', async () => {
    await traced({ sampleRatio: 0 }, [head(PARENT)]);
    expect(collector.spans).toEqual([]);
    expect(upstream.text).not.toContain(TRACE_ID);
  });

  test.each([
    ['as a trusted proxy', {}, TRUSTING],
    ['if the configuration trusts all', { trustParent: 'all' }, {}],
  ])('is trusted %s: its trace continues, whatever the ratio', async (_where, traces, config) => {
    const { lines } = await traced({ sampleRatio: 0, ...traces }, [head(PARENT)], { config });
    const server = collector.span('server');
    expect(server).toMatchObject({
      traceId: TRACE_ID,
      parentSpanId: '00f067aa0ba902b7',
      traceState: 'vendor=1',
      links: [],
    });
    expect(passedOn('traceparent')).toEqual([`00-${TRACE_ID}-${collector.span('client').spanId}-01`]);
    expect(passedOn('tracestate')).toEqual(['vendor=1']);
    expect(lines[0]).toMatchObject({ traceId: TRACE_ID, spanId: server.spanId });
  });

  test('is also trusted not to record: nothing is recorded, and its context is passed on', async () => {
    await traced({ sampleRatio: 1 }, [head(UNSAMPLED)], { config: TRUSTING });
    expect(collector.spans).toEqual([]);
    expect([passedOn('traceparent'), passedOn('tracestate')]).toEqual([[UNSAMPLED], ['vendor=1']]);
  });

  test('is not trusted with trustParent: none, even as a trusted proxy', async () => {
    await traced({ trustParent: 'none' }, [head(PARENT)], { config: TRUSTING });
    expect(collector.span('server').traceId).not.toBe(TRACE_ID);
  });

  test('gets at most maxPerSecond requests recorded; the context of the others is passed on', async () => {
    const clocks = { wallMs: () => 1_800_000_000_000, monotonicMs: () => 1_000 };
    const { families } = await traced({ maxPerSecond: 2 }, [head(PARENT), head(PARENT), head(PARENT)], {
      config: TRUSTING,
      clocks,
    });
    expect(collector.spans.filter(({ kind }) => kind === 'server')).toHaveLength(2);
    expect(passedOn('traceparent')).toEqual([PARENT]);
    expect(families.get('sallyport_traces_over_limit')?.samples[0]?.value).toBe(1);
  });
});

test("the outbound side continues the workload's traces, regardless of who is trusted elsewhere", async () => {
  const gateway = await startGateway(
    tracing(
      { sampleRatio: 0 },
      {
        config: {
          outbound: {
            address: '127.0.0.1:0',
            workload: 'cart',
            destinations: [{ id: 'to-app', match: { host: 'app.internal' }, upstream: 'app', token: { service: {} } }],
          },
        },
      },
    ),
  );
  const head = requestHead('GET', '/', ['Host: app.internal', TRACEPARENT]);
  expect((await rawRequest(gateway.portOf('outbound'), head)).status).toBe(200);
  await gateway.gateway.close();
  expect(collector.span('server')).toMatchObject({ traceId: TRACE_ID, name: 'GET /' });
  expect(collector.span('server').attributes).toMatchObject({
    'sallyport.route': 'to-app',
    'sallyport.listener': 'outbound',
  });
  expect(passedOn('traceparent')[0]).toContain(TRACE_ID);
});

test('a span of the redirect listener names no path', async () => {
  const listeners = { public: { address: '127.0.0.1:0' }, redirect: { address: '127.0.0.1:0' } };
  const gateway = await startGateway(tracing({}, { config: { listeners } }));
  expect((await rawRequest(gateway.portOf('redirect'), requestHead('GET', '/secret-path', [HOST]))).status).toBe(308);
  await gateway.gateway.close();
  expect(collector.span('server').name).toBe('GET');
  expect(collector.bytes).not.toContain('secret-path');
});

describe('a collector', () => {
  const counted = async (gateway: Awaited<ReturnType<typeof startGateway>>) => {
    const families = parseOpenMetrics(await gateway.metrics.text('openmetrics'));
    const value = (reason: string) =>
      families.get('sallyport_trace_spans_dropped')?.samples.find(({ labels }) => labels.get('reason') === reason)
        ?.value;
    return {
      exported: families.get('sallyport_trace_spans_exported')?.samples[0]?.value,
      full: value('queue_full'),
      failed: value('export_failed'),
      shutdown: value('shutdown'),
    };
  };

  test('that refuses spans affects nothing else; lost spans are counted and logged once', async () => {
    collector.status = 400;
    const gateway = await startGateway(tracing());
    const head = requestHead('GET', '/api/x/orders', [HOST]);
    expect((await rawRequest(gateway.port, head)).status).toBe(200);
    await until(async () => (await counted(gateway)).failed === 2, 'the spans are refused');
    expect((await rawRequest(gateway.port, head)).status).toBe(200);
    await until(async () => (await counted(gateway)).failed === 4, 'the next ones are refused');
    const said = () => gateway.log.records.filter(({ msg }) => /collector/.test(String(msg)));
    expect(said().map(({ level, msg }) => [level, msg])).toEqual([['warn', 'collector does not accept spans']]);
    collector.status = 200;
    expect((await rawRequest(gateway.port, head)).status).toBe(200);
    await gateway.gateway.close();
    expect(await counted(gateway)).toEqual({ exported: 2, full: 0, failed: 4, shutdown: 0 });
    expect(said().map(({ msg }) => msg)).toEqual(['collector does not accept spans', 'collector accepts spans again']);
  });

  test('that does not answer does not delay shutdown; unsent spans are counted', async () => {
    collector.status = 0;
    const gateway = await startGateway(tracing());
    await rawRequest(gateway.port, requestHead('GET', '/api/x/orders', [HOST]));
    const startedMs = performance.now();
    await gateway.gateway.close();
    expect(performance.now() - startedMs).toBeLessThan(2_000 + BUSY_MS);
    expect(await counted(gateway)).toEqual({ exported: 0, full: 0, failed: 0, shutdown: 2 });
  });

  test('gets the headers in the file, which are shown nowhere, at the path in the URL', async () => {
    const { upstream: origin = '', config } = tracing({ headersFile: 'otlp.headers' });
    const files = { 'otlp.headers': 'Authorization: Bearer canary-4c1d\r\n\r\nX-Scope: a b\n' };
    const instance = await startInstance({ upstream: origin, routes, config: { ...config }, files });
    await rawRequest(instance.port, requestHead('GET', '/api/x/orders', [HOST]));
    const shown = await (await instance.admin('/-/config')).text();
    await instance[Symbol.asyncDispose]();
    expect(collector.requests[0]).toMatchObject({
      url: '/v1/traces',
      headers: { authorization: 'Bearer canary-4c1d', 'x-scope': 'a b', 'content-type': 'application/x-protobuf' },
    });
    expect(`${instance.log.text}${shown}${collector.bytes}`).not.toContain('canary-4c1d');
  });

  test('set by a reload gets later requests; the previous one gets those in progress', async () => {
    await using other = await TestCollector.start();
    const held: (() => void)[] = [];
    upstream.answer = (_request, socket) => {
      held.push(() => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    };
    const gateway = await startGateway(tracing());
    await using client = await RawConnection.open(gateway.port);
    client.write(requestHead('GET', '/api/before/orders', [HOST]));
    await upstream.received(1);
    await gateway.apply(parseTestConfig(tracing({ url: other.url })));
    upstream.answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    await rawRequest(gateway.port, requestHead('GET', '/api/after/orders', [HOST]));
    expect(collector.spans).toEqual([]);
    for (const answer of held) answer();
    expect((await client.response()).status).toBe(200);
    // The previous exporter closes as soon as its last trace is over, and not before.
    await until(() => collector.spans.length === 2, 'the first collector has the spans of the first request');
    await gateway.apply(parseTestConfig({ ...tracing(), config: {} }));
    await until(() => other.spans.length === 2, 'the other one has the rest');
    await rawRequest(gateway.port, requestHead('GET', '/api/never/orders', [HOST]));
    await gateway.gateway.close();
    expect(collector.spans.length + other.spans.length).toBe(4);
  });
});
