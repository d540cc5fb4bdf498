/** Requests and answers over HTTP/2, through a whole gateway to an HTTP/1.1 upstream. */

import type { Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../../support/gateway.ts';
import {
  answerOf,
  CODE,
  FRAME,
  frame,
  get,
  Http2Client,
  headersFrame,
  post,
  RawHttp2,
  resetFrame,
} from '../../support/http2/client.ts';
import { RawConnection, requestHead } from '../../support/raw-client.ts';
import { type Answer, RecordingUpstream } from '../../support/recording-upstream.ts';
import { until } from '../../support/until.ts';

const OK: Answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');

describe('without TLS, by prior knowledge', () => {
  let upstream: RecordingUpstream;
  let gateway: TestGateway;
  let client: Http2Client;
  beforeAll(async () => {
    upstream = await RecordingUpstream.start();
    gateway = await startGateway({
      upstream: upstream.origin,
      routes: [
        { id: 'public', match: { path: '/public' }, credential: 'none' },
        { id: 'small', match: { path: '/small' }, credential: 'none', maxBodyBytes: '4B' },
        { id: 'app', match: { path: '/' }, credential: 'session' },
      ],
      config: { listeners: { public: { address: '127.0.0.1:0', http2: true }, admin: { address: '127.0.0.1:0' } } },
    });
    client = Http2Client.plain(gateway.port);
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await gateway[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });
  beforeEach(() => {
    upstream.reset();
    upstream.answer = OK;
  });

  test.for([
    ['GET', undefined, [], ''],
    ['POST', 'hello', ['transfer-encoding: chunked'], 'hello'],
    ['POST', '', [], ''],
    ['PUT', 'hello', ['content-length: 5'], 'hello'],
    ['DELETE', undefined, [], ''],
  ] as const)('a %s with the body %j becomes one HTTP/1.1 request', async ([method, body, framing, expected]) => {
    const length = framing[0] === 'content-length: 5' ? { 'content-length': '5' } : {};
    const headers = { ':method': method, ':path': '/public/x?q=1', cookie: ['a=1', 'b=2'], ...length };
    const answer = await client.request(headers, body);
    expect([answer.status, answer.body, answer.code]).toEqual([200, 'ok', CODE.none]);
    expect(upstream.problems).toEqual([]);
    expect(upstream.requests).toHaveLength(1);
    const { head, body: received } = upstream.last;
    expect(head.split('\r\n')[0]).toBe(`${method} /public/x?q=1 HTTP/1.1`);
    expect(received.toString()).toBe(expected);
    expect(upstream.last.values('host')).toEqual(['shop.example.com']);
    expect(upstream.last.values('cookie')).toEqual(['a=1; b=2']);
    expect(upstream.last.values('via')).toEqual(['2 sallyport']);
    for (const line of framing) expect(head).toContain(line);
    const record = gateway.log.records.at(-1);
    expect(record).toMatchObject({ httpVersion: '2', method, route: 'public', status: 200 });
    expect(record?.['requestBytes']).toBe(expected.length);
    expect(record?.['reason']).toBeUndefined();
  });

  test('concurrent requests on one connection get their own answers', async () => {
    upstream.answer = ({ head }, socket) => {
      const path = head.split(' ')[1] ?? '';
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${path.length}\r\n\r\n${path}`);
    };
    const paths = Array.from({ length: 100 }, (_, index) => `/public/${index}`);
    const answers = await Promise.all(paths.map((path) => client.get(path)));
    expect(answers.map(({ body }) => body)).toEqual(paths);
    expect(gateway.gateway.requestsInFlight).toBe(0);
  });

  test('sessions, denials, pages for people and redirects work as over HTTP/1.1', async () => {
    const [, cookie = ''] = (await gateway.cookie()).split(': ');
    expect((await client.get('/', { cookie })).status).toBe(200);
    const denied = await client.get('/', { accept: 'application/json' });
    expect([denied.status, (JSON.parse(denied.body) as { reason: string }).reason]).toEqual([
      401,
      'credential_missing',
    ]);
    const person = await client.get('/', {
      'sec-fetch-mode': 'navigate',
      'sec-fetch-dest': 'document',
      accept: 'text/html',
    });
    expect([person.status, person.headers.location]).toEqual([302, expect.stringContaining('/auth/login')]);
    expect((await client.get('/public', { ':authority': 'nobody.test' })).status).toBe(421);
  });

  test('HTTP/1.1 is served on the same port, however its bytes arrive', async () => {
    const request = requestHead('GET', '/public/one', ['Host: shop.example.com']);
    for (const parts of [[request], [...request], ['PRI', 'NT /x HTTP/1.1\r\n\r\n']]) {
      await using connection = await RawConnection.open(gateway.port);
      for (const part of parts) {
        connection.write(part);
        await new Promise(setImmediate);
      }
      expect((await connection.response()).status).toBe(parts[0] === 'PRI' ? 400 : 200);
    }
  });

  test('the HTTP/2 preface is read however its bytes arrive, and garbage after it ends the connection', async () => {
    await using connection = await RawHttp2.open(gateway.port, '');
    for (const byte of Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')) {
      connection.write(Buffer.of(byte));
      await new Promise(setImmediate);
    }
    connection.write(frame(FRAME.settings, 0, 0));
    expect((await connection.request(1, get('/public'))).status).toBe(200);
    connection.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    await connection.ended();
  });

  test('SMG-33: an HTTP/1.1 request line that says HTTP/2.0 or HTTP/2 is refused', async () => {
    for (const version of ['HTTP/2.0', 'HTTP/2']) {
      await using connection = await RawConnection.open(gateway.port);
      connection.write(`GET /public ${version}\r\nHost: shop.example.com\r\n\r\n`);
      expect([400, 505]).toContain((await connection.response()).status);
    }
    expect(upstream.requests).toHaveLength(0);
  });

  test('RFC 8297, RFC 9110 §10.1.1: early hints and 100 Continue reach the client', async () => {
    upstream.answer = (_request, socket) =>
      void socket.write(
        'HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
      );
    const stream = client.begin({ ':method': 'POST', ':path': '/public', expect: '100-continue' }, null);
    const interim: unknown[] = [];
    stream.on('headers', (headers) => interim.push([headers[':status'], headers['link']]));
    stream.on('continue', () => stream.end('body'));
    expect(await answerOf(stream)).toMatchObject({ status: 200, body: 'ok' });
    expect(interim).toEqual([
      [100, undefined],
      [103, '</a.css>; rel=preload'],
    ]);
  });

  test("an answer is streamed and never exceeds the client's window", async () => {
    const part = 'x'.repeat(64 * 1024);
    let open: Socket | null = null;
    let written = 0;
    upstream.answer = (_request, socket) => {
      open = socket;
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      const more = () => {
        while (!socket.destroyed && written < 64 * 1024 * 1024) {
          written += part.length;
          if (!socket.write(`10000\r\n${part}\r\n`)) break;
        }
      };
      socket.on('drain', more);
      more();
    };
    await using connection = await RawHttp2.open(gateway.port);
    connection.write(headersFrame(1, get('/public')));
    await until(() => connection.of(FRAME.data).length > 0, 'the first part is here');
    let before = -1;
    await until(() => {
      const isStill = before === written;
      before = written;
      return isStill;
    }, 'the upstream waits');
    // The client's window, and socket buffers on the way.
    expect(connection.of(FRAME.data).reduce((sum, { payload }) => sum + payload.length, 0)).toBe(65_535);
    expect(written).toBeLessThan(32 * 1024 * 1024);
    connection.write(resetFrame(1));
    await until(() => (open as Socket | null)?.destroyed === true, 'the upstream connection is gone');
  });

  test.each(['reset', 'connection'])(
    'a client that leaves (%s) ends the upstream request and is logged as aborted',
    async (how) => {
      let open: Socket | null = null;
      upstream.answer = (_request, socket) => {
        open = socket;
      };
      await using connection = await RawHttp2.open(gateway.port);
      connection.write(headersFrame(1, get('/public/left')));
      await upstream.received(1);
      if (how === 'reset') connection.write(resetFrame(1));
      else connection.socket.destroy();
      await until(() => gateway.gateway.requestsInFlight === 0, 'the request is over');
      await until(() => (open as Socket | null)?.destroyed === true, 'the upstream connection is gone');
      expect(gateway.log.records.at(-1)).toMatchObject({ status: 499, reason: 'downstream_aborted' });
    },
  );

  test.each(['reset', 'connection'])(
    'SMG-28: an upload that is cut off (%s) never looks complete to the upstream',
    async (how) => {
      await using connection = await RawHttp2.open(gateway.port);
      connection.write(headersFrame(1, post('/public/upload'), 0), frame(FRAME.data, 0, 1, 'half'));
      await until(() => upstream.text.includes('half'), 'the upstream has begun to read');
      if (how === 'reset') connection.write(resetFrame(1, CODE.none));
      else connection.socket.destroy();
      await until(() => gateway.gateway.requestsInFlight === 0, 'the request is over');
      await client.get('/public');
      expect(upstream.requests.map(({ body }) => body.toString())).toEqual(['']);
      // The last chunk; a request id can end in 0, too.
      expect(upstream.text).not.toContain('\r\n0\r\n\r\n');
    },
  );

  test('an upstream that fails in the middle of its answer resets only its stream', async () => {
    let open: Socket | null = null;
    upstream.answer = (_request, socket) => {
      open = socket;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf');
    };
    const stream = client.begin({ ':path': '/public' });
    stream.once('data', () => open?.destroy());
    expect(await answerOf(stream)).toMatchObject({ status: 200, body: 'half', code: CODE.internal });
    upstream.answer = OK;
    expect((await client.get('/public')).body).toBe('ok');
  });

  test("an upload over its route's limit gets 413, and the connection stays open", async () => {
    const announced = await client.request({ ':method': 'POST', ':path': '/small', 'content-length': '5' }, 'hello');
    const stream = client.begin({ ':method': 'POST', ':path': '/small' }, null);
    stream.write('hello');
    const chunked = await answerOf(stream);
    for (const answer of [announced, chunked]) {
      expect([answer.status, (JSON.parse(answer.body) as { reason: string }).reason]).toEqual([413, 'body_too_large']);
    }
    expect((await client.get('/public')).status).toBe(200);
  });
});
