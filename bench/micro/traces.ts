/**
 * What traces cost a request: nothing where they are off, a random number where it is not recorded, and its spans where it is.
 * The collector is one that takes everything at once; the batches are written and sent as in a gateway.
 */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { systemClocks } from '../../src/lib/clock.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { NO_TRACE_FILES } from '../../src/telemetry/traces/files.ts';
import { TraceSeries } from '../../src/telemetry/traces/series.ts';
import { Traces } from '../../src/telemetry/traces/traces.ts';

const REQUESTS = 100_000;

const collector = createServer((request, response) => request.resume().once('end', () => response.end()));
await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`;

const request = {
  id: '4bf92f3577b34da6a3ce929d0e0e4736',
  method: 'GET',
  httpVersion: '1.1',
  listener: { name: 'public', logText: '' },
  peer: { address: '127.0.0.1' },
  screened: null,
  route: { id: 'orders', upstream: 'orders' },
  principal: { kind: 'user', subject: 'bob', credential: null },
  trace: null,
  reason: null,
  note: null,
  cause: null,
  reply: { status: 200 },
  grpcStatus: null,
  isTunnel: false,
  startedMs: 0,
  dispatchedMs: 0,
  firstByteMs: 0,
  upstreamEndedMs: 0,
  requestBytes: 0,
  responseBytes: 0,
  series: null as never,
} as const;

/** Microseconds of processor time per request, all threads. */
async function cost(sampleRatio: number | null, count: number): Promise<number> {
  const series = new TraceSeries(new MetricRegistry());
  const traces = new Traces({ clocks: systemClocks, series, log: createLog('silent', { write: () => {} }) });
  if (sampleRatio !== null) {
    const config = { url, sampleRatio, trustParent: 'trustedProxies', maxPerSecond: 1_000_000_000 } as const;
    await traces.use({ ...config, timeout: 10_000, serviceName: 'bench', attributes: {} }, NO_TRACE_FILES);
  }
  const { tracer } = traces;
  const before = process.cpuUsage();
  for (let index = 0; index < count; index += 1) {
    const startedMs = performance.now();
    const trace = tracer === null ? null : tracer.begin(startedMs, null);
    if (trace !== null) {
      trace.run(noWork);
      trace.matched('/orders');
      trace.upstreamParent();
      trace.sentTo('http://127.0.0.1:3000');
      trace.end(request, { status: 200, endedMs: performance.now(), sessionAgeMs: 1_000 });
    }
    // As often as batches are full.
    if (index % 500 === 499) await new Promise((resolve) => setImmediate(resolve));
  }
  await traces.close();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

const noWork = () => {};

for (const [what, ratio, count] of [
  ['off', null, REQUESTS * 10],
  ['on, not recorded', 0, REQUESTS * 10],
  ['on, 1 % recorded', 0.01, REQUESTS * 10],
  ['on, all recorded', 1, REQUESTS / 5],
] as const) {
  await cost(ratio, count / 10);
  console.log(`${what.padEnd(18)} ${(await cost(ratio, count)).toFixed(3)} µs of CPU per request`);
}
collector.close();
