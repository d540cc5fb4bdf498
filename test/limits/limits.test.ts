/** S4: limits on requests in progress per client, session and route. */

import { describe, expect, test } from 'vitest';
import { HOST, startGateway, type TestGateway } from '../support/gateway.ts';
import { CertificateFiles, TestAuthority } from '../support/issuers/certificates.ts';
import { RawConnection, type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';
import { acceptKey, WebSocketClient } from '../support/websocket.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const get = (...lines: readonly string[]) => requestHead('GET', '/x', [HOST, ...lines]);
const from = (address: string) => get(`X-Forwarded-For: ${address}`);
const reasonOf = ({ status, body }: RawResponse) => [status, JSON.parse(body.toString()).reason];

/** An upstream that answers on demand. */
async function holdingUpstream() {
  const held: (() => void)[] = [];
  const upstream = await RecordingUpstream.start((_request, socket) => held.push(() => socket.write(OK)));
  const answerAll = () => {
    for (const answer of held.splice(0)) answer();
  };
  return { upstream, answerAll };
}

interface Settings {
  readonly listener?: Record<string, unknown>;
  readonly session?: Record<string, unknown>;
  readonly credential?: string;
  readonly more?: Record<string, unknown>;
}

const start = (upstream: RecordingUpstream, { listener, session = {}, credential = 'none', more = {} }: Settings) =>
  startGateway({
    upstream: upstream.origin,
    routes: [{ id: 'app', match: { path: '/' }, credential }],
    config: {
      session,
      listeners: { public: { address: '127.0.0.1:0', ...listener }, admin: { address: '127.0.0.1:0' } },
      ...more,
    },
  });

/** Sends requests whose answers are outstanding. */
async function inProgress(gateway: TestGateway, upstream: RecordingUpstream, requests: readonly string[]) {
  const before = upstream.requests.length;
  const connections = await Promise.all(requests.map(() => RawConnection.open(gateway.port)));
  for (const [index, connection] of connections.entries()) connection.write(requests[index] as string);
  await upstream.received(before + requests.length);
  return connections;
}

const LIMITED = { trustedProxies: ['127.0.0.0/8'], limits: { maxRequestsPerClient: 2 } };

describe('requests of one client', () => {
  test('S4: get 429 with Retry-After above the limit until some finish; other clients are served', async () => {
    const { upstream, answerAll } = await holdingUpstream();
    await using gateway = await start(upstream, { listener: LIMITED });
    const mine = await inProgress(gateway, upstream, [from('192.0.2.1'), from('192.0.2.1')]);
    const refused = await rawRequest(gateway.port, from('192.0.2.1'));
    expect(reasonOf(refused)).toEqual([429, 'too_many_in_progress']);
    expect(refused.headers.get('retry-after')).toBe('1');
    const others = await inProgress(gateway, upstream, [from('192.0.2.2')]);
    answerAll();
    for (const connection of [...mine, ...others]) expect((await connection.response()).status).toBe(200);
    const again = await inProgress(gateway, upstream, [from('192.0.2.1')]);
    answerAll();
    for (const connection of again) expect((await connection.response()).status).toBe(200);
    expect(await gateway.metrics.text()).toContain('sallyport_requests_over_limit_total{limit="client"} 1\n');
    for (const connection of [...mine, ...others, ...again]) connection.close();
    await upstream[Symbol.asyncDispose]();
  });

  test('S4: are limited per /64 for IPv6, and per /48 too', async () => {
    const { upstream, answerAll } = await holdingUpstream();
    await using gateway = await start(upstream, { listener: LIMITED });
    const mine = await inProgress(gateway, upstream, [from('2001:db8::1'), from('2001:db8::2')]);
    expect((await rawRequest(gateway.port, from('2001:db8::3'))).status).toBe(429);
    const networks = [1, 2, 3].flatMap((network) => [
      from(`2001:db8:0:${network}::1`),
      from(`2001:db8:0:${network}::2`),
    ]);
    const site = await inProgress(gateway, upstream, networks);
    expect((await rawRequest(gateway.port, from('2001:db8:0:9::1'))).status).toBe(429);
    const elsewhere = await inProgress(gateway, upstream, [from('2001:db8:1::1')]);
    answerAll();
    for (const connection of [...mine, ...site, ...elsewhere]) {
      expect((await connection.response()).status).toBe(200);
      connection.close();
    }
    await upstream[Symbol.asyncDispose]();
  });

  test('S4: no longer count after the client disconnects', async () => {
    const { upstream } = await holdingUpstream();
    await using gateway = await start(upstream, { listener: LIMITED });
    for (let round = 0; round < 3; round += 1) {
      const connections = await inProgress(gateway, upstream, [from('192.0.2.1'), from('192.0.2.1')]);
      for (const connection of connections) connection.close();
      await until(() => gateway.gateway.requestsInFlight === 0, 'nothing is in progress');
    }
    await upstream[Symbol.asyncDispose]();
  });

  test('S4: with a session count for the session, not for an address that many people share', async () => {
    const { upstream, answerAll } = await holdingUpstream();
    await using gateway = await start(upstream, { listener: LIMITED, credential: 'session' });
    const cookies = await Promise.all(['ann', 'bob', 'cyd', 'dan'].map((name) => gateway.cookie(name)));
    const connections = await inProgress(
      gateway,
      upstream,
      cookies.map((cookie) => get(cookie)),
    );
    answerAll();
    for (const connection of connections) {
      expect((await connection.response()).status).toBe(200);
      connection.close();
    }
    await upstream[Symbol.asyncDispose]();
  });

  test('S4: no longer count once answers begin, so many behind one address can read streams', async () => {
    const stream = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n';
    await using upstream = await RecordingUpstream.start((_request, socket) => void socket.write(stream));
    await using gateway = await start(upstream, { listener: LIMITED });
    const connections = [];
    for (let count = 0; count < 5; count += 1) {
      const connection = await RawConnection.open(gateway.port);
      connections.push(connection);
      connection.write(from('192.0.2.1'));
      await until(() => connection.socket.bytesRead > 0, 'the stream has begun');
    }
    upstream.answer = () => {};
    connections.push(...(await inProgress(gateway, upstream, [from('192.0.2.1'), from('192.0.2.1')])));
    expect(reasonOf(await rawRequest(gateway.port, from('192.0.2.1')))).toEqual([429, 'too_many_in_progress']);
    for (const connection of connections) connection.close();
  });

  test.each([
    ['1,024 if the proxy is trusted', { trustedProxies: ['127.0.0.0/8'] }, 429],
    ['none if all clients have the address of a proxy', {}, 200],
  ] as const)('S4: have a default limit: %s', async (_what, listener, status) => {
    const { upstream, answerAll } = await holdingUpstream();
    const upstreams = { app: { endpoints: [upstream.origin], maxConnections: 4_000 } };
    // A busy machine must not refuse any of them because it waits too long.
    const limits = { maxQueueDelay: '0s' };
    await using gateway = await start(upstream, { listener: { ...listener, limits }, more: { upstreams } });
    const connections = await inProgress(gateway, upstream, Array(1_024).fill(from('192.0.2.1')));
    await using last = await RawConnection.open(gateway.port);
    last.write(from('192.0.2.1'));
    const answered = last.response();
    if (status === 200) await upstream.received(1_025);
    else await answered;
    answerAll();
    expect((await answered).status).toBe(status);
    for (const connection of connections) connection.close();
    await upstream[Symbol.asyncDispose]();
  });
});

describe('requests of one session', () => {
  test('S4: get 429 above the limit; another session of the same user is served', async () => {
    const { upstream, answerAll } = await holdingUpstream();
    await using gateway = await start(upstream, { session: { maxRequests: 2 }, credential: 'session' });
    const [one, other] = [await gateway.cookie('bob'), await gateway.cookie('bob')];
    const connections = await inProgress(gateway, upstream, [get(one), get(one)]);
    expect(reasonOf(await rawRequest(gateway.port, get(one)))).toEqual([429, 'too_many_in_progress']);
    connections.push(...(await inProgress(gateway, upstream, [get(other)])));
    answerAll();
    for (const connection of connections) {
      expect((await connection.response()).status).toBe(200);
      connection.close();
    }
    expect(await gateway.metrics.text()).toContain('sallyport_requests_over_limit_total{limit="session"} 1\n');
    await upstream[Symbol.asyncDispose]();
  });

  test('S4: do not include open WebSockets', async () => {
    const { upstream } = await holdingUpstream();
    const switching = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n';
    upstream.answer = ({ values }, socket) => {
      const accept = acceptKey(values('sec-websocket-key')[0] ?? '');
      socket.write(`${switching}Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
    };
    await using gateway = await start(upstream, { session: { maxRequests: 1 }, credential: 'session' });
    const cookie = await gateway.cookie('bob');
    const clients = [];
    for (let count = 0; count < 3; count += 1) clients.push(await WebSocketClient.open(gateway.port, '/x', [cookie]));
    expect(gateway.gateway.requestsInFlight).toBe(3);
    for (const client of clients) client.connection.close();
    await upstream[Symbol.asyncDispose]();
  });
});

describe('requests of one route', () => {
  test('S4: get 503 with Retry-After above the limit; other routes are served', async () => {
    const { upstream, answerAll } = await holdingUpstream();
    await using gateway = await startGateway({
      upstream: upstream.origin,
      routes: [
        { id: 'reports', match: { path: '/x' }, credential: 'none', maxRequests: 2 },
        { id: 'others', match: { path: '/' }, credential: 'none' },
      ],
    });
    const connections = await inProgress(gateway, upstream, [get(), get()]);
    const refused = await rawRequest(gateway.port, get());
    expect([...reasonOf(refused), refused.headers.get('retry-after')]).toEqual([503, 'overloaded', '1']);
    connections.push(...(await inProgress(gateway, upstream, [requestHead('GET', '/y', [HOST])])));
    answerAll();
    for (const connection of connections) expect((await connection.response()).status).toBe(200);
    const again = await inProgress(gateway, upstream, [get()]);
    answerAll();
    for (const connection of again) expect((await connection.response()).status).toBe(200);
    for (const connection of [...connections, ...again]) connection.close();
    expect(await gateway.metrics.text()).toContain('sallyport_requests_over_limit_total{limit="route"} 1\n');
    await upstream[Symbol.asyncDispose]();
  });
});

describe('connections of one client', () => {
  test.each(['plain', 'TLS'])('S4: are closed and counted above the limit, %s', async (form) => {
    await using upstream = await RecordingUpstream.start();
    using files = new CertificateFiles();
    const shop = () => files.write('shop', new TestAuthority().issue({ names: ['shop.example.com'] }));
    const tls = form === 'TLS' && { tls: { certificates: [shop()] } };
    await using gateway = await start(upstream, { listener: { ...tls, limits: { maxConnectionsPerClient: 2 } } });
    const [first, second] = [await RawConnection.open(gateway.port), await RawConnection.open(gateway.port)];
    await until(async () => (await gateway.gateway.connectionCount()) === 2, 'both are accepted');
    await using third = await RawConnection.open(gateway.port);
    expect(await third.remainder()).toHaveLength(0);
    const oneRefused = 'sallyport_connections_refused_total{reason="client"} 1\n';
    expect(await gateway.metrics.text()).toContain(oneRefused);
    first.close();
    await until(async () => (await gateway.gateway.connectionCount()) === 1, 'the first is gone');
    await using fourth = await RawConnection.open(gateway.port);
    await until(async () => (await gateway.gateway.connectionCount()) === 2, 'the fourth has come');
    expect(await gateway.metrics.text()).toContain(oneRefused);
    expect(fourth.isEnded).toBe(false);
    second.close();
  });

  test('S4: from a trusted proxy are not limited', async () => {
    await using upstream = await RecordingUpstream.start();
    const listener = { trustedProxies: ['127.0.0.0/8'], limits: { maxConnectionsPerClient: 1 } };
    await using gateway = await start(upstream, { listener });
    const connections = await Promise.all([1, 2, 3].map(() => RawConnection.open(gateway.port)));
    for (const connection of connections) {
      connection.write(get());
      expect((await connection.response()).status).toBe(200);
    }
    for (const connection of connections) connection.close();
  });
});
