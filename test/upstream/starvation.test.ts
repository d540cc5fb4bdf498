/** S4: one client cannot use up the upstream connections that everyone needs. */

import { expect, test } from 'vitest';
import { HOST, startGateway } from '../support/gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

const get = (path = '/x') => requestHead('GET', path, [HOST]);
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const routes = [{ id: 'public', match: { path: '/' }, credential: 'none' }];

const start = (origin: string, upstream: Record<string, unknown>, listener: Record<string, unknown> = {}) =>
  startGateway({
    routes,
    config: {
      upstreams: { app: { endpoints: [origin], ...upstream } },
      listeners: { public: { address: '127.0.0.1:0', ...listener }, admin: { address: '127.0.0.1:0' } },
    },
  });

test.each([
  ['POST heads without a body', ['Content-Length: 1000']],
  ['POST heads that announce chunks', ['Transfer-Encoding: chunked']],
  ['POST heads that ask for 100 Continue', ['Content-Length: 1000', 'Expect: 100-continue']],
])('S4: 520 %s use no upstream connection, and others are served', async (_what, lines) => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await start(upstream.origin, {});
  const attackers = await Promise.all(Array.from({ length: 520 }, () => RawConnection.open(gateway.port)));
  for (const attacker of attackers) attacker.write(requestHead('POST', '/x', [HOST, ...lines]));
  await until(() => gateway.gateway.requestsInFlight === 520, 'all of them are in progress');
  expect(upstream.connectionCount).toBe(0);
  expect((await rawRequest(gateway.port, get())).status).toBe(200);
  expect(upstream.requests).toHaveLength(1);
  for (const attacker of attackers) attacker.close();
});

test('S4: a body that begins late on a kept connection is forwarded like any other', async () => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await start(upstream.origin, {});
  await using connection = await RawConnection.open(gateway.port);
  connection.write(get('/first'));
  expect((await connection.response()).status).toBe(200);
  connection.write(requestHead('POST', '/late', [HOST, 'Content-Length: 4']));
  await until(() => gateway.gateway.requestsInFlight === 1, 'it is in progress');
  expect(upstream.requests).toHaveLength(1);
  connection.write('late');
  expect((await connection.response()).status).toBe(200);
  expect(upstream.last.body.toString()).toBe('late');
  expect(upstream.connectionCount).toBe(1);
});

test('S4: an empty chunked body is forwarded', async () => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await start(upstream.origin, {});
  const head = requestHead('POST', '/x', [HOST, 'Transfer-Encoding: chunked']);
  expect((await rawRequest(gateway.port, `${head}0\r\n\r\n`)).status).toBe(200);
  expect(upstream.last.body.toString()).toBe('');
});

test('S4: a client that leaves before its body begins leaves nothing behind', async () => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await start(upstream.origin, {});
  const connection = await RawConnection.open(gateway.port);
  connection.write(requestHead('POST', '/x', [HOST, 'Content-Length: 4']));
  await until(() => gateway.gateway.requestsInFlight === 1, 'it is in progress');
  connection.close();
  await until(() => gateway.gateway.requestsInFlight === 0, 'it is over');
  expect(upstream.connectionCount).toBe(0);
  expect(await gateway.metrics.text()).toMatch(/route="public",outcome="deny",reason="downstream_aborted"\} 1\n/);
});

test('S4: a request waits a bounded time for a connection, then gets 503 and is never sent', async () => {
  const held: (() => void)[] = [];
  await using upstream = await RecordingUpstream.start((_request, socket) => held.push(() => socket.write(OK)));
  await using gateway = await start(upstream.origin, { maxConnections: 1, timeouts: { pending: '200ms' } });
  await using first = await RawConnection.open(gateway.port);
  first.write(get('/first'));
  await upstream.received(1);
  const late = await rawRequest(gateway.port, get('/late'));
  expect([late.status, JSON.parse(late.body.toString()).reason, late.headers.get('retry-after')]).toEqual([
    503,
    'overloaded',
    '1',
  ]);
  for (const answer of held.splice(0)) answer();
  expect((await first.response()).status).toBe(200);
  // The abandoned request is not sent later.
  first.write(get('/next'));
  await upstream.received(2);
  expect(upstream.last.head).toMatch(/^GET \/next /);
  for (const answer of held.splice(0)) answer();
  expect((await first.response()).status).toBe(200);
});

test('S4: with maxPending waiting, a request gets 503 at once, and those waiting get their turn', async () => {
  const held: (() => void)[] = [];
  await using upstream = await RecordingUpstream.start((_request, socket) => held.push(() => socket.write(OK)));
  await using gateway = await start(upstream.origin, {
    maxConnections: 1,
    maxPending: 2,
    timeouts: { pending: '1h' },
  });
  const clients = await Promise.all([1, 2, 3].map(() => RawConnection.open(gateway.port)));
  for (const [index, client] of clients.entries()) {
    client.write(get());
    await until(() => gateway.gateway.requestsInFlight === index + 1, 'it is in progress');
  }
  expect((await rawRequest(gateway.port, get())).status).toBe(503);
  for (const [index, client] of clients.entries()) {
    await upstream.received(index + 1);
    for (const answer of held.splice(0)) answer();
    expect((await client.response()).status).toBe(200);
  }
  for (const client of clients) client.close();
});
