/**
 * §2.6: attacks that only HTTP/2 allows, in frames written by hand. Anything malformed ends its stream or the connection, and
 * reaches no upstream; anything too frequent ends the connection. Attacks that both protocols allow are in the tables of the
 * other files here, and are played over both.
 */

import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import {
  CODE,
  END_HEADERS,
  END_STREAM,
  type Field,
  FRAME,
  fieldBlock,
  frame,
  get,
  headersFrame,
  indexedField,
  post,
  RawHttp2,
  resetFrame,
  uint32,
  windowUpdate,
} from '../support/http2/client.ts';
import { type Answer, RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

const GET = get('/x');
const [METHOD, SCHEME, PATH, AUTHORITY] = GET as [Field, Field, Field, Field];
const OK: Answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
const times = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));

/** Patterns for the outcome: the stream is reset, or the request is refused with a problem document. */
const RESET = { status: null, reset: CODE.protocol };
const CALM = { status: null, reset: CODE.calm };
const refused = (status: number, reason: string) => ({
  status,
  reset: null,
  body: expect.stringContaining(`"${reason}"`),
});

interface Row {
  readonly id: string;
  readonly what: string;
  readonly fields: readonly Field[];
  /** What follows the head. Default: nothing, and the head ends the stream. */
  readonly more?: readonly Buffer[];
  readonly expected: object;
}

const row = (id: string, what: string, fields: readonly Field[], expected: object = RESET): Row => ({
  id,
  what,
  fields,
  expected,
});
const withBody = (
  id: string,
  what: string,
  fields: readonly Field[],
  more: readonly Buffer[],
  expected: object = RESET,
): Row => ({
  id,
  what,
  fields,
  more,
  expected,
});

const ABC = frame(FRAME.data, END_STREAM, 1, 'abc');
const OPEN_ABC = frame(FRAME.data, 0, 1, 'abc');

const ROWS: readonly Row[] = [
  row('H2-06', 'a name in upper case', [...GET, ['X-A', '1']]),
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map((name) =>
    row('H2-06', `the header ${name}`, [...GET, [name, 'close']]),
  ),
  row('H2-06', 'te: gzip', [...GET, ['te', 'gzip']]),
  row('H2-06', 'te: trailers, gzip', [...GET, ['te', 'trailers, gzip']]),
  row('H2-06', 'an empty :path', get('')),
  row('H2-06', ':path *', get('*')),
  row('H2-06', ':path without a slash', get('x')),
  row('H2-06', ':path in absolute form', get('http://shop.example.com/x')),
  row('H2-06', ':path with a fragment', get('/x#y'), refused(400, 'request_ambiguous')),
  ...['/x y', '/x\ny', '/x HTTP/1.1\r\nHost: evil.test\r\n\r\n', '/x\0', '/\x7f'].map((path) =>
    row('H2-06', `:path ${JSON.stringify(path)}`, get(path)),
  ),
  ...['GET\n', 'GET / HTTP/1.1\r\nX: y', 'GET /admin HTTP/1.1', ''].map((method) =>
    row('H2-06', `:method ${JSON.stringify(method)}`, [[':method', method], SCHEME, PATH, AUTHORITY]),
  ),
  ...['get', 'FOO', 'PRI'].map((method) =>
    row(
      'H2-06',
      `:method ${method}`,
      [[':method', method], SCHEME, PATH, AUTHORITY],
      refused(400, 'request_malformed'),
    ),
  ),
  ...[METHOD, SCHEME, PATH].map((field) =>
    row(
      'H2-06',
      `no ${field[0]}`,
      GET.filter((each) => each !== field),
    ),
  ),
  ...GET.map((field) => row('H2-06', `${field[0]} twice`, [...GET, field])),
  row('H2-06', 'a pseudo-header after a header', [METHOD, SCHEME, ['x-a', '1'], PATH, AUTHORITY]),
  row('H2-06', 'an unknown pseudo-header', [...GET, [':foo', '1']]),
  row('H2-06', ':status in a request', [...GET, [':status', '200']]),
  row('H2-10', ':authority and a different Host', [...GET, ['host', 'evil.test']], refused(400, 'request_ambiguous')),
  row('H2-10', ':authority and two Hosts', [...GET, ['host', 'shop.example.com'], ['host', 'evil.test']]),
  row('H2-10', 'Host twice, without :authority', [
    METHOD,
    SCHEME,
    PATH,
    ['host', 'shop.example.com'],
    ['host', 'shop.example.com'],
  ]),
  row('H2-10', 'neither :authority nor Host', [METHOD, SCHEME, PATH]),
  row('H2-10', ':authority of a host that is not served', get('/x', 'evil.test'), refused(421, 'host_not_served')),
  ...['', 'user@shop.example.com', 'shop.example.com\r\nx: y', 'shop.example.com/x', 'shop.example.com#'].map(
    (authority) =>
      row(
        'H2-10',
        `:authority ${JSON.stringify(authority)}`,
        get('/x', authority),
        expect.objectContaining({ reset: expect.anything() }),
      ),
  ),
  row(
    'H2-10',
    ':authority with an impossible port',
    get('/x', 'shop.example.com:99999'),
    refused(400, 'request_malformed'),
  ),
  ...['ftp', 'HTTP', 'httpss'].map((scheme) =>
    row(
      'H2-10',
      `:scheme ${scheme}`,
      [METHOD, [':scheme', scheme], PATH, AUTHORITY],
      refused(400, 'request_malformed'),
    ),
  ),
  row('H2-10', ':scheme with a line break', [METHOD, [':scheme', 'http\r\n'], PATH, AUTHORITY]),
  row(
    'H2-10',
    'CONNECT',
    [
      [':method', 'CONNECT'],
      [':authority', 'shop.example.com:443'],
    ],
    refused(405, 'method_not_allowed'),
  ),
  row('H2-10', 'CONNECT with a path', [[':method', 'CONNECT'], SCHEME, PATH, AUTHORITY]),
  row('H2-10', ':protocol without CONNECT', [...GET, [':protocol', 'websocket']]),
  row(
    'H2-10',
    'extended CONNECT to anything but a WebSocket',
    [[':method', 'CONNECT'], [':protocol', 'connect-udp'], SCHEME, PATH, AUTHORITY],
    refused(400, 'upgrade_unsupported'),
  ),
  row('SMG-05', 'Content-Length of a request without a body', [...post('/x'), ['content-length', '5']]),
  withBody('SMG-05', 'a body shorter than its Content-Length', [...post('/x'), ['content-length', '5']], [ABC]),
  withBody('SMG-03', 'Content-Length twice', [...post('/x'), ['content-length', '3'], ['content-length', '3']], [ABC]),
  ...['+3', '3, 3', '0x3', '-3', '3.0', ''].map((length) =>
    withBody('SMG-05', `Content-Length ${JSON.stringify(length)}`, [...post('/x'), ['content-length', length]], [ABC]),
  ),
  withBody(
    'SMG-06',
    'Content-Length 03',
    [...post('/x'), ['content-length', '03']],
    [ABC],
    refused(400, 'request_ambiguous'),
  ),
  withBody('H2-06', 'a pseudo-header among trailers', post('/x'), [OPEN_ABC, headersFrame(1, [[':path', '/y']])]),
  withBody('H2-06', 'Transfer-Encoding among trailers', post('/x'), [
    OPEN_ABC,
    headersFrame(1, [['transfer-encoding', 'chunked']]),
  ]),
  withBody('H2-06', 'trailers that do not end the stream', post('/x'), [OPEN_ABC, headersFrame(1, [['x', 'y']], 0)]),
  row(
    'H2-05',
    '150 headers',
    [...GET, ...times(150, (at): Field => [`x-${at}`, '1'])],
    refused(431, 'headers_too_large'),
  ),
  row('H2-05', '500 headers', [...GET, ...times(500, (at): Field => [`x-${at}`, '1'])], CALM),
  row(
    'COK-13',
    'a Cookie header in 101 fields',
    [...GET, ...times(101, (at): Field => ['cookie', `c${at}=1`])],
    refused(431, 'headers_too_large'),
  ),
  row(
    'COK-13',
    'a Cookie header in fields that add up to too many bytes',
    [...GET, ...times(9, (at): Field => ['cookie', `c${at}=${'x'.repeat(1_000)}`])],
    refused(431, 'headers_too_large'),
  ),
  row('COK-13', 'a Cookie header in 500 fields', [...GET, ...times(500, (at): Field => ['cookie', `c${at}=1`])], CALM),
];

describe('§2.6 HTTP/2', () => {
  let upstream: RecordingUpstream;
  let gateway: TestGateway;
  beforeAll(async () => {
    upstream = await RecordingUpstream.start();
    gateway = await startGateway({
      upstream: upstream.origin,
      routes: [
        { id: 'public', match: { path: '/' }, credential: 'none' },
        { id: 'user', match: { path: '/user' }, credential: 'session' },
      ],
      config: {
        listeners: {
          public: { address: '127.0.0.1:0', http2: true, limits: { maxStreamResets: 40, maxControlFrames: 200 } },
          admin: { address: '127.0.0.1:0' },
        },
      },
    });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    upstream.reset();
    upstream.answer = OK;
  });

  /** The gateway still serves other clients, and nothing is left in progress. */
  async function expectServing(): Promise<void> {
    upstream.answer = OK;
    await using connection = await RawHttp2.open(gateway.port);
    expect((await connection.request(1, GET)).status).toBe(200);
    await until(() => gateway.gateway.requestsInFlight === 0, 'nothing is in progress');
  }

  /** Writes until the other side ends the connection or everything is written; returns the number of calls. */
  async function flood(
    connection: RawHttp2,
    calls: number,
    make: (call: number) => readonly Buffer[],
  ): Promise<number> {
    for (let call = 0; call < calls; call += 1) {
      if (connection.isEnded) return call;
      connection.write(...make(call));
      await new Promise(setImmediate);
    }
    return calls;
  }

  const streamsOf = async () => {
    const text = await gateway.metrics.text();
    return [...text.matchAll(/^sallyport_http_requests_total\{.*\} (\d+)$/gm)].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  };
  const floods = async () => /connections_cut_total\{reason="flood"\} (\d+)/.exec(await gateway.metrics.text())?.[1];

  test.for(ROWS)('$id: $what is refused, and other streams of the connection are served', async (each) => {
    await using connection = await RawHttp2.open(gateway.port);
    const outcome = await connection.request(1, each.fields, ...(each.more ?? []));
    expect(outcome).toMatchObject(each.expected);
    expect(upstream.requests).toHaveLength(0);
    expect((await connection.request(3, get('/after'))).status).toBe(200);
    expect(upstream.requests).toHaveLength(1);
    expect(upstream.problems).toEqual([]);
  });

  test('SMG-05: a body longer than its Content-Length ends the connection', async () => {
    await using connection = await RawHttp2.open(gateway.port);
    connection.write(headersFrame(1, [...post('/x'), ['content-length', '2']], 0), ABC);
    await connection.ended();
    expect(upstream.requests).toHaveLength(0);
    await expectServing();
  });

  test.each(['a\0b', 'a\r\nb: c', 'a\nb', 'a\rb', ' a', 'a ', '\x01', 'a\x7f'])(
    'H2-06: a header with the value %j reaches no stage and no upstream',
    async (value) => {
      await using connection = await RawHttp2.open(gateway.port);
      await connection.request(1, [...GET, ['x-bad', value], ['x-good', '1']]);
      await connection.request(3, [...GET, ['x bad', '1'], ['x:bad', '1'], ['', '1']]);
      // Two credentials would be refused.
      const [path, cookie] = [get('/user'), ['cookie', `__Host-sid=${await gateway.sessionId()}`] as const];
      expect((await connection.request(5, [...path, cookie, ['authorization', value]])).status).toBe(200);
      expect((await connection.request(7, [...path, cookie, ['authorization', 'a']])).status).toBe(400);
      expect(upstream.problems).toEqual([]);
      expect(upstream.text).toContain('x-good: 1');
      // Not `bad` alone: a request id is hexadecimal.
      expect(upstream.text).not.toMatch(/x.bad/);
    },
  );

  test.each([
    ['te: trailers', [['te', 'trailers']]],
    ['a Host equal to :authority', [['host', 'shop.example.com']]],
    ['a value with bytes above ASCII', [['x-a', '\xe4\xff']]],
    ['a Cookie header in 90 fields', times(90, (at): Field => ['cookie', `c${at}=1`])],
  ] as [string, Field[]][])('a request with %s is served', async (_what, fields) => {
    await using connection = await RawHttp2.open(gateway.port);
    expect((await connection.request(1, [...GET, ...fields])).status).toBe(200);
    expect(upstream.problems).toEqual([]);
    expect(upstream.last.values('host')).toEqual(['shop.example.com']);
    // Written by the gateway, which relays trailers to such a client.
    expect(upstream.last.values('te')).toEqual(fields.some(([name]) => name === 'te') ? ['trailers'] : []);
  });

  test('RFC 9113 §8.2.3: a session cookie in one of several Cookie fields is found, in two of them refused', async () => {
    await using connection = await RawHttp2.open(gateway.port);
    const sid = `__Host-sid=${await gateway.sessionId()}`;
    const crumbs = (...values: string[]) => values.map((value): Field => ['cookie', value]);
    expect((await connection.request(1, [...get('/user'), ...crumbs('a=1', sid, 'b=2')])).status).toBe(200);
    expect(upstream.last.values('cookie')).toEqual(['a=1; b=2']);
    const twice = await connection.request(3, [...get('/user'), ...crumbs(sid, 'a=1', sid)]);
    expect(twice).toMatchObject(refused(401, 'session_invalid'));
    expect(upstream.requests).toHaveLength(1);
    expect(upstream.text).not.toContain(sid);
  });

  test('H2-01: a client that opens and resets streams rapidly is disconnected', async () => {
    const [before, cutBefore] = [await streamsOf(), Number(await floods())];
    await using connection = await RawHttp2.open(gateway.port);
    const pairs = (call: number) =>
      times(500, (at) => 2 * (500 * call + at) + 1).flatMap((id) => [headersFrame(id, GET), resetFrame(id)]);
    expect(await flood(connection, 200, pairs)).toBeLessThan(200);
    await connection.ended();
    await until(() => gateway.gateway.requestsInFlight === 0, 'nothing is in progress');
    // The burst, and what arrived in the same packets.
    expect((await streamsOf()) - before).toBeLessThan(500);
    expect(Number(await floods())).toBeGreaterThanOrEqual(cutBefore);
    await expectServing();
  });

  test('H2-01: a client that resets streams after they reached the upstream is disconnected', async () => {
    const cutBefore = Number(await floods());
    await using connection = await RawHttp2.open(gateway.port);
    upstream.answer = () => {};
    const sent = await flood(connection, 2_000, (call) => [
      ...(call > 5 ? [resetFrame(2 * (call - 5) - 1)] : []),
      headersFrame(2 * call + 1, GET),
    ]);
    expect(sent).toBeLessThan(200);
    // Where many come in one packet, nghttp2 ends the connection itself.
    expect([CODE.calm, CODE.internal]).toContain(await connection.ended());
    expect(Number(await floods())).toBe(cutBefore + 1);
    await expectServing();
  });

  test('a client that cancels a third of its requests is not disconnected', async () => {
    await using connection = await RawHttp2.open(gateway.port);
    for (let at = 0; at < 80; at += 1) {
      const id = 6 * at + 1;
      connection.write(headersFrame(id, GET), resetFrame(id));
      await Promise.all([connection.request(id + 2, GET), connection.request(id + 4, GET)]);
    }
    expect(connection.isEnded).toBe(false);
  });

  test.each([
    ['an empty WINDOW_UPDATE', (id: number) => windowUpdate(id, 0)],
    ['a WINDOW_UPDATE that overflows', (id: number) => windowUpdate(id, 0x7fffffff)],
    [
      'a stream that depends on itself',
      (id: number) => frame(FRAME.priority, 0, id, Buffer.concat([uint32(id), Buffer.of(0)])),
    ],
  ])('H2-03: a client that provokes resets is disconnected like one that sends them: %s', async (_how, provoke) => {
    const before = await streamsOf();
    upstream.answer = () => {};
    await using connection = await RawHttp2.open(gateway.port);
    const each = (call: number) =>
      times(20, (at) => 2 * (20 * call + at) + 1).flatMap((id) => [headersFrame(id, GET), provoke(id)]);
    const sent = await flood(connection, 500, each);
    if (sent === 500) connection.socket.destroy();
    await until(() => gateway.gateway.requestsInFlight === 0, 'nothing is in progress');
    expect((await streamsOf()) - before).toBeLessThan(1_000);
    await expectServing();
  });

  test.each([
    ['PING', frame(FRAME.ping, 0, 0, '12345678')],
    ['SETTINGS', frame(FRAME.settings, 0, 0)],
    ['SETTINGS with a setting', frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(65_535)]))],
  ])('H2-04: a flood of %s frames ends the connection', async (_type, bytes) => {
    const cutBefore = Number(await floods());
    await using connection = await RawHttp2.open(gateway.port);
    const many = Buffer.concat(times(100, () => bytes));
    expect(await flood(connection, 1_000, () => [many])).toBeLessThan(100);
    expect(await connection.ended()).toBe(CODE.calm);
    expect(Number(await floods())).toBe(cutBefore + 1);
    await expectServing();
  });

  test('H2-04: a flood of empty DATA frames ends the connection', async () => {
    await using connection = await RawHttp2.open(gateway.port);
    connection.write(headersFrame(1, post('/x'), 0));
    const many = Buffer.concat(times(100, () => frame(FRAME.data, 0, 1)));
    expect(await flood(connection, 1_000, () => [many])).toBeLessThan(100);
    await connection.ended();
    await expectServing();
  });

  test.each([
    ['PRIORITY', frame(FRAME.priority, 0, 3, Buffer.concat([uint32(0), Buffer.of(1)]))],
    ['WINDOW_UPDATE', windowUpdate(0, 1)],
    ['unknown', frame(0x42, 0, 0, 'x')],
  ])('H2-04: a flood of %s frames is ignored or ends the connection', async (_type, bytes) => {
    await using connection = await RawHttp2.open(gateway.port);
    const many = Buffer.concat(times(2_000, () => bytes));
    await flood(connection, 20, () => [many]);
    if (!connection.isEnded) expect((await connection.request(1, GET)).status).toBe(200);
    await expectServing();
  });

  test.each([
    ['with bytes', 'x'.repeat(1_000)],
    ['without bytes', ''],
  ])('H2-02: endless CONTINUATION frames end the connection: %s', async (_how, payload) => {
    await using connection = await RawHttp2.open(gateway.port);
    connection.write(frame(FRAME.headers, END_STREAM, 1, fieldBlock(GET)));
    const block = payload === '' ? Buffer.alloc(0) : fieldBlock([['x', payload]]);
    const calls = await flood(connection, 1_000, () => [frame(FRAME.continuation, 0, 1, block)]);
    expect(calls).toBeLessThan(100);
    await connection.ended();
    expect(upstream.requests).toHaveLength(0);
    await expectServing();
  });

  test.each(['x-bomb', 'cookie'])(
    'H2-05: a %s header that is sent once and repeated by one-byte references is refused',
    async (name) => {
      await using connection = await RawHttp2.open(gateway.port);
      const before = process.memoryUsage().rss;
      for (let at = 0; at < 50; at += 1) {
        const id = 2 * at + 1;
        const block = Buffer.concat([
          fieldBlock(GET),
          indexedField([name, 'b'.repeat(3_500)]),
          Buffer.alloc(10_000, 0xbe),
        ]);
        connection.write(frame(FRAME.headers, END_HEADERS | END_STREAM, id, block));
        expect(await connection.outcome(id)).toMatchObject(CALM);
      }
      expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
      expect(upstream.requests).toHaveLength(0);
      await expectServing();
    },
  );

  test('H2-05: a head is measured uncompressed, and one just over the limit gets an answer', async () => {
    await using connection = await RawHttp2.open(gateway.port);
    const repeated = (count: number) =>
      Buffer.concat([fieldBlock(GET), indexedField(['x-a', 'a'.repeat(3_500)]), Buffer.alloc(count - 1, 0xbe)]);
    connection.write(frame(FRAME.headers, END_HEADERS | END_STREAM, 1, repeated(4)));
    expect((await connection.outcome(1)).status).toBe(200);
    connection.write(frame(FRAME.headers, END_HEADERS | END_STREAM, 3, repeated(5)));
    expect(await connection.outcome(3)).toMatchObject(refused(431, 'headers_too_large'));
  });

  test('H2-07: a client that exceeds the announced 100 requests in progress loses its connection', async () => {
    upstream.answer = () => {};
    await using connection = await RawHttp2.open(gateway.port);
    await until(() => connection.of(FRAME.settings).length > 1, 'the settings are here');
    const payload = connection.of(FRAME.settings)[0]?.payload as Buffer;
    const settings = new Map(
      times(payload.length / 6, (at) => [payload.readUInt16BE(6 * at), payload.readUInt32BE(6 * at + 2)]),
    );
    // RFC 9113 §6.5.2, RFC 8441 §3.
    expect([settings.get(3), settings.get(8)]).toEqual([100, 1]);
    for (let at = 0; at < 100; at += 1) connection.write(headersFrame(2 * at + 1, GET));
    await upstream.received(100);
    connection.write(headersFrame(201, GET));
    // Node 24 says INTERNAL_ERROR.
    expect([CODE.protocol, CODE.internal]).toContain(await connection.ended());
    expect(upstream.requests).toHaveLength(100);
    await expectServing();
  });

  test.each([
    ['a WINDOW_UPDATE that overflows the window of the connection', [windowUpdate(0, 0x7fffffff)]],
    [
      'GOAWAY and SETTINGS',
      [frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(0), uint32(1)])), frame(FRAME.settings, 0, 0)],
    ],
    ['SETTINGS on a stream', [frame(FRAME.settings, 0, 1)]],
    ['SETTINGS of a wrong length', [frame(FRAME.settings, 0, 0, 'abc')]],
    ['a setting out of range', [frame(FRAME.settings, 0, 0, Buffer.concat([Buffer.of(0, 4), uint32(0xffffffff)]))]],
    ['DATA on a stream that was never opened', [frame(FRAME.data, 0, 5, 'x')]],
    ['HEADERS on a server-initiated stream', [headersFrame(2, GET)]],
    ['a frame that is too large', [frame(FRAME.data, 0, 1, Buffer.alloc(20_000))]],
    ['padding longer than the frame', [frame(FRAME.headers, END_HEADERS | END_STREAM | 8, 1, Buffer.of(200, 0x82))]],
    ['PUSH_PROMISE from a client', [frame(5, END_HEADERS, 1, Buffer.concat([uint32(2), fieldBlock(GET)]))]],
    ['an invalid HPACK index', [frame(FRAME.headers, END_HEADERS | END_STREAM, 1, Buffer.of(0xff, 0xff, 0x7f))]],
    [
      'frames in the middle of a head',
      [frame(FRAME.headers, 0, 1, fieldBlock(GET)), frame(FRAME.ping, 0, 0, '12345678')],
    ],
  ])('H2-08: %s ends the connection and leaves nothing behind', async (_what, frames) => {
    await using connection = await RawHttp2.open(gateway.port);
    connection.write(...frames);
    await connection.ended();
    await until(async () => (await gateway.gateway.connectionCount()) === 0, 'the connection is gone');
    await expectServing();
  });

  test('H2-09: random frames in any order never stop the gateway', async () => {
    const anyFrame = fc
      .record({
        type: fc.integer({ min: 0, max: 11 }),
        flags: fc.integer({ min: 0, max: 255 }),
        stream: fc.integer({ min: 0, max: 9 }),
        payload: fc.oneof(
          fc.uint8Array({ maxLength: 40 }),
          fc.constant(fieldBlock(GET)),
          fc.constant(fieldBlock(post('/x'))),
        ),
      })
      .map(({ type, flags, stream, payload }) => frame(type, flags, stream, Buffer.from(payload)));
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { minLength: 1, maxLength: 20 }), async (frames) => {
        await using connection = await RawHttp2.open(gateway.port);
        connection.write(...frames);
        await new Promise((resolve) => connection.socket.write('', resolve));
        await new Promise(setImmediate);
        connection.socket.end();
      }),
      { numRuns: 300 },
    );
    await expectServing();
    expect(upstream.problems).toEqual([]);
  });
});
