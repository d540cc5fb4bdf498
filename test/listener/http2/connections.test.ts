/** HTTP/2 connections: how they begin, what they may cost in time, and how they end. Timeouts are small; none is asserted. */

import { once } from 'node:events';
import { type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { TestClocks } from '../../support/clocks.ts';
import { PUBLIC_ORIGIN, startGateway, type TestGateway } from '../../support/gateway.ts';
import {
  answerOf,
  CODE,
  END_STREAM,
  FRAME,
  fieldBlock,
  frame,
  get,
  Http2Client,
  headersFrame,
  PREFACE,
  post,
  RawHttp2,
  uint32,
  windowUpdate,
} from '../../support/http2/client.ts';
import { CertificateFiles, TestAuthority } from '../../support/issuers/certificates.ts';
import { RawUpstream } from '../../support/raw-upstream.ts';
import { type Answer, RecordingUpstream } from '../../support/recording-upstream.ts';
import { until } from '../../support/until.ts';
import { acceptKey, decodeFrame, encodeFrame, OPCODES, startEchoUpstream } from '../../support/websocket.ts';
import { PUBLIC_ROUTE } from '../http1/support.ts';

const authority = new TestAuthority();
const files = new CertificateFiles();
afterAll(() => files[Symbol.dispose]());
const certificate = files.write('shop', authority.issue({ names: ['shop.example.com', 'other.example.com'] }));

interface Settings {
  readonly http2?: boolean;
  readonly tls?: object;
  readonly limits?: object;
  readonly timeouts?: object;
}

function start(
  upstream: RecordingUpstream | null,
  settings: Settings = { http2: true },
  more = {},
): Promise<TestGateway> {
  return startGateway({
    ...(upstream !== null && { upstream: upstream.origin }),
    routes: [{ ...PUBLIC_ROUTE, match: { host: '*', path: '/' } }],
    config: {
      publicOrigin: [PUBLIC_ORIGIN, 'https://other.example.com'],
      listeners: { public: { address: '127.0.0.1:0', ...settings }, admin: { address: '127.0.0.1:0' } },
      ...more,
    },
  });
}

const open = (settings: Settings) => ({ http2: true, ...settings });
const cuts = async (gateway: TestGateway, reason: string) =>
  Number(new RegExp(`connections_cut_total\\{reason="${reason}"\\} (\\d+)`).exec(await gateway.metrics.text())?.[1]);
const LARGE: Answer = (_request, socket) => {
  socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${1024 ** 3}\r\n\r\n`);
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  const more = () => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', more);
  more();
};

/** A client over TLS that asks for this name. */
function secure(port: number, servername = 'shop.example.com'): Http2Client {
  const options = { ca: authority.certificate, servername };
  return new Http2Client(connectHttp2(`https://127.0.0.1:${port}`, options));
}

describe('over TLS', () => {
  test.for([
    [undefined, ['h2', 'http/1.1'], 'h2'],
    [undefined, ['http/1.1', 'h2'], 'h2'],
    [undefined, ['http/1.1'], 'http/1.1'],
    [undefined, [], false],
    [false, ['h2', 'http/1.1'], 'http/1.1'],
  ] as const)('http2: %s, a client that offers %j speaks %s', async ([http2, offers, spoken]) => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await start(upstream, {
      tls: { certificates: [certificate] },
      ...(http2 === false && { http2 }),
    });
    const socket = connectTls({
      port: gateway.port,
      host: '127.0.0.1',
      servername: 'shop.example.com',
      ca: authority.certificate,
      ALPNProtocols: [...offers],
    });
    await once(socket, 'secureConnect');
    expect(socket.alpnProtocol).toBe(spoken);
    if (spoken === 'h2') {
      await using client = new Http2Client(connectHttp2('https://x', { createConnection: () => socket }));
      expect((await client.get('/')).status).toBe(200);
    } else {
      socket.write('GET / HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n');
      expect(String((await once(socket, 'data'))[0])).toMatch(/^HTTP\/1\.1 200 /);
    }
    socket.destroy();
  });

  test('HST-13, RFC 9113 §9.1.2: a request for another name gets 421, and the connection stays open', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await start(upstream, { tls: { certificates: [certificate] } });
    await using client = secure(gateway.port);
    for (const [host, status] of [
      ['shop.example.com', 200],
      ['other.example.com', 421],
      ['nobody.test', 421],
      ['SHOP.example.com.', 200],
    ] as const) {
      expect((await client.get('/', { ':authority': host })).status).toBe(status);
    }
    expect((await client.get('/', { ':scheme': 'http' })).status).toBe(400);
    await using other = secure(gateway.port, 'other.example.com');
    expect((await other.get('/', { ':authority': 'other.example.com' })).status).toBe(200);
    expect(upstream.requests).toHaveLength(3);
    expect(upstream.last.values('x-forwarded-proto')).toEqual(['https']);
  });

  test('a client certificate that the CA has not signed is refused as on HTTP/1.1', async () => {
    const clients = files.text('clients.crt', new TestAuthority('Client authority').certificate);
    const tls = { certificates: [certificate], clientCertificates: { caFile: clients, mode: 'request' } };
    await using gateway = await start(null, { tls });
    const { certificate: cert, key } = new TestAuthority('Stranger').issue({ names: ['client'] });
    const options = { ca: authority.certificate, servername: 'shop.example.com', cert, key };
    await using client = new Http2Client(connectHttp2(`https://127.0.0.1:${gateway.port}`, options));
    await once(client.session, 'close');
    expect(await gateway.metrics.text()).toContain('sallyport_connections_refused_total{reason="tls"} 1\n');
  });
});

describe('time', () => {
  test.each([
    ['nothing', ''],
    ['part of the preface', 'PRI * HT'],
    ['the preface but no settings', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('DOS-01: a client that sends %s is closed', async (_what, bytes) => {
    await using gateway = await start(null, open({ timeouts: { headers: '200ms' } }));
    await using connection = await RawHttp2.open(gateway.port, '');
    connection.write(Buffer.from(bytes));
    await connection.ended();
    await until(async () => (await gateway.gateway.connectionCount()) === 0, 'the connection is gone');
  });

  test('S8: an idle connection is closed with GOAWAY, and PINGs or a partial head do not keep it open', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await start(upstream, open({ timeouts: { keepAlive: '1s', headers: '1s' } }));
    await using quiet = await RawHttp2.open(gateway.port);
    expect((await quiet.request(1, get('/'))).status).toBe(200);
    expect(await quiet.ended()).toBe(CODE.none);
    await using loud = await RawHttp2.open(gateway.port);
    const drip = setInterval(() => loud.write(frame(FRAME.ping, 0, 0, '12345678')), 20);
    await loud.ended();
    clearInterval(drip);
    await using half = await RawHttp2.open(gateway.port);
    half.write(frame(FRAME.headers, END_STREAM, 1, fieldBlock(get('/'))));
    await half.ended();
    await until(async () => (await gateway.gateway.connectionCount()) === 0, 'the connections are gone');
  });

  test('DOS-02: a stalled request body gets 408, and other requests on the connection continue', async () => {
    await using upstream = await RecordingUpstream.start((request, socket) => {
      if (request.head.startsWith('GET')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    await using gateway = await start(upstream, open({ timeouts: { bodyIdle: '200ms' } }));
    await using connection = await RawHttp2.open(gateway.port);
    const stalled = connection.request(1, post('/'), frame(FRAME.data, 0, 1, 'begun'));
    expect((await stalled).body).toContain('"request_timeout"');
    expect((await connection.request(3, get('/'))).status).toBe(200);
  });

  test('S4: the time of a whole request is bounded, however fast its body arrives', async () => {
    await using upstream = await RecordingUpstream.start(() => {});
    await using gateway = await start(upstream, open({ timeouts: { transfer: '1s', headers: '1s' } }));
    await using connection = await RawHttp2.open(gateway.port);
    connection.write(headersFrame(1, post('/'), 0));
    const flow = setInterval(() => connection.write(frame(FRAME.data, 0, 1, 'x')), 20);
    expect((await connection.outcome(1)).body).toContain('"request_timeout"');
    clearInterval(flow);
    await until(() => upstream.openConnections === 0, 'the upstream connection is gone');
  });

  test.each([
    ['reads nothing of its answer', 'stalled_reader', { send: '100ms' }, {}, () => {}],
    [
      'reads its answer below the minimum rate',
      'slow_reader',
      { send: '200ms' },
      { minDownloadRate: '1GiB' },
      (connection: RawHttp2) => connection.write(windowUpdate(1, 10_000), windowUpdate(0, 10_000)),
    ],
    [
      'reads its answer for too long',
      'transfer',
      { transfer: '500ms' },
      {},
      (connection: RawHttp2) => connection.write(windowUpdate(1, 100), windowUpdate(0, 100)),
    ],
  ] as const)(
    'DOS-04: a client that %s loses the request, not the connection',
    async (_what, reason, timeouts, limits, sip) => {
      await using upstream = await RecordingUpstream.start((request, socket) =>
        request.head.includes('/small')
          ? void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
          : LARGE(request, socket),
      );
      await using gateway = await start(upstream, open({ timeouts, limits }));
      await using connection = await RawHttp2.open(gateway.port);
      connection.write(headersFrame(1, get('/large')));
      const sips = setInterval(() => sip(connection), 10);
      expect((await connection.outcome(1)).reset).toBe(CODE.internal);
      clearInterval(sips);
      await until(() => upstream.openConnections === 0, 'the upstream connection is gone');
      expect(await cuts(gateway, reason)).toBe(1);
      connection.write(windowUpdate(0, 1_000_000));
      expect((await connection.request(3, get('/small'))).status).toBe(200);
    },
  );

  test('DOS-04: a client that reads nothing at all is closed', async () => {
    await using upstream = await RecordingUpstream.start(LARGE);
    const timeouts = { send: '200ms', keepAlive: '1s', headers: '1s' };
    await using gateway = await start(upstream, open({ timeouts }));
    await using connection = await RawHttp2.open(gateway.port);
    connection.write(frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(0x7fffffff)])));
    connection.write(windowUpdate(0, 0x7fff0000), headersFrame(1, get('/')));
    await until(() => connection.of(FRAME.data).length > 0, 'the answer has begun');
    connection.socket.pause();
    await until(async () => (await gateway.gateway.connectionCount()) === 0, 'the connection is gone');
    expect(gateway.gateway.requestsInFlight).toBe(0);
  });

  test('S4: a stream with nothing to read outlasts all of these timeouts', async () => {
    await using upstream = await RecordingUpstream.start((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst');
      setTimeout(() => socket.write('later'), 2_500);
    });
    const timeouts = { send: '200ms', keepAlive: '1s', headers: '1s', transfer: '1s' };
    await using gateway = await start(upstream, open({ timeouts }));
    await using client = Http2Client.plain(gateway.port);
    expect((await client.get('/')).body).toBe('firstlater');
  });
});

describe('numbers', () => {
  const GOAWAY = frame(FRAME.goaway, 0, 0, uint32(0, 0));
  test.each([
    ['from its client', {}, [GOAWAY]],
    ['from the gateway', { maxRequestsPerConnection: 1 }, []],
  ] as const)(
    'DATA that ends a connection after a GOAWAY %s leaves no request behind',
    async (_whose, limits, first) => {
      await using upstream = await RecordingUpstream.start(() => {});
      await using gateway = await start(upstream, open({ limits, timeouts: { send: '100ms', headers: '1s' } }));
      await using client = await RawHttp2.open(gateway.port);
      client.write(headersFrame(1, get('/x')), ...first);
      await upstream.received(1);
      // The client has ended this stream: nghttp2 gives the connection up.
      client.write(frame(FRAME.data, 0, 1, 'more'));
      await until(() => gateway.gateway.requestsInFlight === 0, 'the request is over');
      await until(() => gateway.gateway.connectionCount() === 0, 'the connection is closed');
      expect(await cuts(gateway, 'stalled_reader')).toBe(1);
    },
  );

  test('a client that has sent GOAWAY but acknowledges SETTINGS may finish a slow request', async () => {
    await using upstream = await RecordingUpstream.start();
    const clocks = new TestClocks();
    const config = { listeners: { public: { address: '127.0.0.1:0', ...open({ timeouts: { headers: '1s' } }) } } };
    await using gateway = await startGateway({ upstream: upstream.origin, routes: [PUBLIC_ROUTE], config, clocks });
    await using client = Http2Client.plain(gateway.port);
    let settings = 0;
    client.session.on('remoteSettings', () => {
      settings += 1;
    });
    const stream = client.begin({ ':method': 'POST', ':path': '/x' }, null);
    const answer = answerOf(stream);
    stream.write('begun');
    await until(() => upstream.text.includes('begun') && settings === 1, 'the request has begun');
    client.session.goaway();
    for (let round = 1; round <= 3; round += 1) {
      await until(() => settings === 1 + round, 'the gateway asks whether it is there');
      // Once this has arrived, so has the acknowledgement.
      stream.write(`part${round}`);
      await until(() => upstream.text.includes(`part${round}`), 'the client has answered');
      clocks.advance(61_000);
    }
    stream.end();
    expect((await answer).status).toBe(200);
  });

  test('the last request allowed on a connection ends it with GOAWAY, and no later one begins', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await start(upstream, open({ limits: { maxRequestsPerConnection: 2 } }));
    await using connection = await RawHttp2.open(gateway.port);
    expect((await connection.request(1, get('/'))).status).toBe(200);
    connection.write(headersFrame(3, get('/')));
    expect((await connection.outcome(3)).status).toBe(200);
    connection.write(headersFrame(5, get('/')));
    expect(await connection.ended()).toBe(CODE.none);
    expect(upstream.requests).toHaveLength(2);
    expect(connection.of(FRAME.goaway)[0]?.payload.readUInt32BE()).toBe(3);
  });

  test('DOS-06: a connection over the limit is closed at once, whatever its protocol', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await start(upstream, open({ limits: { maxConnections: 1 } }));
    await using first = await RawHttp2.open(gateway.port);
    expect((await first.request(1, get('/'))).status).toBe(200);
    await using second = await RawHttp2.open(gateway.port);
    await second.ended();
    expect(await gateway.metrics.text()).toContain('sallyport_connections_refused_total{reason="limit"} 1\n');
    await until(async () => (await gateway.gateway.connectionCount()) === 1, 'the second connection is gone');
  });

  test('requests over the limit of concurrent requests get 503, each by itself', async () => {
    const held: Socket[] = [];
    await using upstream = await RecordingUpstream.start((_request, socket) => void held.push(socket));
    await using gateway = await start(upstream, open({ limits: { maxConcurrentRequests: 2 } }));
    await using client = Http2Client.plain(gateway.port);
    const first = [client.get('/'), client.get('/')];
    await upstream.received(2);
    const third = await client.get('/');
    expect([third.status, third.headers['retry-after']]).toEqual([503, '1']);
    for (const socket of held) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200]);
  });

  test('H2-08: streams that are reset during their answers and trailers leave nothing behind', async () => {
    await using upstream = await RecordingUpstream.start((_request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n');
      setImmediate(() => socket.write('2\r\nok\r\n'));
      setImmediate(() => setImmediate(() => socket.write('0\r\n\r\n')));
    });
    await using gateway = await start(upstream, open({ limits: { maxStreamResets: 10_000 } }));
    await using connection = await RawHttp2.open(gateway.port);
    for (let at = 0; at < 300; at += 1) {
      const id = 2 * at + 1;
      connection.write(headersFrame(id, get('/')));
      for (let turn = 0; turn < at % 12; turn += 1) await new Promise(setImmediate);
      connection.write(frame(FRAME.reset, 0, id, uint32(at % 2 === 0 ? CODE.cancel : CODE.none)));
    }
    await until(() => gateway.gateway.requestsInFlight === 0, 'nothing is in progress');
    expect((await connection.request(1_001, get('/'))).body).toBe('okok');
  });
});

describe('the end', () => {
  test('RFC 9113 §6.8: a drain sends clients elsewhere, answers requests in flight, and loses none', async () => {
    const held: Socket[] = [];
    await using upstream = await RecordingUpstream.start((_request, socket) => void held.push(socket));
    await using gateway = await start(upstream, open({}), { shutdown: { timeout: '30s' } });
    await using busy = await RawHttp2.open(gateway.port);
    await using idle = await RawHttp2.open(gateway.port);
    await until(
      async () => (await gateway.gateway.connectionCount()) === 2 && idle.of(FRAME.settings).length === 2,
      'both are open',
    );
    busy.write(headersFrame(1, get('/1')));
    await upstream.received(1);
    await using late = await RawHttp2.open(gateway.port, '');
    await until(
      async () => (await gateway.gateway.connectionCount()) === 3,
      'a third one is open that has said nothing',
    );
    const drained = gateway.gateway.drain();
    await idle.ended();
    await until(() => busy.of(FRAME.goaway).length > 0, 'the busy one is told');
    expect(busy.of(FRAME.goaway)[0]?.payload.readUInt32BE()).toBe(1);
    // Above the last accepted stream: the client may send it elsewhere.
    busy.write(headersFrame(3, get('/2')));
    late.write(PREFACE, frame(FRAME.settings, 0, 0), headersFrame(1, get('/3')));
    await upstream.received(2);
    for (const socket of held) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    for (const connection of [busy, late]) {
      expect(await connection.outcome(1)).toMatchObject({ status: 200, body: 'ok' });
      expect(await connection.ended()).toBe(CODE.none);
    }
    expect(upstream.requests.map(({ head }) => head.split(' ')[1])).toEqual(['/1', '/3']);
    await drained;
  });

  test('clients that send constantly lose nothing when the gateway drains', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await start(upstream, open({}), { shutdown: { timeout: '30s' } });
    const client = Http2Client.plain(gateway.port);
    const outcomes: string[] = [];
    let isLeaving = false;
    client.session.on('goaway', () => {
      isLeaving = true;
    });
    const asking = (async () => {
      while (!isLeaving && !client.session.closed) {
        const { status, code } = await client.get('/');
        outcomes.push(`${status} ${code}`);
      }
    })();
    await until(() => outcomes.length > 20, 'requests are under way');
    await gateway.gateway.drain();
    await asking;
    // Node's client announces its own end before it sends requests already begun; they are refused and may be retried.
    const answered = outcomes.filter((outcome) => outcome !== `undefined ${CODE.refused}`);
    expect(new Set(answered)).toEqual(new Set(['200 0']));
    expect(upstream.requests).toHaveLength(answered.length);
  });

  test('closing without a drain ends every connection at once', async () => {
    await using upstream = await RecordingUpstream.start(() => {});
    const gateway = await start(upstream);
    await using connection = await RawHttp2.open(gateway.port);
    connection.write(headersFrame(1, get('/')));
    await upstream.received(1);
    await gateway.gateway.close();
    await connection.ended();
    await until(() => upstream.openConnections === 0, 'the upstream connection is gone');
  });

  test('requests after a reload use the new configuration, even on an open connection', async () => {
    await using first = await RecordingUpstream.start();
    await using second = await RecordingUpstream.start();
    await using gateway = await start(first);
    await using client = Http2Client.plain(gateway.port);
    await client.get('/');
    const { config } = gateway.gateway;
    const app = config.upstreams['app'] as (typeof config.upstreams)[string];
    await gateway.apply({ ...config, upstreams: { app: { ...app, endpoints: [second.origin] } } });
    await client.get('/');
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
  });
});

describe('RFC 8441: a WebSocket', () => {
  const headersOf = async (gateway: TestGateway, origin = PUBLIC_ORIGIN) => ({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':scheme': 'https',
    ':path': '/chat',
    'sec-websocket-version': '13',
    cookie: (await gateway.cookie()).replace('Cookie: ', ''),
    origin,
  });
  const text = (payload: string) => encodeFrame({ opcode: OPCODES.text, payload: Buffer.from(payload) }, true);

  const listening = (limits = {}) => ({
    listeners: { public: { address: '127.0.0.1:0', http2: true, limits }, admin: { address: '127.0.0.1:0' } },
  });

  async function startChat(limits = {}) {
    const upstream = await startEchoUpstream();
    const gateway = await startGateway({ upstream: upstream.origin, config: listening(limits) });
    const client = Http2Client.plain(gateway.port);
    await once(client.session, 'remoteSettings');
    expect(client.session.remoteSettings.enableConnectProtocol).toBe(true);
    return { upstream, gateway, client };
  }

  /** Reads frames off a stream. */
  class Frames {
    #bytes: Buffer = Buffer.alloc(0);
    constructor(stream: ClientHttp2Stream) {
      stream.on('data', (part: Buffer) => {
        this.#bytes = Buffer.concat([this.#bytes, part]);
      });
    }
    async next(): Promise<string> {
      await until(() => decodeFrame(this.#bytes) !== null, 'a frame is here');
      const { frame: decoded, rest } = decodeFrame(this.#bytes) as NonNullable<ReturnType<typeof decodeFrame>>;
      this.#bytes = rest;
      return `${decoded.opcode} ${decoded.payload.toString('latin1')}`;
    }
  }

  test('may carry the key of a proxied client, which the answer proves; two keys are refused', async () => {
    const { upstream, gateway, client } = await startChat();
    await using _parts = new AsyncDisposableStack();
    for (const part of [client, gateway, upstream].reverse()) _parts.use(part);
    const key = 'dGhlIHNhbXBsZSBub25jZQ==';
    const answerTo = async (keys: string | string[]) => {
      const stream = client.begin({ ...(await headersOf(gateway)), 'sec-websocket-key': keys }, null);
      const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
      stream.close();
      return [head[':status'], head['sec-websocket-accept']];
    };
    expect(await answerTo(key)).toEqual([200, acceptKey(key)]);
    expect(await answerTo([key, key])).toEqual([400, undefined]);
    expect(await answerTo('no key')).toEqual([400, undefined]);
  });

  test('opens as over HTTP/1.1, relays both ways, and ends with either side', async () => {
    const { upstream, gateway, client } = await startChat();
    await using _parts = new AsyncDisposableStack();
    for (const part of [client, gateway, upstream].reverse()) _parts.use(part);
    const stream = client.begin(await headersOf(gateway), null);
    const frames = new Frames(stream);
    stream.write(text('ahead of the answer'));
    const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
    expect([head[':status'], head['sec-websocket-accept'], head['upgrade']]).toEqual([200, undefined, undefined]);
    expect(await frames.next()).toBe('1 ahead of the answer');
    for (const message of ['hello', 'x'.repeat(100_000)]) {
      stream.write(text(message));
      expect(await frames.next()).toBe(`1 ${message}`);
    }
    // Plain requests continue alongside.
    expect((await client.get('/', { cookie: 'a=1' })).status).toBe(401);
    stream.write(encodeFrame({ opcode: OPCODES.close, payload: Buffer.of(0x03, 0xe8) }, true));
    expect(await frames.next()).toBe('8 \x03\xe8');
    stream.end();
    await once(stream, 'close');
    await until(() => upstream.openConnections === 0, 'the upstream connection is gone');
    await until(() => gateway.gateway.requestsInFlight === 0, 'it is over');
    expect(gateway.log.records.at(-1)).toMatchObject({ httpVersion: '2', status: 101, path: '/chat' });
    expect(client.session.closed).toBe(false);
  });

  test.each(['reset', 'connection'])('ends at the upstream when its client leaves (%s)', async (how) => {
    const { upstream, gateway, client } = await startChat();
    await using _parts = new AsyncDisposableStack();
    for (const part of [client, gateway, upstream].reverse()) _parts.use(part);
    const stream = client.begin(await headersOf(gateway), null);
    await once(stream, 'response');
    if (how === 'reset') stream.close(CODE.cancel);
    else client.session.destroy();
    await until(() => upstream.openConnections === 0, 'the upstream connection is gone');
    await until(() => gateway.gateway.requestsInFlight === 0, 'it is over');
  });

  test.each([
    ['a page', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n\x81\x02hi'],
    ['an empty answer', 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['a partial answer', 'HTTP/1.1 206 Partial Content\r\nContent-Length: 4\r\n\r\n\x81\x02hi'],
  ])('WS-11, RFC 8441 §5: is not opened by an upstream that answers with %s', async (_what, answer) => {
    await using upstream = await RawUpstream.start((socket) =>
      socket.on('data', () => void socket.write(answer, 'latin1')),
    );
    await using gateway = await startGateway({ upstream: upstream.origin, config: listening() });
    await using client = Http2Client.plain(gateway.port);
    await once(client.session, 'remoteSettings');
    expect((await answerOf(client.begin(await headersOf(gateway), null))).status).toBe(502);
  });

  test.each([
    ['/.well-known/jwks.json', {}, 502],
    ['/chat', { 'content-type': 'application/grpc', origin: 'https://evil.test' }, 403],
  ])('RFC 8441 §5: is not opened by an answer of the gateway itself at %s', async (path, fields, status) => {
    const { upstream, gateway, client } = await startChat();
    await using _parts = new AsyncDisposableStack();
    for (const part of [client, gateway, upstream].reverse()) _parts.use(part);
    const answer = await answerOf(client.begin({ ...(await headersOf(gateway)), ':path': path, ...fields }, null));
    expect(answer.status).toBe(status);
  });

  test('H2-01: orderly closes are not a flood, resets are', async () => {
    const { upstream, gateway, client } = await startChat({ maxStreamResets: 10 });
    await using _parts = new AsyncDisposableStack();
    for (const part of [client, gateway, upstream].reverse()) _parts.use(part);
    const open = async () => {
      const stream = client.begin(await headersOf(gateway), null);
      await once(stream, 'response');
      return stream;
    };
    const close = encodeFrame({ opcode: OPCODES.close, payload: Buffer.of(0x03, 0xe8) }, true);
    for (let at = 0; at < 30; at += 1) {
      const stream = await open();
      stream.resume().end(close);
      await once(stream, 'close');
    }
    expect(client.session.closed).toBe(false);
    // Until the connection is cut.
    const resetAll = async () => {
      for (;;) (await open()).close(CODE.cancel);
    };
    const [cut] = await Promise.all([once(client.session, 'goaway'), resetAll().catch(() => {})]);
    expect(cut[0]).toBe(CODE.calm);
  });

  test('WS-02: is refused for a foreign Origin without dialling an upstream', async () => {
    const { upstream, gateway, client } = await startChat();
    await using _parts = new AsyncDisposableStack();
    for (const part of [client, gateway, upstream].reverse()) _parts.use(part);
    const answer = await answerOf(client.begin(await headersOf(gateway, 'https://evil.test'), null));
    expect([answer.status, (JSON.parse(answer.body) as { reason: string }).reason]).toEqual([403, 'origin_forbidden']);
    expect(upstream.connectionCount).toBe(0);
  });

  test('WS-14: is closed with 1008 when its session ends, and with 1001 when the gateway drains', async () => {
    const { upstream, gateway, client } = await startChat();
    await using _parts = new AsyncDisposableStack();
    for (const part of [client, gateway, upstream].reverse()) _parts.use(part);
    const headers = await headersOf(gateway);
    const frames: Frames[] = [];
    for (const cookie of [headers.cookie, (await gateway.cookie('ann')).replace('Cookie: ', '')]) {
      const stream = client.begin({ ...headers, cookie }, null);
      frames.push(new Frames(stream));
      await once(stream, 'response');
    }
    await gateway.gateway.sessions.endAll('bob', 'operator');
    expect(await frames[0]?.next()).toMatch(/^8 \x03\xf0/);
    const drained = gateway.gateway.drain();
    expect(await frames[1]?.next()).toMatch(/^8 \x03\xe9/);
    await drained;
  });
});
