/** Trailers to and from an HTTP/2 upstream, and from an HTTP/1.1 one, and deadlines that no library enforces. */

import type { ServerHttp2Stream } from 'node:http2';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { answerOf, Http2Client } from '../support/http2/client.ts';
import { answerOk, Http2Upstream, type OnStream } from '../support/http2/upstream.ts';
import { RawConnection, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

/** Everything that a trailer must not carry, from either side. */
const FORBIDDEN = {
  authorization: 'Bearer evil',
  cookie: '__Host-sid=evil',
  'x-forwarded-for': '6.6.6.6',
  'x-request-id': 'evil',
  'cache-control': 'public',
  'content-type': 'text/html',
  'access-control-allow-origin': '*',
  'set-cookie': '__Host-sid=evil',
  location: 'https://evil.example',
  'strict-transport-security': 'max-age=0',
};

describe('over HTTP/2', () => {
  let upstream: Http2Upstream;
  let gateway: TestGateway;
  let client: Http2Client;
  const trailers: Record<string, unknown>[] = [];
  const recording: OnStream = (stream) => {
    stream.resume();
    stream.on('trailers', (received) => trailers.push(Object.fromEntries(Object.entries(received))));
    stream.on('end', () => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ ...FORBIDDEN, 'x-sum': ['1', '2'], 'x-dropped': 'a' }));
      stream.end('ok');
    });
  };
  beforeAll(async () => {
    upstream = await Http2Upstream.start(recording);
    gateway = await startGateway({
      upstream: upstream.origin,
      routes: [
        {
          id: 'app',
          match: { path: '/' },
          credential: 'none',
          identityHeaders: { 'X-User-Id': 'subject' },
          requestHeaders: { remove: ['X-Secret'] },
          responseHeaders: { remove: ['X-Dropped'] },
        },
        { id: 'quiet', match: { path: '/quiet' }, credential: 'none', timeouts: { idle: '100ms' } },
      ],
      config: {
        listeners: {
          public: { address: '127.0.0.1:0', http2: true, timeouts: { bodyIdle: '1s' } },
          admin: { address: '127.0.0.1:0' },
        },
      },
    });
    client = Http2Client.plain(gateway.port);
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await gateway[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    upstream.onStream = recording;
    trailers.length = 0;
  });

  /** Sends a body followed by trailers. */
  const send = (fields: Record<string, string | string[]>, sent = 'body') => {
    const stream = client.session.request(
      { ':method': 'POST', ':path': '/x', ':authority': 'shop.example.com', te: 'trailers' },
      { waitForTrailers: true },
    );
    stream.on('wantTrailers', () => stream.sendTrailers(fields));
    stream.end(sent);
    return answerOf(stream);
  };

  test('RFC 9110 §6.5: trailers arrive in both directions, in order', async () => {
    const { status, body, trailers: received } = await send({ 'x-a': ['1', '2'], 'x-b': 'é' });
    expect([status, body]).toEqual([200, 'ok']);
    expect(trailers).toEqual([{ 'x-a': '1, 2', 'x-b': 'é' }]);
    expect(received).toEqual({ 'x-sum': '1, 2' });
    expect(upstream.last.headers['te']).toBe('trailers');
  });

  test('RFC 9110 §6.5: trailers arrive after an empty body, too', async () => {
    expect((await send({ 'x-a': '1' }, '')).status).toBe(200);
    expect(trailers).toEqual([{ 'x-a': '1' }]);
  });

  test('HDR-10: fields with a meaning as headers, or owned by the gateway, are dropped from trailers', async () => {
    const { trailers: received } = await send({
      ...FORBIDDEN,
      'x-user-id': 'mallory',
      'x-secret': 'evil',
      x_user_id: 'mallory',
      'x-kept': 'yes',
    });
    expect(trailers).toEqual([{ 'x-kept': 'yes' }]);
    expect(received).toEqual({ 'x-sum': '1, 2' });
  });

  test('RFC 9110 §5.3: headers and trailers sent twice arrive twice, even those that Node considers single', async () => {
    // Of `kSingleValueFields` in Node, those that may be trailers.
    const names = 'content-language content-md5 dnt etag from last-modified tk user-agent x-content-type-options'.split(
      ' ',
    );
    const twice = names.flatMap((name) => [`${name}: a`, `${name}: b`]);
    const expected = names.flatMap((name) => [name, 'a', name, 'b']);
    const received: (readonly string[])[] = [];
    upstream.onStream = (stream, request) => {
      received.push(request.raw);
      stream.on('trailers', (_fields, _flags, raw) => received.push(raw as unknown as string[]));
      stream.resume().on('end', () => answerOk(stream, request));
    };
    await using connection = await RawConnection.open(gateway.port);
    const head = requestHead('POST', '/x', ['Host: shop.example.com', 'Transfer-Encoding: chunked', ...twice]);
    connection.write(`${head}1\r\nx\r\n0\r\n${twice.join('\r\n')}\r\n\r\n`);
    expect((await connection.response()).status).toBe(200);
    expect(received[0]?.join(' ')).toContain(expected.filter((text) => text !== 'x').join(' '));
    // The gateway reads User-Agent, so it is dropped from trailers.
    expect(received[1]).toEqual(expected.filter((_text, at) => !/user-agent/.test(expected[at - (at % 2)] as string)));
  });

  test('an upstream is asked for trailers only if the client accepts them', async () => {
    await client.get('/x');
    expect(upstream.last.headers['te']).toBeUndefined();
  });

  test('RFC 9112 §7.1.2: an HTTP/1.1 client gets trailers after the last chunk if it accepts them', async () => {
    const answer = async (...lines: string[]) => {
      await using connection = await RawConnection.open(gateway.port);
      connection.write(requestHead('GET', '/x', ['Host: shop.example.com', 'Connection: close', ...lines]));
      return (await connection.remainder()).toString();
    };
    expect(await answer('TE: trailers')).toMatch(/\r\n0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n$/);
    expect(await answer()).toMatch(/\r\n0\r\n\r\n$/);
  });

  test('a call ends at its deadline, and the upstream gets the remaining time', async () => {
    let held: ServerHttp2Stream | null = null;
    upstream.onStream = (stream) => {
      held = stream;
    };
    const call = { ':method': 'POST', ':path': '/test.A/B', 'content-type': 'application/grpc', te: 'trailers' };
    const { status, headers, code } = await client.request({ ...call, 'grpc-timeout': '2000m' }, 'x');
    expect([status, headers['grpc-status'], code]).toEqual([200, '4', 0]);
    expect(headers['grpc-message']).toMatch(/^deadline_exceeded: /);
    await until(() => (held as ServerHttp2Stream | null)?.closed === true, 'the upstream is told');
    expect((held as ServerHttp2Stream | null)?.rstCode).toBe(8);
    const [, leftUs = ''] = /^(\d+)u$/.exec(String(upstream.last.headers['grpc-timeout'])) ?? [];
    expect(Number(leftUs)).toBeGreaterThan(0);
    expect(Number(leftUs)).toBeLessThan(2_000_000);
    expect(gateway.log.records.at(-1)).toMatchObject({ reason: 'deadline_exceeded', grpcStatus: 4, level: 'info' });

    const late = await client.request({ ...call, 'grpc-timeout': '0n' }, 'x');
    expect(late.headers['grpc-status']).toBe('4');
    expect(upstream.requests.filter(({ headers: { ':path': path } }) => path === '/test.A/B')).toHaveLength(1);

    upstream.onStream = answerOk;
    expect((await client.request({ ...call, 'grpc-timeout': '1x' }, 'x')).status).toBe(200);
    expect(upstream.last.headers['grpc-timeout']).toBe('1x');
  });

  test('a call whose answer breaks off ends with UNAVAILABLE, not with a reset', async () => {
    upstream.onStream = (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      stream.write('part');
      stream.once('data', () => stream.session?.destroy());
    };
    const {
      body,
      trailers: received,
      code,
    } = await client.request({ ':method': 'POST', ':path': '/test.A/B', 'content-type': 'application/grpc' }, 'x');
    expect([body, received?.['grpc-status'], code]).toEqual(['part', '14', 0]);
  });

  test('a call whose client and service are both silent ends without blaming the service', async () => {
    upstream.onStream = () => {};
    const quiet = client.begin({ ':method': 'POST', ':path': '/quiet', 'content-type': 'application/grpc' }, null);
    const { headers } = await answerOf(quiet);
    expect(headers['grpc-message']).toMatch(/^request_timeout: /);
    await until(() => upstream.openStreams === 0, 'the service is told');
  });

  test('DOS-13: only a call over HTTP/2 may outlast the body timeout', async () => {
    await using connection = await RawConnection.open(gateway.port);
    const before = upstream.requests.length;
    connection.write(
      requestHead('POST', '/x', [
        'Host: shop.example.com',
        'Content-Type: application/grpc',
        'Transfer-Encoding: chunked',
      ]),
    );
    connection.write('1\r\nx\r\n');
    expect((await connection.response()).status).toBe(408);
    expect(upstream.requests.length).toBe(before + 1);
  });

  test('gRPC-Web is plain HTTP, but its refusals also have a gRPC status', async () => {
    upstream.onStream = answerOk;
    const web = { ':method': 'POST', 'content-type': 'application/grpc-web+proto' };
    expect((await client.request({ ...web, ':path': '/test.A/B' }, 'x')).body).toBe('ok');
    const refused = await client.request({ ...web, ':path': '/x', ':authority': 'nowhere.example' }, 'x');
    expect([refused.status, refused.headers['grpc-status']]).toEqual([421, '12']);
  });
});

describe('trailers from an HTTP/1.1 upstream', () => {
  let upstream: RecordingUpstream;
  let gateway: TestGateway;
  /** The trailer section of the next answer, and its Connection header. */
  let lines: readonly string[] = [];
  let connection = 'keep-alive';
  beforeAll(async () => {
    upstream = await RecordingUpstream.start((_request, socket) => {
      const head = `HTTP/1.1 200 OK\r\nConnection: ${connection}\r\nTransfer-Encoding: chunked\r\n\r\n`;
      socket.write(`${head}2\r\nok\r\n0\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`, 'latin1');
    });
    gateway = await startGateway({
      upstream: upstream.origin,
      routes: [
        { id: 'app', match: { path: '/' }, credential: 'none', responseHeaders: { remove: ['X-Dropped'] } },
        { id: 'socket', match: { path: '/socket' }, credential: 'none', webSocket: true },
      ],
      config: {
        listeners: { public: { address: '127.0.0.1:0', http2: true }, admin: { address: '127.0.0.1:0' } },
      },
    });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    upstream.problems = [];
    connection = 'keep-alive';
    lines = ['X-Sum: 1', 'x-sum: 2'];
  });

  const overHttp1 = async (version: string, ...more: string[]) => {
    await using client = await RawConnection.open(gateway.port);
    const head = requestHead('GET', '/x', ['Host: shop.example.com', 'Connection: close', ...more]);
    client.write(head.replace('HTTP/1.1', version));
    return String(await client.remainder());
  };
  const overHttp2 = async (fields: Record<string, string> = {}) => {
    await using client = Http2Client.plain(gateway.port);
    return await client.get('/x', fields);
  };

  test('RFC 9110 §6.5.1: reach only the clients that can accept them', async () => {
    expect(await overHttp1('HTTP/1.1', 'TE: trailers')).toMatch(/\r\n2\r\nok\r\n0\r\nx-sum: 1\r\nx-sum: 2\r\n\r\n$/);
    expect(await overHttp1('HTTP/1.1', 'TE: gzip')).toMatch(/\r\n2\r\nok\r\n0\r\n\r\n$/);
    // An answer over HTTP/1.0 ends with its connection, so nothing can follow it.
    expect(await overHttp1('HTTP/1.0', 'TE: trailers')).toMatch(/\r\n\r\nok$/);
    expect((await overHttp2()).trailers).toEqual({ 'x-sum': '1, 2' });
    lines = [];
    expect(await overHttp1('HTTP/1.1', 'TE: trailers')).toMatch(/\r\n0\r\n\r\n$/);
    expect((await overHttp2()).body).toBe('ok');
  });

  test('RFC 9110 §10.1.4: are requested by a TE that Connection lists if the client accepts them', async () => {
    const told = () => ['te', 'connection'].map((name) => upstream.last.values(name));
    await overHttp2({ te: 'trailers' });
    expect(told()).toEqual([['trailers'], ['keep-alive, te']]);
    await overHttp1('HTTP/1.1', 'TE: gzip, trailers');
    expect(told()).toEqual([['trailers'], ['keep-alive, te']]);
    await overHttp1('HTTP/1.1', 'TE: gzip');
    expect(told()).toEqual([[], ['keep-alive']]);
    const key = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==';
    await using client = await RawConnection.open(gateway.port);
    const handshake = ['Host: shop.example.com', 'Origin: https://shop.example.com', 'Upgrade: websocket', key];
    const more = ['Connection: Upgrade', 'Sec-WebSocket-Version: 13', 'TE: trailers'];
    client.write(requestHead('GET', '/socket', [...handshake, ...more]));
    await client.response();
    expect(told()).toEqual([[], ['upgrade']]);
    expect(upstream.problems).toEqual([]);
  });

  test('HDR-10: are dropped if they have a meaning as headers or the route drops them', async () => {
    lines = [
      ...Object.entries({ ...FORBIDDEN, 'x-dropped': 'a' }).map(([name, value]) => `${name}: ${value}`),
      'X-Sum: 1',
    ];
    lines = [...lines, 'Content-Length: 5', 'Transfer-Encoding: chunked', 'Connection: close', 'Trailer: x'];
    expect((await overHttp2()).trailers).toEqual({ 'x-sum': '1' });
    expect(await overHttp1('HTTP/1.1', 'TE: trailers')).toMatch(/\r\n0\r\nx-sum: 1\r\n\r\n$/);
  });

  test('RFC 9110 §7.6.1: are dropped if Connection lists them', async () => {
    connection = 'keep-alive, X-Own';
    lines = ['X-Own: 1', 'X-Sum: 2'];
    expect((await overHttp2()).trailers).toEqual({ 'x-sum': '2' });
  });

  test.each([
    ['a space before the colon', 'X-Sum : 1'],
    ['a folded line', 'X-Sum: 1\r\n 2'],
    ['a bare line feed that could hide another answer', 'X-Sum: 1\n\nHTTP/1.1 200 OK'],
    ['a control character', 'X-Sum: \x01'],
    ['no name', ': 1'],
  ])('SMG-09: with %s cut the answer and are not passed on', async (_, line) => {
    lines = [line];
    const { trailers, code } = await overHttp2();
    expect(trailers).toBeUndefined();
    expect(code).not.toBe(0);
    expect(await overHttp1('HTTP/1.1', 'TE: trailers')).not.toMatch(/x-sum|\r\n0\r\n/i);
  });
});
