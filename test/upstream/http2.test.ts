/** HTTP/2 to upstreams: what is sent, what comes back, and what happens to requests when connections end. */

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { constants, type ServerHttp2Stream } from 'node:http2';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { UpstreamServer } from '../../src/upstream/servers/server.ts';
import { HOST, parseTestConfig, startGateway, type TestGateway } from '../support/gateway.ts';
import { asked } from '../support/http1-wire.ts';
import {
  END_HEADERS,
  END_STREAM,
  type Field,
  FRAME,
  fieldBlock,
  frame,
  Http2Client,
  resetFrame,
  uint32,
} from '../support/http2/client.ts';
import { answerData, answerHead, startRawHttp2 } from '../support/http2/raw-upstream.ts';
import { answerOk, Http2Upstream, type OnStream } from '../support/http2/upstream.ts';
import { CertificateFiles, TestAuthority } from '../support/issuers/certificates.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RawUpstream } from '../support/raw-upstream.ts';
import { until } from '../support/until.ts';

const ROUTES = [{ id: 'public', match: { path: '/' }, credential: 'none' }];
const get = (path = '/x', method = 'GET', ...lines: string[]) => requestHead(method, path, [HOST, ...lines]);
const post = (body: string, ...lines: string[]) =>
  `${get('/x', 'POST', `Content-Length: ${body.length}`, ...lines)}${body}`;

const start = (endpoints: string | readonly string[], upstream: Record<string, unknown> = {}, route = {}) =>
  startGateway({
    routes: ROUTES.map((one) => ({ ...one, ...route })),
    config: { upstreams: { app: { endpoints: [endpoints].flat(), ...upstream } } },
  });

const WITH_HTTP2 = { public: { address: '127.0.0.1:0', http2: true }, admin: { address: '127.0.0.1:0' } };

const reasonOf = (body: Buffer) => (JSON.parse(body.toString()) as { reason: string }).reason;

async function answers(gateway: TestGateway, status: number, body: string, request = get()): Promise<void> {
  const answer = await rawRequest(gateway.port, request);
  expect([answer.status, answer.body.toString()]).toEqual([status, body]);
}

describe('a request over h2c', () => {
  let upstream: Http2Upstream;
  let gateway: TestGateway;
  beforeAll(async () => {
    upstream = await Http2Upstream.start();
    gateway = await start(upstream.origin);
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });
  const answering = (onStream: OnStream) => {
    upstream.onStream = onStream;
  };

  test('RFC 9113 §8.3.1: has the host in :authority and no connection headers', async () => {
    answering(answerOk);
    await answers(
      gateway,
      200,
      'ok',
      get('/a/b?c=d', 'GET', 'Connection: keep-alive, X-Hop', 'X-Hop: 1', 'TE: gzip', 'X-Kept: é'),
    );
    const { raw, headers } = upstream.last;
    expect(raw.slice(0, 8)).toEqual([
      ':method',
      'GET',
      ':scheme',
      'http',
      ':authority',
      'shop.example.com',
      ':path',
      '/a/b?c=d',
    ]);
    expect(headers['x-kept']).toBe('é');
    for (const name of ['host', 'connection', 'x-hop', 'te', 'transfer-encoding', 'upgrade'])
      expect(headers[name]).toBeUndefined();
  });

  test('carries many requests on one connection', async () => {
    answering(answerOk);
    await Promise.all(Array.from({ length: 40 }, () => answers(gateway, 200, 'ok')));
    expect(upstream.connectionCount).toBe(1);
  });

  test('has its body relayed, with or without a length', async () => {
    answering((stream, { headers }) => {
      stream.respond({ ':status': 201, 'x-length': headers['content-length'] ?? 'none' });
      stream.pipe(stream);
    });
    const whole = await rawRequest(gateway.port, post('hello'));
    expect([whole.status, whole.headers.get('x-length'), whole.body.toString()]).toEqual([201, '5', 'hello']);
    const chunked = await rawRequest(
      gateway.port,
      `${get('/x', 'POST', 'Transfer-Encoding: chunked')}5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`,
    );
    expect([chunked.headers.get('x-length'), chunked.body.toString()]).toEqual(['none', 'hello world']);
  });

  test('is answered while its body is still being sent', async () => {
    answering((stream) => {
      stream.respond({ ':status': 200 });
      stream.on('data', (part: Buffer) => stream.write(part.toString().toUpperCase()));
      stream.on('end', () => stream.end());
    });
    const sent = request({ port: gateway.port, method: 'POST', path: '/x', headers: { host: 'shop.example.com' } });
    sent.write('one');
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    for (const part of ['ONE', 'TWO', 'THREE', null]) {
      const [received] = (await once(answer, part === null ? 'end' : 'data')) as [Buffer?];
      if (part === null) break;
      expect(received?.toString()).toBe(part);
      if (part === 'THREE') sent.end();
      else sent.write(part === 'ONE' ? 'two' : 'three');
      if (part === 'THREE') answer.resume();
    }
  });

  test('SMG-39: gets early hints first, and no body for HEAD, 204 and 304', async () => {
    answering((stream, { headers }) => {
      const status = Number(String(headers[':path']).slice(1));
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
      stream.respond({ ':status': status, ...(status === 200 && { 'content-length': '5' }) }, { endStream: true });
    });
    await using connection = await RawConnection.open(gateway.port);
    const hint = 'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n';
    connection.write(get('/200', 'HEAD'));
    expect((await connection.bytes(hint.length)).toString()).toBe(hint);
    expect((await connection.response({ isHead: true })).headers.get('content-length')).toBe('5');
    for (const status of [204, 304]) {
      connection.write(get(`/${status}`));
      expect((await connection.response()).status).toBe(status);
    }
  });

  test('HDR-24: gets an answer without gateway-owned headers, otherwise unchanged', async () => {
    answering((stream) => {
      stream.resume();
      stream.respond({
        ':status': 200,
        'set-cookie': ['__Host-sid=x', 'a=b', 'c=d'],
        'x-request-id': 'mine',
        'x-a': 'é',
      });
      stream.end();
    });
    const { headers } = await rawRequest(gateway.port, get());
    expect(headers.get('set-cookie')).toBe('a=b\nc=d');
    expect(headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/);
    expect(headers.get('x-a')).toBe('\xe9');
  });

  test('is cancelled when its client leaves', async () => {
    const { promise, resolve } = Promise.withResolvers<ServerHttp2Stream>();
    answering((stream) => resolve(stream));
    await using connection = await RawConnection.open(gateway.port);
    connection.write(get());
    const stream = await promise;
    connection.socket.destroy();
    if (!stream.closed) await once(stream, 'close');
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
    expect(upstream.sessions.size).toBe(1);
  });
});

const asH2c = ({ origin }: { readonly origin: string }) => origin.replace('http:', 'h2c:');
describe('an upstream that breaks the rules', () => {
  const onRequest = (answer: (stream: number) => readonly Buffer[]) =>
    startRawHttp2(({ type, stream }, send) => {
      if (type === FRAME.headers) send(...answer(stream));
    });

  const big = 'a'.repeat(40_000);
  const ROWS: readonly (readonly [string, (id: number) => readonly Buffer[]])[] = [
    ['RFC 9113 §8.2.1: a name in upper case', (id) => [answerHead(id, ['X-A', 'b'])]],
    ['RFC 9113 §8.2.2: a Connection header', (id) => [answerHead(id, ['connection', 'close'])]],
    ['RFC 9113 §8.2.2: Transfer-Encoding', (id) => [answerHead(id, ['transfer-encoding', 'chunked'])]],
    ['RFC 9113 §8.3: an unknown pseudo-header', (id) => [answerHead(id, [':path', '/'])]],
    ['RFC 9113 §8.3: a second status', (id) => [answerHead(id, [':status', '204'])]],
    ['UPS-10: two lengths', (id) => [answerHead(id, ['content-length', '1'], ['content-length', '2'])]],
    [
      'RFC 9113 §8.6: 101 Switching Protocols',
      (id) => [frame(FRAME.headers, END_HEADERS, id, fieldBlock([[':status', '101']]))],
    ],
    ['RFC 9113 §8.1: a body before its head', (id) => [answerData(id, 'ok')]],
    [
      'DOS-18: headers of 40 kB',
      (id) => [
        frame(FRAME.headers, 0, id, fieldBlock([[':status', '200']])),
        ...[0, 16_000, 32_000].map((at) =>
          frame(
            FRAME.continuation,
            at === 32_000 ? END_HEADERS : 0,
            id,
            fieldBlock([['x-a', big]]).subarray(at, at + 16_000),
          ),
        ),
      ],
    ],
    [
      'DOS-18: a flood of interim answers',
      (id) =>
        Array.from({ length: 100 }, () => frame(FRAME.headers, END_HEADERS, id, fieldBlock([[':status', '103']]))),
    ],
    [
      'RFC 9113 §8.4: an unsolicited push',
      (id) => [frame(FRAME.pushPromise, END_HEADERS, id, Buffer.concat([uint32(2), fieldBlock([[':method', 'GET']])]))],
    ],
    ['H2-08: a window that overflows', (id) => [frame(FRAME.windowUpdate, 0, id, uint32(0x7fffffff))]],
  ];
  test.each(ROWS)('%s is 502, and the next request is served', async (_what, answer) => {
    let isFirst = true;
    await using upstream = await onRequest((id) => {
      if (!isFirst) return [answerHead(id), answerData(id, 'fine')];
      isFirst = false;
      return answer(id);
    });
    await using gateway = await start(asH2c(upstream));
    const { status, body } = await rawRequest(gateway.port, post('body'));
    expect(status).toBe(502);
    expect(['upstream_protocol', 'upstream_reset']).toContain(reasonOf(body));
    await answers(gateway, 200, 'fine');
  });

  test('UPS-01: a field that could split a header is dropped', async () => {
    await using upstream = await onRequest((id) => [
      answerHead(id, ['x-a', 'a\nb: c'], ['x-b', 'a\0b'], ['x\r\nc', 'b'], ['x-kept', 'yes']),
      answerData(id, 'ok'),
    ]);
    await using gateway = await start(asH2c(upstream));
    const answer = await rawRequest(gateway.port, get());
    expect([answer.status, answer.headers.get('x-kept'), answer.body.toString()]).toEqual([200, 'yes', 'ok']);
    expect(answer.head).not.toMatch(/^(?:x-a|x-b|b|x|c):/im);
  });

  const TWICE: readonly (readonly [string, string])[] = [
    ['content-type', 'application/grpc'],
    ['grpc-status', '0'],
    ['content-encoding', 'gzip'],
    ['cache-control', 'no-store'],
    ['set-cookie', 'a=b'],
    ['link', '</a>'],
    ['etag', '"a"'],
  ];
  test.each(TWICE)(
    'RFC 9110 §5.3: %s that is sent twice, in hints, answers and trailers, is passed on',
    async (name, value) => {
      const twice: Field[] = [
        [name, value],
        [name, value],
      ];
      await using upstream = await onRequest((id) => [
        frame(FRAME.headers, END_HEADERS, id, fieldBlock([[':status', '103'], ...twice])),
        answerHead(id, ...twice),
        answerData(id, 'ok', 0),
        frame(FRAME.headers, END_HEADERS | END_STREAM, id, fieldBlock(twice)),
      ]);
      await using gateway = await startGateway({
        routes: ROUTES,
        upstream: asH2c(upstream),
        config: { listeners: WITH_HTTP2 },
      });
      await using client = Http2Client.plain(gateway.port);
      const call = { ':method': 'POST', ':path': '/test.A/B', 'content-type': 'application/grpc', te: 'trailers' };
      expect(await client.request(call, 'x')).toMatchObject({ status: 200, body: 'ok', code: 0 });
      await answers(gateway, 200, 'ok', get('/x', 'GET', 'TE: trailers'));
    },
  );

  const CUTS: readonly (readonly [string, (id: number) => readonly Buffer[]])[] = [
    ['more than its length', (id) => [answerHead(id, ['content-length', '1']), answerData(id, 'ab')]],
    ['less than its length', (id) => [answerHead(id, ['content-length', '9']), answerData(id, 'ab')]],
    ['a reset with NO_ERROR', (id) => [answerHead(id), answerData(id, 'part', 0), resetFrame(id, 0)]],
    ['a reset with CANCEL', (id) => [answerHead(id), answerData(id, 'part', 0), resetFrame(id, 8)]],
    ['a reset with INTERNAL_ERROR', (id) => [answerHead(id), answerData(id, 'part', 0), resetFrame(id, 2)]],
    [
      'the end of the connection',
      (id) => [answerHead(id), answerData(id, 'part', 0), frame(FRAME.goaway, 0, 0, uint32(id, 2))],
    ],
  ];
  test.each(CUTS)('RFC 9113 §8.1: an answer that ends with %s is cut', async (_what, answer) => {
    await using upstream = await onRequest(answer);
    await using gateway = await start(asH2c(upstream));
    await using connection = await RawConnection.open(gateway.port);
    connection.write(get());
    expect((await connection.remainder()).toString()).not.toMatch(/0\r\n\r\n$/);
    await until(() => String(gateway.log.records.at(-1)?.['reason']).startsWith('upstream_'), 'the request is logged');
  });
});

describe('an answer before the end of the request', () => {
  const RESETS = [constants.NGHTTP2_NO_ERROR, constants.NGHTTP2_CANCEL];
  test.each(RESETS)('RFC 9113 §8.1: is complete, even if the server then resets the stream with %s', async (code) => {
    await using upstream = await startRawHttp2(({ type, stream }, send) => {
      const answer = frame(FRAME.headers, END_HEADERS | END_STREAM, stream, fieldBlock([[':status', '204']]));
      if (type === FRAME.headers) send(answer, resetFrame(stream, code));
    });
    await using gateway = await start(asH2c(upstream));
    for (let at = 0; at < 20; at += 1) {
      await using connection = await RawConnection.open(gateway.port);
      connection.write(`${get('/x', 'POST', 'Transfer-Encoding: chunked')}4\r\npart\r\n`);
      expect((await connection.response()).status).toBe(204);
    }
  });

  test('is complete, whether the client then leaves or continues', async () => {
    await using upstream = await startRawHttp2(({ type, stream }, send) => {
      if (type === FRAME.headers) send(answerHead(stream), answerData(stream, 'early'));
    });
    await using gateway = await start(asH2c(upstream));
    for (let at = 0; at < 20; at += 1) {
      await using connection = await RawConnection.open(gateway.port);
      connection.write(`${get('/x', 'POST', 'Transfer-Encoding: chunked')}4\r\npart\r\n`);
      expect((await connection.response()).body.toString()).toBe('early');
      if (at % 2 === 0) connection.write('4\r\nmore\r\n0\r\n\r\n');
    }
    expect(upstream.connectionCount).toBe(1);
  });
});

describe('a request that a server has not processed', () => {
  const REFUSED = constants.NGHTTP2_REFUSED_STREAM;

  test('RFC 9113 §8.7: is retried after REFUSED_STREAM, whatever its method, with its body', async () => {
    const bodies: string[] = [];
    await using upstream = await startRawHttp2(({ type, stream, payload, flags }, send) => {
      if (type !== FRAME.data) return;
      bodies.push(payload.toString());
      if (bodies.length === 1) send(resetFrame(stream, REFUSED));
      else if ((flags & END_STREAM) !== 0) send(answerHead(stream), answerData(stream, 'taken'));
    });
    await using gateway = await start(asH2c(upstream));
    await answers(gateway, 200, 'taken', post('body'));
    expect(bodies.join('')).toBe('bodybody');
    expect(await gateway.metrics.text()).toContain(
      'sallyport_upstream_retries_total{upstream="app",reason="not_processed"} 1',
    );
  });

  test('has a first-byte timeout for each attempt: the first does not cut the answer to the second', async () => {
    const FIRST_BYTE_MS = 97_531;
    const set = vi.spyOn(globalThis, 'setTimeout');
    const cleared = vi.spyOn(globalThis, 'clearTimeout');
    let count = 0;
    await using upstream = await startRawHttp2(({ type, stream }, send) => {
      if (type !== FRAME.data) return;
      count += 1;
      if (count === 1) send(resetFrame(stream, REFUSED));
      else send(answerHead(stream), answerData(stream, 'taken'));
    });
    await using gateway = await start(asH2c(upstream), {}, { timeouts: { firstByte: `${FIRST_BYTE_MS}ms` } });
    await answers(gateway, 200, 'taken', post('body'));
    const timers = set.mock.results.filter((_, at) => set.mock.calls[at]?.[1] === FIRST_BYTE_MS);
    expect(timers).toHaveLength(2);
    for (const { value } of timers) expect(cleared.mock.calls.map(([timer]) => timer)).toContain(value);
  });

  test('UPS-04: is retried only once', async () => {
    let count = 0;
    await using upstream = await startRawHttp2(({ type, stream }, send) => {
      if (type !== FRAME.headers) return;
      count += 1;
      send(resetFrame(stream, REFUSED));
    });
    await using gateway = await start(asH2c(upstream));
    const { status, body } = await rawRequest(gateway.port, get());
    expect([status, reasonOf(body), count]).toEqual([502, 'upstream_reset', 2]);
  });

  test('UPS-04: is not retried if it is a POST that the server may have seen', async () => {
    let count = 0;
    await using upstream = await startRawHttp2(({ type, stream }, send) => {
      if (type !== FRAME.headers) return;
      count += 1;
      send(resetFrame(stream, constants.NGHTTP2_INTERNAL_ERROR));
    });
    await using gateway = await start(asH2c(upstream));
    expect((await rawRequest(gateway.port, post('body'))).status).toBe(502);
    expect(count).toBe(1);
  });

  const interim103 = (stream: number) => frame(FRAME.headers, END_HEADERS, stream, fieldBlock([[':status', '103']]));
  const PARTS = {
    'an interim answer': { parts: [interim103], seen: 502 },
    'the head of an answer': { parts: [answerHead], seen: 200 },
    'a part of an answer': { parts: [answerHead, (stream: number) => answerData(stream, 'part', 0)], seen: 200 },
  } as const;
  const REFUSALS = {
    REFUSED_STREAM: (stream: number) => resetFrame(stream, REFUSED),
    'GOAWAY below it': () => frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(0), uint32(0)])),
  };
  const contradictions = Object.keys(PARTS).flatMap((part) => Object.keys(REFUSALS).map((how) => [part, how] as const));
  test.each(contradictions)('UPS-04: is not retried if %s came before %s', async (part, how) => {
    const { parts, seen } = PARTS[part as keyof typeof PARTS];
    let count = 0;
    await using upstream = await startRawHttp2(({ type, stream }, send) => {
      if (type !== FRAME.headers) return;
      count += 1;
      send(...parts.map((make) => make(stream)));
      // The head has been passed on by then.
      setImmediate(() => setImmediate(send, REFUSALS[how as keyof typeof REFUSALS](stream)));
    });
    await using gateway = await startGateway({
      routes: ROUTES,
      upstream: asH2c(upstream),
      config: { listeners: WITH_HTTP2 },
    });
    await using client = await RawConnection.open(gateway.port);
    client.write(get('/x', 'GET', 'Connection: close'));
    const got = (await client.remainder()).toString();
    expect(Number(got.split(' ')[1])).toBe(seen);
    expect(got).not.toMatch(/\r\n0\r\n\r\n$/);
    await using http2 = Http2Client.plain(gateway.port);
    const { status, code } = await http2.get('/x');
    expect([status, code]).toEqual([seen, seen === 200 ? constants.NGHTTP2_INTERNAL_ERROR : 0]);
    expect(count).toBe(2);
  });

  test('RFC 9113 §6.8: goes to a new connection if beyond GOAWAY; earlier requests are answered', async () => {
    const connections: number[] = [];
    await using upstream = await startRawHttp2(({ type, stream }, send, number) => {
      if (type !== FRAME.headers) return;
      const count = (connections[number - 1] ?? 0) + 1;
      connections[number - 1] = count;
      if (number > 1) send(answerHead(stream), answerData(stream, 'second'));
      if (number > 1 || count < 3) return;
      // Of three, it has processed the first.
      const first = stream - 4;
      send(frame(FRAME.goaway, 0, 0, uint32(first, 0)), answerHead(first), answerData(first, 'first'));
    });
    await using gateway = await start(asH2c(upstream));
    const all = await Promise.all([1, 2, 3].map(() => rawRequest(gateway.port, post('x'))));
    expect(all.map(({ body }) => body.toString()).sort()).toEqual(['first', 'second', 'second']);
    expect(connections).toEqual([3, 2]);
  });

  test('is not lost when a server restarts gracefully', async () => {
    await using upstream = await Http2Upstream.start();
    await using gateway = await start(upstream.origin);
    let served = 0;
    const results = await Promise.all(
      Array.from({ length: 20 }, async () => {
        await using connection = await RawConnection.open(gateway.port);
        const statuses = new Set<number>();
        for (let at = 0; at < 20; at += 1) {
          connection.write(post('x'));
          statuses.add((await connection.response()).status);
          served += 1;
          if (served % 50 === 0) for (const session of upstream.sessions) session.close();
        }
        return [...statuses];
      }),
    );
    expect(results.flat().filter((status) => status !== 200)).toEqual([]);
    expect(upstream.connectionCount).toBeGreaterThan(4);
  });
});

describe('connections', () => {
  test('a new one is opened when all have as many streams as the server or the configuration allows', async () => {
    const held: ServerHttp2Stream[] = [];
    await using upstream = await Http2Upstream.start((stream) => held.push(stream), {
      settings: { maxConcurrentStreams: 3 },
    });
    await using gateway = await start(upstream.origin, { maxStreams: 2, maxConnections: 2 });
    const requests = Array.from({ length: 5 }, () => rawRequest(gateway.port, get()));
    await until(() => held.length === 4, 'two connections carry two requests each');
    expect(upstream.connectionCount).toBe(2);
    expect(await gateway.metrics.text()).toContain('sallyport_upstream_connections{upstream="app",state="busy"} 2');
    for (const stream of held.splice(0)) answerOk(stream, upstream.last);
    await until(() => held.length === 1, 'the fifth has its turn');
    answerOk(held[0]!, upstream.last);
    expect((await Promise.all(requests)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  });

  test('a request that waits too long for a stream is 503', async () => {
    await using upstream = await Http2Upstream.start((stream) => void stream.on('error', () => {}));
    await using gateway = await start(upstream.origin, {
      maxStreams: 1,
      maxConnections: 1,
      timeouts: { pending: '100ms' },
    });
    await using first = await RawConnection.open(gateway.port);
    first.write(get());
    await until(() => upstream.requests.length === 1, 'the first is under way');
    const { status, body } = await rawRequest(gateway.port, get());
    expect([status, reasonOf(body)]).toEqual([503, 'overloaded']);
  });

  test('another server gets a request if the first has no connection, no HTTP/2 or no timely settings', async () => {
    await using silent = await RawUpstream.start((socket) => socket.resume());
    await using http1 = await RawUpstream.start((socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    await using upstream = await Http2Upstream.start();
    for (const broken of ['h2c://127.0.0.1:1', asH2c(http1), asH2c(silent)]) {
      const timeouts = { connect: '1s' };
      const ejection = { consecutiveFailures: 1, baseDelay: '1h', maxDelay: '1h' };
      await using gateway = await start([broken, upstream.origin], { timeouts, ejection, balance: 'roundRobin' });
      for (let at = 0; at < 4; at += 1) await answers(gateway, 200, 'ok', post('x'));
      expect(await gateway.metrics.text()).toContain(
        'sallyport_upstream_retries_total{upstream="app",reason="not_connected"} 1',
      );
    }
  });

  test('DOS-19: a late answer is 504, a stalled one is cut, and a dead connection is not reused', async () => {
    let isSilent = false;
    let hasHead = false;
    await using upstream = await startRawHttp2(({ type, stream, payload }, send) => {
      if (isSilent) return;
      if (type === FRAME.ping) send(frame(FRAME.ping, 1, 0, payload));
      if (type === FRAME.headers && hasHead) send(answerHead(stream));
    });
    await using gateway = await start(asH2c(upstream), {
      timeouts: { firstByte: '100ms', idle: '100ms', connect: '1s' },
    });
    const timedOut = async () => expect((await rawRequest(gateway.port, get())).status).toBe(504);
    await timedOut();
    hasHead = true;
    await expect(rawRequest(gateway.port, get())).rejects.toThrow('connection ended');
    expect([upstream.openConnections, upstream.connectionCount]).toEqual([1, 1]);
    isSilent = true;
    await timedOut();
    await until(() => upstream.openConnections === 0, 'the dead connection is cut');
  });

  test('DOS-19: after GOAWAY, a dead server loses its connection, and a live one finishes its answer', async () => {
    let isGone = true;
    await using upstream = await startRawHttp2(({ type, stream, payload }, send) => {
      if (type === FRAME.headers) send(answerHead(stream), frame(FRAME.goaway, 0, 0, uint32(stream, 0)));
      if (type !== FRAME.ping || isGone) return;
      send(frame(FRAME.ping, 1, 0, payload));
      send(answerData(1, 'rest'));
    });
    await using gateway = await start(asH2c(upstream), { timeouts: { connect: '400ms' } });
    await expect(rawRequest(gateway.port, get())).rejects.toThrow('connection ended');
    await until(() => upstream.openConnections === 0, 'the connection is cut');
    isGone = false;
    await answers(gateway, 200, 'rest');
  });

  test('backpressure works both ways', async () => {
    const total = 8 * 1024 * 1024;
    let sent = 0;
    await using upstream = await Http2Upstream.start((stream) => {
      stream.respond({ ':status': 200 });
      const part = Buffer.alloc(16 * 1024);
      const more = () => {
        while (sent < total && stream.write(part)) sent += part.length;
      };
      stream.on('drain', more);
      more();
    });
    await using gateway = await start(upstream.origin);
    await using connection = await RawConnection.open(gateway.port);
    connection.socket.pause();
    connection.write(get());
    let before = -1;
    await until(() => {
      const isStill = sent > 0 && sent === before;
      before = sent;
      return isStill;
    }, 'the upstream has to wait');
    expect(sent).toBeLessThan(total);
    connection.socket.removeAllListeners('data').resume();
    await until(() => sent >= total, 'everything is sent');

    let stopped: ServerHttp2Stream | null = null;
    upstream.onStream = (stream) => {
      stopped = stream;
    };
    await using upload = await RawConnection.open(gateway.port);
    upload.write(get('/x', 'POST', `Content-Length: ${total}`));
    const isFlushed = () => upload.socket.writableLength === 0;
    upload.write(Buffer.alloc(total));
    await until(() => stopped !== null, 'the upload is under way');
    await new Promise((resolve) => setImmediate(resolve));
    expect(isFlushed()).toBe(false);
    (stopped as ServerHttp2Stream | null)?.respond({ ':status': 200 });
    (stopped as ServerHttp2Stream | null)?.resume().on('end', () => stopped?.end('done'));
    expect((await upload.response()).body.toString()).toBe('done');
  });
});

describe('a handler that throws', () => {
  const CALLBACKS = ['onResponseStart', 'onResponseData', 'onResponseEnd'] as const;
  test.each(CALLBACKS)('in %s fails its request, not the process', async (callback) => {
    await using upstream = await Http2Upstream.start();
    const app = { endpoints: [upstream.origin], timeouts: { connect: '60s' } };
    const { upstreams } = parseTestConfig({ config: { upstreams: { app } } });
    const server = new UpstreamServer(upstream.origin, upstreams['app']!, null, () => performance.now());
    const { promise, resolve } = Promise.withResolvers<Error>();
    const nothing = () => {};
    server.pool.dispatch(asked(), {
      ...{ onRequestStart: nothing, onRequestSent: nothing, onResponseStarted: nothing, onRequestUpgrade: nothing },
      ...{ onResponseStart: nothing, onResponseData: nothing, onResponseEnd: nothing },
      onResponseError: resolve,
      [callback]: () => {
        throw new Error(callback);
      },
    });
    expect((await promise).message).toBe(callback);
    server.close();
  });
});

describe('TLS', () => {
  const authority = new TestAuthority();
  let files: CertificateFiles;
  let tls: { cert: string; key: string };
  let caFile: string;
  beforeAll(() => {
    files = new CertificateFiles();
    caFile = files.text('ca.crt', authority.certificate);
    const { certificate, key } = authority.issue({ names: ['api.internal'] });
    tls = { cert: certificate, key };
  });
  afterAll(() => files[Symbol.dispose]());

  test('RFC 9113 §3.3: a server that agrees to h2 gets it, under the configured name', async () => {
    await using upstream = await Http2Upstream.start(answerOk, { tls });
    await using gateway = await start(upstream.origin, { http2: true, tls: { caFile, serverName: 'api.internal' } });
    await answers(gateway, 200, 'ok');
    expect(upstream.last.headers).toMatchObject({ ':scheme': 'https', ':authority': 'shop.example.com' });
  });

  test('TLS-04: a certificate for another name or from another authority is refused', async () => {
    await using upstream = await Http2Upstream.start(answerOk, { tls });
    for (const options of [{ caFile }, { serverName: 'api.internal' }]) {
      await using gateway = await start(upstream.origin, { http2: true, tls: options });
      const { status, body } = await rawRequest(gateway.port, get());
      expect([status, reasonOf(body)]).toEqual([502, 'upstream_connect_failed']);
    }
    expect(upstream.requests).toEqual([]);
  });

  test('RFC 7301 §3.2: a server that does not agree to h2 gets nothing', async () => {
    let bytes = 0;
    await using upstream = await RawUpstream.start((socket) => socket.on('data', (chunk) => (bytes += chunk.length)), {
      ...tls,
      ALPNProtocols: ['http/1.1'],
    });
    await using gateway = await start(upstream.origin, { http2: true, tls: { caFile, serverName: 'api.internal' } });
    const { status, body } = await rawRequest(gateway.port, get());
    expect([status, reasonOf(body), bytes]).toEqual([502, 'upstream_protocol', 0]);
  });
});
