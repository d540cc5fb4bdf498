/** The queue of requests in a whole gateway. Its clocks jump at each reading, so every turn seems long. */

import { expect, test, vi } from 'vitest';
import { systemClocks } from '../../../src/lib/clock.ts';
import { HOST, parseTestConfig, startGateway, type TestGateway } from '../../support/gateway.ts';
import { RawConnection, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { counted } from '../../support/telemetry/counted.ts';
import { PUBLIC_ROUTE } from './support.ts';

const JUMP_MS = 700;

function options(upstream: RecordingUpstream, maxQueueDelay: string) {
  let jumps = 0;
  const monotonicMs = () => systemClocks.monotonicMs() + JUMP_MS * ++jumps;
  const listeners = {
    public: { address: '127.0.0.1:0', limits: { maxQueueDelay } },
    admin: { address: '127.0.0.1:0' },
  };
  return {
    upstream: upstream.origin,
    routes: [PUBLIC_ROUTE],
    clocks: { ...systemClocks, monotonicMs },
    config: { listeners },
  };
}

/** The answers to requests that arrive in one turn of the event loop. */
async function atOnce(gateway: TestGateway, count: number) {
  const connections = await Promise.all(Array.from({ length: count }, () => RawConnection.open(gateway.port)));
  for (const connection of connections) connection.write(requestHead('GET', '/', [HOST]));
  const answers = await Promise.all(connections.map((connection) => connection.response()));
  for (const connection of connections) connection.close();
  return answers;
}

test('R14: requests that wait too long for their turn get 503 with Retry-After, and are counted', async () => {
  let jumps = 0;
  vi.spyOn(process, 'threadCpuUsage').mockImplementation(() => ({ user: JUMP_MS * 1_000 * ++jumps, system: 0 }));
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startGateway(options(upstream, '100ms'));
  const answers = await atOnce(gateway, 5);
  const refused = answers.filter(({ status }) => status === 503);
  expect(answers.some(({ status }) => status === 200)).toBe(true);
  expect(refused.length).toBeGreaterThan(0);
  for (const { headers, body } of refused) {
    expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(JSON.parse(body.toString())).toMatchObject({ status: 503, reason: 'overloaded' });
  }
  expect(await counted(gateway.metrics, 'requests_shed_total')).toBe(refused.length);
  expect(gateway.log.text).toContain('for its turn');
  await gateway.apply(parseTestConfig(options(upstream, '0s')));
  expect((await atOnce(gateway, 5)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
});

test('R14: requests wait for their turn and are served when it comes', async () => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startGateway(options(upstream, '1h'));
  expect((await atOnce(gateway, 20)).every(({ status }) => status === 200)).toBe(true);
  expect(await counted(gateway.metrics, 'requests_shed_total')).toBe(0);
  expect(await counted(gateway.metrics, 'requests_queued')).toBe(0);
});
