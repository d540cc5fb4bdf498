/** §2.14: a WebSocket must pass every check that a request must pass, and ends when its session ends. */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestClocks } from '../support/clocks.ts';
import { HOST, startGateway, type TestGateway } from '../support/gateway.ts';
import { RawConnection, rawRequest } from '../support/raw-client.ts';
import { RawUpstream } from '../support/raw-upstream.ts';
import { until } from '../support/until.ts';
import {
  acceptHandshake,
  acceptKey,
  echoFrames,
  encodeFrame,
  handshake,
  OPCODES,
  startEchoUpstream,
  WebSocketClient,
} from '../support/websocket.ts';
import { BOB, canBeHttp2, type Expectation, type Row, Stage } from './harness.ts';

const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
const VERSION = 'Sec-WebSocket-Version: 13';
const OURS = 'Origin: https://shop.example.com';
const UPGRADE = ['Connection: Upgrade', 'Upgrade: websocket'];

const UNAUTHENTICATED: Expectation = { status: 401, reason: 'credential_missing', connection: 'closed' };
const FOREIGN: Expectation = { status: 403, reason: 'origin_forbidden', connection: 'closed' };
const UNSUPPORTED: Expectation = { status: 400, reason: 'upgrade_unsupported', connection: 'closed' };
/** Served like any other request. */
const IGNORED: Expectation = {
  status: 200,
  upstream: { headers: { upgrade: [], 'http2-settings': [] } },
  connection: 'in-sync',
};
const BAD_VERSION: Expectation = { status: 426, reason: 'websocket_version_unsupported', connection: 'closed' };

const row = (
  id: string,
  what: string,
  expected: Expectation,
  lines: readonly string[],
  requestLine = 'GET /x HTTP/1.1',
): Row => ({
  id,
  what,
  bytes: [requestLine, HOST, ...lines, '', ''].join('\r\n'),
  expect: expected,
});
const origin = (id: string, ...values: readonly string[]) =>
  values.map((value) =>
    row(id, `Origin ${JSON.stringify(value)} is refused`, FOREIGN, [...UPGRADE, VERSION, KEY, BOB, `Origin: ${value}`]),
  );
const refused = (id: string, what: string, expected: Expectation, lines: readonly string[], requestLine?: string) =>
  row(id, `${what} is refused`, expected, [BOB, OURS, ...lines], requestLine);

const ROWS: readonly Row[] = [
  row('WS-01', 'a handshake without a session is refused and dials no upstream', UNAUTHENTICATED, [
    ...UPGRADE,
    VERSION,
    KEY,
    OURS,
  ]),
  row('WS-01', 'a handshake with an unknown session is refused', { status: 401, connection: 'closed' }, [
    ...UPGRADE,
    VERSION,
    KEY,
    OURS,
    `Cookie: __Host-sid=${'e'.repeat(43)}`,
  ]),
  ...origin('WS-02', 'https://evil.com'),
  row('WS-03', 'a handshake with a session and without Origin is refused', FOREIGN, [...UPGRADE, VERSION, KEY, BOB]),
  row('WS-03', 'Sec-Fetch-Site does not make up for a foreign Origin', FOREIGN, [
    ...UPGRADE,
    VERSION,
    KEY,
    BOB,
    'Origin: https://evil.com',
    'Sec-Fetch-Site: same-origin',
  ]),
  ...origin(
    'WS-04',
    'null',
    'https://x.shop.example.com',
    'http://shop.example.com',
    'https://shop.example.com.evil.com',
  ),
  ...origin(
    'WS-04',
    'https://evilshop.example.com',
    'https://shop.example.com:8443',
    'https://shop.example.com@evil.com',
  ),
  ...origin(
    'WS-04',
    'wss://shop.example.com',
    'https://shop.example.com/x',
    '',
    'https://shop.example.com, https://evil.com',
  ),
  row('WS-04', 'two Origins are refused', FOREIGN, [...UPGRADE, VERSION, KEY, BOB, OURS, 'Origin: https://evil.com']),
  ...['websocket, h2c', 'h2c, websocket', ' WebSocket ,h2c'].map((value) =>
    refused('WS-06', `Upgrade: ${value}`, UNSUPPORTED, ['Connection: Upgrade', `Upgrade: ${value}`, VERSION, KEY]),
  ),
  refused('WS-06', 'Upgrade twice', UNSUPPORTED, [...UPGRADE, 'Upgrade: h2c', VERSION, KEY]),
  ...['h2c', 'TLS/1.0', 'websocket2', 'web socket', 'WebSocket/13'].map((value) =>
    row('WS-06', `Upgrade: ${value} is ignored (RFC 9110 §7.8)`, IGNORED, [
      'Connection: Upgrade',
      `Upgrade: ${value}`,
      BOB,
    ]),
  ),
  row('WS-06', 'the h2c offer of Java and curl is ignored and not forwarded', IGNORED, [
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABk',
    BOB,
  ]),
  {
    ...row(
      'WS-06',
      'a body after an h2c offer is read as a body',
      { ...IGNORED, upstream: { body: 'GET / HT', headers: { upgrade: [], 'http2-settings': [] } } },
      [],
    ),
    bytes: [
      'POST /x HTTP/1.1',
      HOST,
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABk',
      OURS,
      BOB,
      'Content-Length: 8',
      '',
      'GET / HT',
    ].join('\r\n'),
  },
  refused('WS-07', 'version 12', BAD_VERSION, [...UPGRADE, 'Sec-WebSocket-Version: 12', KEY]),
  refused('WS-07', 'no version', BAD_VERSION, [...UPGRADE, KEY]),
  refused('WS-07', 'two versions', BAD_VERSION, [...UPGRADE, VERSION, 'Sec-WebSocket-Version: 8', KEY]),
  refused('WS-07', 'no key', UNSUPPORTED, [...UPGRADE, VERSION]),
  ...[
    'dGhlIHNhbXBsZSBub25jZQ=',
    'dGhlIHNhbXBsZSBub25jZR==',
    'x',
    '',
    'dGhlIHNhbXBsZSBub25jZQ==,a',
    'dGhlIHNhbXBsZSBub25j Q==',
  ].map((key) =>
    refused('WS-07', `key ${JSON.stringify(key)}`, UNSUPPORTED, [...UPGRADE, VERSION, `Sec-WebSocket-Key: ${key}`]),
  ),
  refused('WS-07', 'two keys', UNSUPPORTED, [...UPGRADE, VERSION, KEY, KEY]),
  ...['POST', 'PUT', 'OPTIONS', 'DELETE'].map((method) =>
    refused('WS-07', `${method} with Upgrade`, UNSUPPORTED, [...UPGRADE, VERSION, KEY], `${method} /x HTTP/1.1`),
  ),
  refused('WS-07', 'a handshake on HTTP/1.0', UNSUPPORTED, [...UPGRADE, VERSION, KEY], 'GET /x HTTP/1.0'),
  {
    ...refused('WS-09', 'a handshake with Content-Length', UNSUPPORTED, [
      ...UPGRADE,
      VERSION,
      KEY,
      'Content-Length: 5',
    ]),
    bytes: [`GET /x HTTP/1.1`, HOST, BOB, OURS, ...UPGRADE, VERSION, KEY, 'Content-Length: 5', '', 'hello'].join(
      '\r\n',
    ),
  },
  {
    ...refused('WS-09', 'a handshake with Transfer-Encoding', UNSUPPORTED, []),
    bytes: [
      `GET /x HTTP/1.1`,
      HOST,
      BOB,
      OURS,
      ...UPGRADE,
      VERSION,
      KEY,
      'Transfer-Encoding: chunked',
      '',
      '0\r\n\r\n',
    ].join('\r\n'),
  },
  row(
    'WS-17',
    'a token in the query is ignored',
    UNAUTHENTICATED,
    [...UPGRADE, VERSION, KEY, OURS],
    'GET /x?access_token=canary-token HTTP/1.1',
  ),
  row('WS-17', 'a token as a subprotocol is ignored', UNAUTHENTICATED, [
    ...UPGRADE,
    VERSION,
    KEY,
    OURS,
    'Sec-WebSocket-Protocol: bearer, canary-token',
  ]),
];

/** Answers other than the requested upgrade; the client gets them as HTTP, without a tunnel. */
const REFUSALS = [200, 401, 403, 404, 426, 500, 503].map(
  (status): Row => ({
    id: 'WS-11',
    what: `a ${status} of the upstream is relayed as HTTP`,
    bytes: handshake('/x', [BOB]),
    answer: `HTTP/1.1 ${status} No\r\nContent-Length: 4\r\nX-Why: because\r\n\r\nmine`,
    expect: {
      status,
      upstream: {},
      connection: 'closed',
      also: ({ body, headers }) => {
        expect([body.toString(), headers.get('x-why')]).toEqual(['mine', 'because']);
      },
    },
  }),
);
const switching = (what: string, lines: readonly string[]): Row => ({
  id: 'WS-11',
  what: `a 101 ${what} is answered with 502`,
  bytes: handshake('/x', [BOB]),
  answer: ['HTTP/1.1 101 Switching Protocols', ...lines, '', '\x81\x02hi'].join('\r\n'),
  expect: { status: 502, reason: 'upstream_protocol', upstream: {}, connection: 'closed' },
});

describe('handshakes', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start({
      routes: [
        { id: 'public', match: { path: '/public' }, credential: 'none' },
        { id: 'app', match: { path: '/' }, credential: 'session' },
      ],
    });
  });
  afterAll(() => stage[Symbol.asyncDispose]());

  test.for(ROWS)('$id: $what', (played) => stage.play(played));

  test.for(ROWS.filter(canBeHttp2))('over HTTP/2, $id: $what', (row) => stage.playHttp2(row));

  test.for([
    ...REFUSALS,
    switching('without Upgrade', []),
    switching('without an accept', ['Connection: Upgrade', 'Upgrade: websocket']),
    switching('with an accept for another key', [
      'Connection: Upgrade',
      'Upgrade: websocket',
      `Sec-WebSocket-Accept: ${acceptKey('x')}`,
    ]),
    switching('to h2c', ['Connection: Upgrade', 'Upgrade: h2c']),
    switching('with two Upgrade lines', ['Connection: Upgrade', 'Upgrade: websocket', 'Upgrade: websocket']),
  ])('$id: $what', (played) => stage.play(played));

  test('WS-01: refused handshakes dial no upstream', async () => {
    await using upstream = await RawUpstream.start(() => {});
    await using gateway = await startGateway({ upstream: upstream.origin });
    for (const lines of [[], [await gateway.cookie(), 'Origin: https://evil.com']]) {
      await rawRequest(gateway.port, handshake('/x', lines, lines.length === 0 ? OURS : ''));
    }
    expect(upstream.connectionCount).toBe(0);
  });

  test('WS-06: a refused handshake closes the connection even if the client keeps it half open', async () => {
    await using gateway = await startGateway();
    const connection = await RawConnection.open(gateway.port);
    connection.socket.allowHalfOpen = true;
    connection.write(handshake('/x', ['Upgrade: h2c']));
    expect((await connection.response()).status).toBe(400);
    await once(connection.socket, 'end');
    await expect.poll(() => gateway.gateway.connectionCount()).toBe(0);
    connection.close();
  });

  test('WS-13: a client that disconnects from a refused handshake is noticed, even after sending data ahead', async () => {
    await using upstream = await RawUpstream.start((socket) =>
      socket.once('data', () => void socket.write('HTTP/1.1 200 OK\r\n\r\nwithout an end')),
    );
    await using gateway = await startGateway({ upstream: upstream.origin });
    await using connection = await RawConnection.open(gateway.port);
    connection.write(handshake('/x', [await gateway.cookie()]));
    connection.write(Buffer.alloc(1024 * 1024));
    await connection.bytes(1);
    connection.close();
    await until(() => gateway.gateway.requestsInFlight === 0, 'the request is over');
    expect(gateway.log.records.at(-1)).toMatchObject({ reason: 'downstream_aborted' });
  });

  test('WS-17: the query of a handshake is not logged', () => {
    expect(stage.gateway.log.text).not.toContain('canary-token');
  });
});

describe('tunnels', () => {
  let upstream: RawUpstream;
  let gateway: TestGateway;
  const clocks = new TestClocks();
  beforeAll(async () => {
    upstream = await startEchoUpstream();
    gateway = await startGateway({ upstream: upstream.origin, clocks });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  const open = async (user = 'bob') => WebSocketClient.open(gateway.port, '/chat', [await gateway.cookie(user)]);
  /** No tunnel has left anything behind on either side. */
  const allClosed = async () => {
    await expect.poll(() => upstream.openConnections).toBe(0);
    await expect.poll(() => gateway.gateway.connectionCount()).toBe(0);
    expect(gateway.gateway.requestsInFlight).toBe(0);
  };

  test("RFC 6455 §4.2.2: the upstream's answer to the handshake is relayed, and frames pass both ways", async () => {
    await using client = await open();
    expect(client.handshakeAnswer.headers.get('upgrade')).toBe('websocket');
    expect(client.handshakeAnswer.headers.has('content-length')).toBe(false);
    for (const message of ['hello', '', 'x'.repeat(125), 'y'.repeat(126), 'z'.repeat(70_000)]) {
      client.send(message);
      expect(await client.text()).toBe(message);
    }
  });

  test('WS-10: frames sent right after the handshake are delivered after it', async () => {
    await using connection = await RawConnection.open(gateway.port);
    const frames = ['one', 'two'].map((text) =>
      encodeFrame({ opcode: OPCODES.text, payload: Buffer.from(text) }, true),
    );
    connection.write(Buffer.concat([Buffer.from(handshake('/chat', [await gateway.cookie()])), ...frames]));
    const client = new WebSocketClient(connection, await connection.response());
    expect(client.handshakeAnswer.status).toBe(101);
    expect([await client.text(), await client.text()]).toEqual(['one', 'two']);
    client.send('three');
    expect(await client.text()).toBe('three');
  });

  test('WS-10: frames that the upstream sends right after its answer are delivered after it', async () => {
    const greeting = encodeFrame({ opcode: OPCODES.text, payload: Buffer.from('welcome') }, false);
    await using greeter = await RawUpstream.start((socket) => {
      socket.once('data', (head: Buffer) => {
        const key = /^sec-websocket-key: (.*)$/im.exec(head.toString())?.[1] ?? '';
        const answer = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n\r\n`;
        socket.write(Buffer.concat([Buffer.from(answer), greeting]));
      });
    });
    await using other = await startGateway({ upstream: greeter.origin });
    await using client = await WebSocketClient.open(other.port, '/chat', [await other.cookie()]);
    expect(await client.text()).toBe('welcome');
  });

  test('WS-12: a frame of 16 MiB passes whole', async () => {
    const frame = encodeFrame({ opcode: OPCODES.binary, payload: randomBytes(16 * 1024 * 1024) }, true);
    const received = createHash('sha256');
    let left = frame.length;
    await using sink = await RawUpstream.start((socket) =>
      acceptHandshake(socket, (behind) => {
        const take = (chunk: Buffer) => {
          received.update(chunk);
          left -= chunk.length;
          if (left === 0) socket.write(encodeFrame({ opcode: OPCODES.text, payload: Buffer.from('whole') }, false));
        };
        take(behind);
        socket.on('data', take);
      }),
    );
    await using other = await startGateway({ upstream: sink.origin });
    await using client = await WebSocketClient.open(other.port, '/chat', [await other.cookie()]);
    client.connection.write(frame);
    expect(await client.text()).toBe('whole');
    expect(received.digest('hex')).toBe(createHash('sha256').update(frame).digest('hex'));
  });

  test('WS-12: 20,000 one-byte fragments and 20,000 pings pass in order', async () => {
    await using client = await open();
    const fragment = encodeFrame({ opcode: OPCODES.continuation, payload: Buffer.from('f'), isFinal: false }, true);
    const ping = encodeFrame({ opcode: OPCODES.ping, payload: Buffer.from('p') }, true);
    client.connection.write(Buffer.concat(Array.from({ length: 40_000 }, (_, at) => (at % 2 === 0 ? fragment : ping))));
    client.send('done');
    const echoed = await client.connection.bytes(40_000 * 3);
    expect(echoed.every((byte, at) => at % 6 !== 2 || byte === 0x66)).toBe(true);
    expect(await client.text()).toBe('done');
  });

  test('P2, ASVS 7.3.1: data from the client keeps a session alive; automatic pongs do not', async () => {
    const clocks = new TestClocks();
    await using other = await startGateway({ upstream: upstream.origin, clocks });
    const cookie = await other.cookie();
    const client = await WebSocketClient.open(other.port, '/chat', [cookie]);
    const use = async (opcode: number) => {
      client.send('x', opcode);
      if (opcode === OPCODES.text) expect(await client.text()).toBe('x');
      await expect.poll(() => other.gateway.requestsInFlight).toBe(1);
      clocks.advance(20 * 60_000);
      other.gateway.sessions.sweepStreams();
    };
    for (let round = 0; round < 5; round += 1) await use(OPCODES.text);
    for (let round = 0; round < 2; round += 1) await use(OPCODES.pong);
    expect(await client.closeCode()).toBe(1008);
    client.close();
  });

  test('1,000 WebSockets at once echo what each sends', async () => {
    const cookie = await gateway.cookie();
    const clients: WebSocketClient[] = [];
    // One session may have this many handshakes in progress; open WebSockets do not count.
    while (clients.length < 1_000) {
      const handshakes = Array.from({ length: 200 }, () => WebSocketClient.open(gateway.port, '/chat', [cookie]));
      clients.push(...(await Promise.all(handshakes)));
    }
    for (const round of ['first', 'second']) {
      for (const [at, client] of clients.entries()) client.send(`${round} ${at}`);
      const echoes = await Promise.all(clients.map((client) => client.text()));
      expect(echoes).toEqual(clients.map((_, at) => `${round} ${at}`));
    }
    for (const client of clients) client.close();
    await allClosed();
  });

  test('WS-13: 1,000 WebSockets opened and closed in turn leave nothing behind, whichever side ends them and how', async () => {
    const cookie = await gateway.cookie();
    for (let round = 0; round < 1_000; round += 1) {
      const client = await WebSocketClient.open(gateway.port, '/chat', [cookie]);
      if (round % 4 === 0) client.close();
      else if (round % 4 === 1) client.connection.socket.resetAndDestroy();
      else if (round % 4 === 2) client.send(Buffer.from([0x03, 0xe8]), OPCODES.close);
      else for (const socket of upstream.sockets) socket.resetAndDestroy();
      await client.connection.remainder();
      client.close();
    }
    await allClosed();
  });

  test('WS-13: when one side ends, the other is closed even if it stays open', async () => {
    await using stayer = await RawUpstream.start((socket) => {
      socket.allowHalfOpen = true;
      acceptHandshake(socket, () => socket.resume());
    });
    await using other = await startGateway({ upstream: stayer.origin });
    const client = await WebSocketClient.open(other.port, '/chat', [await other.cookie()]);
    client.connection.socket.end();
    await expect.poll(() => other.gateway.requestsInFlight).toBe(0);
    expect(await other.gateway.connectionCount()).toBe(0);
    client.close();
  });

  test('WS-14: a WebSocket is closed on both sides, with 1008, when its session is revoked', async () => {
    const closes: number[] = [];
    await using watcher = await RawUpstream.start((socket) =>
      acceptHandshake(socket, (behind) => {
        echoFrames(socket, behind);
        socket.on('data', (chunk: Buffer) => closes.push((chunk[0] ?? 0) & 0x0f));
      }),
    );
    await using other = await startGateway({ upstream: watcher.origin });
    const cookie = await other.cookie('carol');
    await using client = await WebSocketClient.open(other.port, '/chat', [cookie]);
    await using bystander = await WebSocketClient.open(other.port, '/chat', [await other.cookie('dave')]);
    client.send('hello');
    await client.text();
    await other.gateway.sessions.endAll('carol', 'operator');
    expect(await client.closeCode()).toBe(1008);
    await client.connection.remainder();
    await expect.poll(() => closes).toContain(OPCODES.close);
    bystander.send('still here');
    expect(await bystander.text()).toBe('still here');
    const logged = () => other.log.records.find(({ status }) => status === 101);
    await expect.poll(logged).toMatchObject({ reason: 'session_unknown' });
  });

  test('WS-14: a Close frame is never sent in the middle of another frame', async () => {
    const halfFrame = encodeFrame({ opcode: OPCODES.binary, payload: Buffer.alloc(1_000, 'h') }, false).subarray(
      0,
      500,
    );
    await using stopper = await RawUpstream.start((socket) => acceptHandshake(socket, () => socket.write(halfFrame)));
    await using other = await startGateway({ upstream: stopper.origin });
    await using client = await WebSocketClient.open(other.port, '/chat', [await other.cookie('carol')]);
    await client.connection.bytes(500);
    await other.gateway.sessions.endAll('carol', 'operator');
    expect(await client.connection.remainder()).toHaveLength(0);
  });

  test('WS-14: a WebSocket is closed with 1008 when its session expires, used or not', async () => {
    await using used = await open('erin');
    await using unused = await open('frank');
    for (let minutes = 0; minutes < 40; minutes += 20) {
      clocks.advance(20 * 60_000);
      used.send('still here');
      expect(await used.text()).toBe('still here');
      gateway.gateway.sessions.sweepStreams();
    }
    expect(await unused.closeCode()).toBe(1008);
    clocks.advance(12 * 3_600_000);
    gateway.gateway.sessions.sweepStreams();
    expect(await used.closeCode()).toBe(1008);
  });

  test('WS-16: a client that does not read pauses the upstream, so that memory stays bounded', async () => {
    let sent = 0;
    const part = encodeFrame({ opcode: OPCODES.binary, payload: Buffer.alloc(64 * 1024) }, false);
    await using flood = await RawUpstream.start((socket) =>
      acceptHandshake(socket, () => {
        const pour = () => {
          while (sent < 2 ** 30 && socket.write(part)) sent += part.length;
          sent += part.length;
        };
        socket.on('drain', pour);
        pour();
      }),
    );
    await using other = await startGateway({ upstream: flood.origin });
    await using client = await WebSocketClient.open(other.port, '/chat', [await other.cookie()]);
    client.connection.socket.pause();
    const settled = async () => {
      const before = sent;
      await new Promise((resolve) => setTimeout(resolve, 200));
      return sent === before;
    };
    await expect.poll(settled).toBe(true);
    // What fits into the buffers of four sockets; the remaining 960 MiB wait.
    expect(sent).toBeLessThan(64 * 1024 * 1024);
  });

  test('WS-18: WebSockets count towards the limit of requests in progress', async () => {
    await using other = await startGateway({
      upstream: upstream.origin,
      config: {
        listeners: {
          public: { address: '127.0.0.1:0', limits: { maxConcurrentRequests: 2 } },
          admin: { address: '127.0.0.1:0' },
        },
      },
    });
    const cookie = await other.cookie();
    await using first = await WebSocketClient.open(other.port, '/chat', [cookie]);
    await using _second = await WebSocketClient.open(other.port, '/chat', [cookie]);
    expect((await rawRequest(other.port, handshake('/chat', [cookie]))).status).toBe(503);
    first.close();
    await expect.poll(() => other.gateway.requestsInFlight).toBe(1);
    await using _third = await WebSocketClient.open(other.port, '/chat', [cookie]);
  });

  test('WS-15: every WebSocket is closed with 1001 when the gateway shuts down', async () => {
    await using other = await startGateway({ upstream: upstream.origin, config: { shutdown: { timeout: '60s' } } });
    const cookie = await other.cookie();
    const clients = await Promise.all(
      Array.from({ length: 200 }, () => WebSocketClient.open(other.port, '/chat', [cookie])),
    );
    const codes = Promise.all(clients.map((client) => client.closeCode()));
    await other.gateway.drain();
    expect(new Set(await codes)).toEqual(new Set([1001]));
    for (const client of clients) client.close();
  });
});
