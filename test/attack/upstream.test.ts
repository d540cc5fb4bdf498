/**
 * §2.16 and the upstream's half of §2.5: what a broken or hostile upstream can do to a client, and what a client can do
 * to an upstream's connection.
 */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { RawConnection, rawRequest } from '../support/raw-client.ts';
import { RawUpstream } from '../support/raw-upstream.ts';
import type { Answer } from '../support/recording-upstream.ts';
import { asUpgrade, BOB, type Expectation, head, playTable, type Row, Stage, targetOf } from './harness.ts';

/** What an attacker would like the upstream to read as a separate request. */
const HIDDEN = 'GET /public/hidden HTTP/1.1\r\nHost: shop.example.com\r\n\r\n';

const BAD_ANSWER: Expectation = {
  status: 502,
  reason: 'upstream_protocol',
  upstream: { target: '/x' },
  connection: 'in-sync',
};

const answered = (
  id: string,
  what: string,
  answer: string,
  expected: Partial<Expectation> & { body?: string } = {},
): Row => {
  const { body = 'ok', also, ...rest } = expected;
  return {
    id,
    what,
    bytes: head('GET /x', BOB),
    answer,
    expect: {
      status: 200,
      connection: 'in-sync',
      ...rest,
      also: (received) => {
        expect(received.body.toString('latin1')).toBe(body);
        also?.(received);
      },
    },
  };
};
const badAnswer = (id: string, what: string, answer: string, expected = BAD_ANSWER): Row => ({
  id,
  what: `${what} is answered with 502`,
  bytes: head('GET /x', BOB),
  answer,
  expect: expected,
});

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const withHeader = (...lines: readonly string[]) =>
  ['HTTP/1.1 200 OK', 'Content-Length: 2', ...lines, '', 'ok'].join('\r\n');

const ROWS: readonly Row[] = [
  {
    id: 'SMG-39',
    what: 'an answer to HEAD with a body does not desynchronize the connection',
    bytes: head('HEAD /x', BOB),
    answer: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    expect: {
      status: 200,
      upstream: { target: '/x' },
      connection: 'in-sync',
      also: ({ headers }) => expect(headers.get('content-length')).toBe('5'),
    },
  },
  answered(
    'SMG-39',
    'a 204 with a body does not desynchronize the connection',
    'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello',
    {
      status: 204,
      body: '',
      also: ({ headers }) => expect(headers.has('content-length')).toBe(false),
    },
  ),
  answered(
    'SMG-39',
    'a 204 with a chunked body does not desynchronize the connection',
    'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
    {
      status: 204,
      body: '',
      also: ({ headers }) => expect(headers.has('transfer-encoding')).toBe(false),
    },
  ),
  answered(
    'SMG-39',
    'a 304 with a body does not desynchronize the connection',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello',
    { status: 304, body: '' },
  ),
  answered(
    'SMG-39',
    'a 205 with a body is relayed unchanged',
    'HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nok',
    { status: 205 },
  ),
  answered(
    'SMG-39',
    'early hints before the answer are accepted',
    `${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(3)}${OK}`,
  ),
  badAnswer('SMG-39', 'a flood of interim answers', `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(100)}${OK}`),
  badAnswer('DOS-18', 'an endless stream of 102 Processing', 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(10_000)),
  badAnswer('DOS-18', 'a header of 40 kB', withHeader(`X-A: ${'a'.repeat(40_000)}`)),
  badAnswer('DOS-18', '10,000 headers', withHeader(...Array.from({ length: 10_000 }, (_, at) => `A${at}: b`))),
  badAnswer('DOS-18', 'a header that never ends', `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(100_000)}`),
  badAnswer(
    'DOS-18',
    'interim answers with 40 kB of headers',
    `HTTP/1.1 103 Early Hints\r\nX-A: ${'a'.repeat(40_000)}\r\n\r\n${OK}`,
  ),
  // RFC 9110 §15.2: accepted even if the request did not ask for it.
  answered('SMG-39', 'an unrequested 100 Continue is accepted', `HTTP/1.1 100 Continue\r\n\r\n${OK}`),
  answered(
    'SMG-39',
    'several 100 Continue answers with a header are accepted',
    `${'HTTP/1.1 100 Continue\r\nX-A: b\r\n\r\n'.repeat(5)}${OK}`,
  ),
  badAnswer('SMG-39', 'a flood of 100 Continue', `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)}${OK}`),
  badAnswer(
    'SMG-39',
    'an unrequested 101 Switching Protocols',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ),
  badAnswer('SMG-39', '101 without Upgrade, followed by data', 'HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x02hi'),
  answered(
    'SMG-39',
    'bytes beyond the announced length are discarded',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokEVIL',
  ),
  answered('SMG-40', 'a second answer is discarded', `${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL`),
  answered(
    'SMG-40',
    'ten more answers are discarded',
    `${OK}${'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL'.repeat(10)}`,
  ),
  badAnswer('UPS-10', 'two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nokok'),
  badAnswer('UPS-10', 'two lengths in one header', 'HTTP/1.1 200 OK\r\nContent-Length: 2, 4\r\n\r\nokok'),
  badAnswer('UPS-10', 'a length that is not a number', 'HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok'),
  badAnswer('UPS-10', 'a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok'),
  badAnswer(
    'UPS-10',
    'both a length and chunks',
    'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  ),
  badAnswer(
    'UPS-10',
    'an unrequested transfer coding',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
  ),
  badAnswer(
    'UPS-10',
    'a transfer coding other than chunked',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\nok',
  ),
  badAnswer('UPS-10', 'a bare CR in a header', withHeader('X-A: b\rSet-Cookie: evil=1')),
  badAnswer('UPS-10', 'a bare LF in a header', withHeader('X-A: b\nSet-Cookie: evil=1')),
  badAnswer('UPS-10', 'NUL in a header', withHeader('X-A: b\0c')),
  badAnswer('UPS-10', 'a control character in a header', withHeader('X-A: b\x01c')),
  badAnswer('UPS-10', 'DEL in a header', withHeader('X-A: b\x7fc')),
  badAnswer('UPS-10', 'a folded header', withHeader('X-A: b\r\n Set-Cookie: evil=1')),
  badAnswer('UPS-10', 'a header without a colon', withHeader('X-A')),
  badAnswer('UPS-10', 'a space in a header name', withHeader('X A: b')),
  badAnswer('UPS-10', 'a protocol other than HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'),
  badAnswer('UPS-10', 'HTTP/0.9', '<html>hello</html>\r\n\r\n'),
  badAnswer('UPS-10', 'a status of two digits', 'HTTP/1.1 99 No\r\nContent-Length: 2\r\n\r\nok'),
  badAnswer('UPS-10', 'a status of four digits', 'HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok'),
  badAnswer('UPS-10', 'a status below 100', 'HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nok'),
  answered(
    'UPS-10',
    'an answer that calls itself HTTP/2.0 is framed as HTTP/1.1',
    'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok',
  ),
  answered(
    'UPS-10',
    'Set-Cookie lines of an upstream stay separate, byte for byte',
    withHeader('Set-Cookie: a=1, b=2; Path=/', 'Set-Cookie: c="x\xe9"; Path=/;;', 'X-A: 1', 'X-A: 2'),
    {
      also: ({ headers }) => {
        expect(headers.get('set-cookie')).toBe('a=1, b=2; Path=/\nc="x\xe9"; Path=/;;');
        expect(headers.get('x-a')).toBe('1\n2');
      },
    },
  ),
  ...['http://169.254.169.254/latest/', 'http://internal.example:3000/x', '//evil.com', '/x?y#z'].map((location) =>
    answered(
      'UPS-06',
      `a redirect to ${location} is relayed unchanged and not followed`,
      ['HTTP/1.1 302 Found', `Location: ${location}`, 'Content-Length: 0', '', ''].join('\r\n'),
      {
        status: 302,
        body: '',
        upstream: { target: '/x' },
        also: ({ headers }) => expect(headers.get('location')).toBe(location),
      },
    ),
  ),
  ...[401, 403, 404, 500, 502, 503].map((status) =>
    answered(
      'UPS-09',
      `the ${status} of an upstream is relayed, with its body`,
      `HTTP/1.1 ${status} No\r\nContent-Length: 4\r\nWWW-Authenticate: Basic\r\n\r\nmine`,
      {
        status,
        body: 'mine',
        upstream: { target: '/x' },
        also: ({ headers }) => expect(headers.get('www-authenticate')).toBe('Basic'),
      },
    ),
  ),
  answered(
    'DOS-08',
    'a compressed answer is relayed unchanged, however large it would inflate',
    withHeader('Content-Encoding: gzip').replace('ok', '\x1f\x8b'),
    {
      body: '\x1f\x8b',
      also: ({ headers }) => expect(headers.get('content-encoding')).toBe('gzip'),
    },
  ),
];

describe('upstreams', () => {
  playTable(ROWS);
});

/** Calls back once, when a whole head has arrived. */
function onHead(socket: Socket, answer: (received: Buffer) => void): void {
  let received = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (!received.includes('\r\n\r\n')) return;
    socket.off('data', onData);
    answer(received);
  };
  socket.on('data', onData);
}

const PUBLIC = { routes: [{ id: 'public', match: { path: '/' }, credential: 'none' }] };
const TOO_LARGE = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\ntoo big';

describe('connections to upstreams', () => {
  test('SMG-20: an early answer reaches a client that is still sending, and both connections close', async () => {
    await using upstream = await RawUpstream.start((socket) => onHead(socket, () => socket.write(TOO_LARGE)));
    await using gateway = await startGateway({ ...PUBLIC, upstream: upstream.origin });
    await using connection = await RawConnection.open(gateway.port);
    connection.write(head('POST /x', `Content-Length: ${64 * 1024 * 1024}`));
    const flood = setInterval(() => connection.socket.write(Buffer.alloc(64 * 1024, 'x')), 0);
    const answer = await connection.response();
    expect([answer.status, answer.body.toString()]).toEqual([413, 'too big']);
    expect(answer.headers.get('connection')).toBe('close');
    clearInterval(flood);
    connection.write(head('GET /after'));
    expect(await connection.remainder()).toHaveLength(0);
    await expect.poll(() => upstream.openConnections).toBe(0);
    expect(upstream.connectionCount).toBe(1);
  });

  test('SMG-20: a body that the upstream did not read is never parsed as a request', async () => {
    // More than the kernel's buffers can hold, so it is never sent completely.
    const bodies = HIDDEN.repeat(400_000);
    const heads: string[] = [];
    await using upstream = await RawUpstream.start((socket) =>
      onHead(socket, (received) => {
        heads.push(received.toString('latin1').split('\r\n')[0] ?? '');
        socket.write(TOO_LARGE);
        socket.pause();
      }),
    );
    await using gateway = await startGateway({ ...PUBLIC, upstream: upstream.origin });
    for (let round = 0; round < 5; round += 1) {
      await using connection = await RawConnection.open(gateway.port);
      connection.write(
        `${head('POST /x', `Content-Length: ${bodies.length}`)}${bodies}${head('POST /y', 'Content-Length: 1')}z`,
      );
      expect((await connection.response()).status).toBe(413);
      await connection.remainder();
    }
    expect(new Set(heads)).toEqual(new Set(['POST /x HTTP/1.1']));
  });

  test('SMG-20: an answer that completes before the body leaves no upstream connection to reuse', async () => {
    await using stage = await Stage.start({}, (_request, socket) => void socket.write(TOO_LARGE));
    await using connection = await RawConnection.open(stage.gateway.port);
    connection.write(`${head('POST /public/x', 'Transfer-Encoding: chunked')}1\r\na\r\n`);
    await expect.poll(() => stage.upstream.text).toContain('\r\na');
    connection.write('0\r\n\r\n');
    expect((await connection.response()).status).toBe(413);
    connection.write(head('GET /public/y'));
    expect((await connection.response()).status).toBe(413);
    expect(stage.upstream.requests.map(targetOf)).toEqual(['/public/x', '/public/y']);
  });

  test('SMG-38: a client that disconnects in the middle of its body closes the upstream connection', async () => {
    await using stage = await Stage.start();
    const connection = await RawConnection.open(stage.gateway.port);
    connection.write(`${head('POST /public/x', `Content-Length: ${HIDDEN.length + 10}`)}0123456789`);
    await expect.poll(() => stage.upstream.text).toContain('0123456789');
    connection.close();
    await expect.poll(() => stage.upstream.openConnections).toBe(0);
    const answer = await rawRequest(stage.gateway.port, head('GET /public/hidden-not'));
    expect(answer.status).toBe(200);
    expect(stage.upstream.requests.map(targetOf)).toEqual(['/public/hidden-not']);
  });

  test('SMG-38: a client that disconnects while it waits closes the upstream connection', async () => {
    await using stage = await Stage.start({}, () => {});
    const connection = await RawConnection.open(stage.gateway.port);
    connection.write(head('GET /public/x'));
    await stage.upstream.received(1);
    connection.close();
    await expect.poll(() => stage.upstream.openConnections).toBe(0);
  });

  test('SMG-38: a client that disconnects in the middle of the answer closes the upstream connection', async () => {
    const endless: Answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx');
    await using stage = await Stage.start({}, endless);
    const connection = await RawConnection.open(stage.gateway.port);
    connection.write(head('GET /public/x'));
    await once(connection.socket, 'data');
    connection.close();
    await expect.poll(() => stage.upstream.openConnections).toBe(0);
  });

  test('SMG-39: a truncated answer is truncated for the client too, or 502 if nothing has arrived', async () => {
    const short: Answer = (request, socket) => {
      if (targetOf(request) === '/public/part') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart');
      socket.end();
    };
    await using stage = await Stage.start({}, short);
    await using connection = await RawConnection.open(stage.gateway.port);
    connection.write(head('GET /public/part'));
    expect((await connection.remainder()).toString()).toMatch(/\r\n\r\npart$/);
    expect((await rawRequest(stage.gateway.port, head('GET /public/none'))).status).toBe(502);
  });

  test('SMG-39: truncated or invalid chunks never reach the client as a complete answer', async () => {
    const broken: Answer = (request, socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n');
      setImmediate(() => (targetOf(request) === '/public/ends' ? socket.end() : socket.write('zz\r\n')));
    };
    await using stage = await Stage.start({}, broken);
    for (const path of ['/public/ends', '/public/garbage']) {
      await using connection = await RawConnection.open(stage.gateway.port);
      connection.write(head(`GET ${path}`));
      const received = (await connection.remainder()).toString();
      expect(received).toMatch(/\r\n2\r\nok\r\n$/);
    }
  });

  test('SMG-39: an answer that ends when its connection closes is relayed whole', async () => {
    const body = randomBytes(100_000).toString('hex');
    const untilEnd: Answer = (_request, socket) => void socket.end(`HTTP/1.1 200 OK\r\n\r\n${body}`);
    await using stage = await Stage.start({}, untilEnd);
    const answer = await rawRequest(stage.gateway.port, head('GET /public/x'));
    expect(answer.body.toString()).toBe(body);
  });

  test('UPS-03: an unsolicited answer on an idle connection reaches no client', async () => {
    const sockets = new Set<Socket>();
    const remember: Answer = (request, socket) => {
      sockets.add(socket);
      const body = targetOf(request);
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
    };
    await using stage = await Stage.start({}, remember);
    await using connection = await RawConnection.open(stage.gateway.port);
    for (let round = 0; round < 50; round += 1) {
      connection.write(head(`GET /public/${round}`));
      expect((await connection.response()).body.toString()).toBe(`/public/${round}`);
      for (const socket of sockets) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL');
      sockets.clear();
      // Both share one event loop: after this turn, the bytes are on the gateway's socket.
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(stage.upstream.connectionCount).toBe(50);
  });

  test('UPS-04: a request sent on a new connection is not retried, regardless of its method', async () => {
    await using stage = await Stage.start({}, (_request, socket) => void socket.destroy());
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'POST', 'PATCH']) {
      stage.upstream.reset();
      const answer = await rawRequest(stage.gateway.port, head(`${method} /public/x`));
      expect(answer.status).toBe(502);
      expect(stage.upstream.requests).toHaveLength(1);
    }
  });

  test('UPS-07: bodies pass byte for byte in every framing', async () => {
    const hashOf = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    const echo: Answer = (request, socket) => {
      const isChunked = targetOf(request) === '/public/chunked';
      socket.write(
        `HTTP/1.1 200 OK\r\n${isChunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${request.body.length}`}\r\n\r\n`,
      );
      if (isChunked) socket.write(`${request.body.length.toString(16)}\r\n`);
      socket.write(request.body);
      if (isChunked) socket.write('\r\n0\r\n\r\n');
    };
    await using stage = await Stage.start({}, echo);
    for (const size of [1, 2, 8_191, 8_192, 8_193, 65_536, 65_537, 1_000_000]) {
      const body = randomBytes(size);
      const announced = Buffer.concat([Buffer.from(head('POST /public/x', `Content-Length: ${size}`)), body]);
      const chunked = Buffer.concat([
        Buffer.from(`${head('POST /public/chunked', 'Transfer-Encoding: chunked')}${size.toString(16)}\r\n`),
        body,
        Buffer.from('\r\n0\r\n\r\n'),
      ]);
      for (const request of [announced, chunked]) {
        const answer = await rawRequest(stage.gateway.port, request);
        expect(hashOf(stage.upstream.last.body)).toBe(hashOf(body));
        expect(hashOf(answer.body)).toBe(hashOf(body));
      }
    }
  });

  test('UPS-08: the gateway itself answers for a failed upstream: no other service sees the request', async () => {
    await using stage = await Stage.start({}, (_request, socket) => void socket.destroy());
    const answer = await rawRequest(stage.gateway.port, stage.fill(head('GET /x', BOB)));
    expect(answer.status).toBe(502);
    expect(stage.upstream.connectionCount).toBe(1);
  });

  test('DOS-05: an announced body of 10 GB that never arrives costs no memory and ends with 408', async () => {
    await using stage = await Stage.start({ config: { listeners: listenersWith({ bodyIdle: '200ms' }) } });
    await using connection = await RawConnection.open(stage.gateway.port);
    const before = process.memoryUsage().rss;
    connection.write(`${head('POST /public/x', 'Content-Length: 10000000000')}x`);
    const answer = await connection.response();
    expect(answer.status).toBe(408);
    expect(await connection.remainder()).toHaveLength(0);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    await expect.poll(() => stage.upstream.openConnections).toBe(0);
  });

  test('DOS-15: an upgrade with too many headers is refused, and the next request is answered', async () => {
    await using stage = await Stage.start();
    const lines = Array.from({ length: 150 }, (_, at) => `A${at}: b`);
    const answer = await rawRequest(stage.gateway.port, stage.fill(asUpgrade(head('GET /x', BOB, ...lines))));
    expect(answer.status).toBe(431);
    expect((await rawRequest(stage.gateway.port, head('GET /public/x'))).status).toBe(200);
  });

  test('a body that exceeds its limit after the answer has begun cuts the connection', async () => {
    await using upstream = await RawUpstream.start((socket) =>
      onHead(socket, () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun');
        socket.resume();
      }),
    );
    const routes = [{ id: 'public', match: { path: '/' }, credential: 'none', maxBodyBytes: '1KiB' }];
    await using gateway = await startGateway({ routes, upstream: upstream.origin });
    await using connection = await RawConnection.open(gateway.port);
    connection.write(`${head('POST /x', 'Transfer-Encoding: chunked')}1\r\na\r\n`);
    await once(connection.socket, 'data');
    connection.write(`400\r\n${'b'.repeat(1_024)}\r\n`);
    expect((await connection.remainder()).toString()).toMatch(/begun$/);
    await expect.poll(() => upstream.openConnections).toBe(0);
    await expect.poll(() => gateway.log.records.at(-1)).toMatchObject({ reason: 'body_too_large' });
  });
});

const listenersWith = (timeouts: Record<string, string>) => ({
  public: { address: '127.0.0.1:0', timeouts },
  admin: { address: '127.0.0.1:0' },
});
