/**
 * One trace from end to end: worker processes with a real Redis, a service behind them with the real OpenTelemetry SDK,
 * and Prometheus, which reads the exemplars.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOST } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { GatewayProcess } from '../support/process.ts';
import { findProgram } from '../support/programs.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { RedisServer } from '../support/redis.ts';
import { TestCollector } from '../support/telemetry/collector.ts';
import { parseOpenMetrics } from '../support/telemetry/openmetrics.ts';
import { TracedUpstream } from '../support/telemetry/traced-upstream.ts';
import { until } from '../support/until.ts';
import { openWorkerSession, workerOptions } from '../support/worker-processes.ts';

const OPEN = requestHead('GET', '/open', [HOST]);

let redis: RedisServer;
let collector: TestCollector;
let upstream: TracedUpstream;
let gateway: GatewayProcess;

const options = (sampleRatio: number) =>
  workerOptions(redis.url, upstream.origin, { traces: { url: collector.url, sampleRatio, maxPerSecond: 1_000 } });

beforeAll(async () => {
  [redis, collector] = await Promise.all([RedisServer.start(), TestCollector.start()]);
  upstream = await TracedUpstream.start(collector.url);
  gateway = await GatewayProcess.start(options(1));
});
afterAll(async () => {
  for (const each of [gateway, upstream, collector, redis]) await each[Symbol.asyncDispose]();
});

describe('with several workers', () => {
  test('the spans of the gateway, its store and the service behind it form one trace', async () => {
    const cookie = await openWorkerSession(gateway, 'bob');
    expect((await rawRequest(gateway.port, requestHead('GET', '/mine', [HOST, cookie]))).status).toBe(200);
    await until(() => collector.spans.some(({ attributes }) => attributes['sallyport.route'] === 'app'), 'it is sent');
    const server = collector.spans.find(({ attributes }) => attributes['sallyport.route'] === 'app');
    const trace = collector.spans.filter(({ traceId }) => traceId === server?.traceId);
    const named = (name: string) => trace.find((span) => span.name === name);
    // The session is new to the worker, so it is read, and a token is signed.
    expect(named('store read')).toMatchObject({
      parentSpanId: server?.spanId,
      kind: 'client',
      attributes: { 'db.system.name': 'redis', 'db.operation.name': 'read' },
    });
    expect(named('mint token')?.parentSpanId).toBe(server?.spanId);
    expect(server?.attributes['sallyport.store.lookups']).toBe(trace.filter(({ name }) => /^store /.test(name)).length);
    const client = named('GET');
    expect(client?.parentSpanId).toBe(server?.spanId);
    expect(named('upstream')).toMatchObject({ kind: 'server', parentSpanId: client?.spanId });
    expect(named('upstream')?.resource['service.name']).not.toBe('sallyport');
    const opened = collector.spans.find(({ name }) => name === 'POST /auth/sessions');
    expect(opened?.attributes['sallyport.store.lookups']).toBeGreaterThan(0);
  });

  test('each worker is a separate instance, and their exemplars are merged', async () => {
    const instances = () =>
      new Set(collector.spans.map(({ resource }) => resource['service.instance.id']).filter(Boolean));
    await until(async () => {
      await Promise.all(Array.from({ length: 8 }, () => rawRequest(gateway.port, OPEN)));
      return instances().size === 2;
    }, 'both have sent spans');
    const accept = { headers: { Accept: 'application/openmetrics-text' } };
    const families = parseOpenMetrics(await (await gateway.admin('/metrics', accept)).text());
    const samples = families.get('sallyport_http_request_duration_seconds')?.samples ?? [];
    const traceIds = samples.flatMap(({ exemplar }) => exemplar?.labels.get('trace_id') ?? []);
    expect(traceIds.length).toBeGreaterThan(0);
    await until(
      () => traceIds.every((id) => collector.spans.some(({ traceId }) => traceId === id)),
      'each exemplar has its trace',
    );
  });

  test('A2: the service itself records requests that the gateway does not', async () => {
    gateway.rewrite(options(0));
    expect((await gateway.admin('/-/reload', { method: 'POST' })).status).toBe(200);
    const parentless = () =>
      collector.spans.filter(({ name, parentSpanId }) => name === 'upstream' && parentSpanId === '');
    expect(parentless()).toEqual([]);
    expect((await rawRequest(gateway.port, OPEN)).status).toBe(200);
    await until(() => parentless().length === 1, 'the service has recorded its own trace');
    gateway.rewrite(options(1));
    expect((await gateway.admin('/-/reload', { method: 'POST' })).status).toBe(200);
  });
});

const PROMETHEUS = findProgram(['prometheus']);

test.skipIf(PROMETHEUS === null)('Prometheus reads the metrics as OpenMetrics, with exemplars', async () => {
  const port = await freePort();
  const config = gateway.file.text(
    'prometheus.yml',
    `scrape_configs: [{ job_name: sallyport, scrape_interval: 1s, static_configs: [{ targets: ["127.0.0.1:${gateway.adminPort}"] }] }]\n`,
  );
  await using prometheus = new Prometheus(config, port, join(gateway.file.directory, 'prometheus'));
  const asked = async (path: string): Promise<string> => {
    const answer = await fetch(`${prometheus.origin}${path}`).catch(() => null);
    return (await answer?.text()) ?? '';
  };
  await rawRequest(gateway.port, OPEN);
  const seconds = Math.floor(Date.now() / 1_000);
  const query = 'sallyport_http_request_duration_seconds_bucket{route="open"}';
  const range = `&start=${seconds - 600}&end=${seconds + 3_600}`;
  let said = '';
  await until(async () => {
    said = await asked(`/api/v1/query_exemplars?query=${encodeURIComponent(query)}${range}`);
    return said.includes('trace_id');
  }, 'Prometheus has an exemplar');
  const [, traceId] = /"trace_id":"([0-9a-f]{32})"/.exec(said) ?? [];
  expect(collector.spans.map((span) => span.traceId)).toContain(traceId);
  const targets = JSON.parse(await asked('/api/v1/targets')) as {
    data: { activeTargets: { health: string; lastError: string }[] };
  };
  expect(targets.data.activeTargets).toMatchObject([{ health: 'up', lastError: '' }]);
});

/** A Prometheus that keeps exemplars. */
class Prometheus implements AsyncDisposable {
  readonly origin: string;
  readonly #child: ChildProcess;

  constructor(config: string, port: number, directory: string) {
    this.origin = `http://127.0.0.1:${port}`;
    const options = [`--config.file=${config}`, `--storage.tsdb.path=${directory}`, '--log.level=error'];
    const listening = [`--web.listen-address=127.0.0.1:${port}`, '--enable-feature=exemplar-storage'];
    this.#child = spawn(PROMETHEUS ?? '', [...options, ...listening], { stdio: 'ignore' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exit;
  }
}
