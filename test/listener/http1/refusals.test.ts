/** What the parser or the listener itself refuses, before an exchange begins. */

import { describe, expect, test } from 'vitest';
import { HOST } from '../../support/gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { until } from '../../support/until.ts';
import { expectRefusal, startListener } from './support.ts';

const WEBSOCKET = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
];
const get = (target: string, headers: readonly string[] = []) => requestHead('GET', target, [HOST, ...headers]);
const manyHeaders = (count: number) => Array.from({ length: count }, (_, index) => `X-${index}: 1`);

const refused: readonly (readonly [title: string, bytes: string, status: number, reason: string])[] = [
  ['SMG-34: an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'request_malformed'],
  ['SMG-34: HTTP/2.0', `GET / HTTP/2.0\r\n${HOST}\r\n\r\n`, 505, 'http_version_unsupported'],
  ['SMG-34: HTTP/1.2', `GET / HTTP/1.2\r\n${HOST}\r\n\r\n`, 505, 'http_version_unsupported'],
  ['RFC 9112 §2.3: HTTP/9.9', `GET / HTTP/9.9\r\n${HOST}\r\n\r\n`, 505, 'http_version_unsupported'],
  ...['HTTP/1.', 'HTTP/1', 'HTTP/11.1', 'HTTP/1.11', 'HTTP/1.x', 'HTTP/ 1.1', 'HTTP/1,1', 'http/1.1', 'HTTP/1.1 x'].map(
    (version) =>
      [
        `S8, RFC 9112 §2.3: ${version}, which is not a version`,
        `GET / ${version}\r\n${HOST}\r\n\r\n`,
        400,
        'request_malformed',
      ] as const,
  ),
  ['SMG-34: HTTP/0.9 with a blank line', 'GET /\r\n\r\n', 505, 'http_version_unsupported'],
  ['an upgrade with a body', get('/', [...WEBSOCKET, 'Content-Length: 5']), 400, 'upgrade_unsupported'],
  ['CONNECT', requestHead('CONNECT', 'db:5432', ['Host: db:5432']), 405, 'method_not_allowed'],
  [
    'CONNECT with a body',
    requestHead('CONNECT', 'db:5432', ['Host: db:5432', 'Content-Length: 3']),
    405,
    'method_not_allowed',
  ],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'request_malformed'],
  ['an Expect that is not 100-continue', get('/', ['Expect: 200-ok']), 417, 'expectation_failed'],
  ['a target over the limit', get(`/${'a'.repeat(8_193)}`), 414, 'target_too_long'],
  ['DOS-07: 17 KiB of headers', get('/', [`X-Long: ${'a'.repeat(17_000)}`]), 431, 'headers_too_large'],
  ['DOS-07: 101 header lines', get('/', manyHeaders(100)), 431, 'headers_too_large'],
  [
    'SMG-31: a Content-Length after 2,100 header lines',
    `${requestHead('POST', '/', [HOST, ...Array<string>(2_100).fill('a:'), 'Content-Length: 30'])}GET /hidden HTTP/1.1\r\n\r\n`,
    431,
    'headers_too_large',
  ],
  [
    'chunk extensions over 16 KiB',
    `${requestHead('POST', '/', [HOST, 'Transfer-Encoding: chunked'])}5;${'x'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`,
    413,
    'body_too_large',
  ],
];

describe('refused before the pipeline with a problem document, then closed', () => {
  test.each(refused)('%s', async (_title, bytes, status, reason) => {
    await using upstream = await RecordingUpstream.start(() => {});
    await using gateway = await startListener(upstream, {});
    await using connection = await RawConnection.open(gateway.port);
    connection.write(bytes);
    await expectRefusal(connection, status, reason);
    expect(upstream.requests).toHaveLength(0);
    expect(await gateway.metrics.text()).toContain(`outcome="deny",reason="${reason}"} 1\n`);
  });

  test.each(refused)('SMG-36: %s, one byte at a time', async (_title, bytes, status, reason) => {
    await using upstream = await RecordingUpstream.start(() => {});
    await using gateway = await startListener(upstream, {});
    await using connection = await RawConnection.open(gateway.port);
    // Long inputs in steps of 64 bytes: single bytes would take minutes and test nothing more.
    const step = bytes.length > 2_000 ? 64 : 1;
    for (let at = 0; at < bytes.length && !connection.isEnded; at += step) {
      connection.write(bytes.slice(at, at + step));
      await new Promise(setImmediate);
    }
    await expectRefusal(connection, status, reason);
  });
});

test.each([
  [
    'a method in lower case',
    'get / HTTP/1.1\r\n',
    'request_malformed',
    'HTTP/1.1 400 Bad Request',
    'parser: HPE_INVALID_METHOD',
  ],
  [
    'a bad header name',
    `GET / HTTP/1.1\r\n${HOST}\r\nX Y: canary\r\n\r\n`,
    'request_malformed',
    'HTTP/1.1 400 Bad Request',
    'parser: HPE_INVALID_HEADER_TOKEN',
  ],
  [
    'CONNECT',
    requestHead('CONNECT', 'db:5432', ['Host: db:5432']),
    'method_not_allowed',
    'HTTP/1.1 405 Method Not Allowed',
    'CONNECT',
  ],
])(
  'input that never became a request has an id, in its answer and in one log line: %s',
  async (_title, bytes, reason, statusLine, note) => {
    await using gateway = await startListener(null, {});
    await using connection = await RawConnection.open(gateway.port);
    connection.write(bytes);
    const { head, headers, body, status } = await connection.response();
    expect(head.split('\r\n')[0]).toBe(statusLine);
    const { requestId } = JSON.parse(body.toString()) as { requestId: string };
    expect(requestId).toMatch(/^[0-9a-f]{32}$/);
    expect(headers.get('x-request-id')).toBe(requestId);
    const lines = gateway.log.records.filter(({ msg }) => msg === 'request');
    expect(lines).toEqual([
      {
        level: 'info',
        time: expect.any(String),
        id: requestId,
        status,
        client: '127.0.0.1',
        reason,
        note,
        msg: 'request',
      },
    ]);
    expect(gateway.log.text).not.toContain('canary');
  },
);

test('with log.access off, input that never became a request is not logged', async () => {
  await using gateway = await startListener(null, {}, { log: { access: 'off' } });
  expect((await rawRequest(gateway.port, 'get / HTTP/1.1\r\n')).status).toBe(400);
  expect(gateway.log.records.filter(({ msg }) => msg === 'request')).toEqual([]);
});

test('100 header lines are accepted', async () => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startListener(upstream, {});
  expect((await rawRequest(gateway.port, get('/', manyHeaders(99)))).status).toBe(200);
});

test('a refusal reaches a client that sends everything before it reads', async () => {
  await using gateway = await startListener(null, {});
  await using connection = await RawConnection.open(gateway.port);
  connection.socket.pause();
  connection.write(get('/', [`X-Long: ${'a'.repeat(17_000)}`]));
  // Rejects if the other side resets the connection, which would discard the answer.
  await new Promise<void>((resolve, reject) =>
    connection.socket.write(Buffer.alloc(8 * 1024 * 1024, 'a'), (error) => (error == null ? resolve() : reject(error))),
  );
  connection.socket.resume();
  await expectRefusal(connection, 431, 'headers_too_large');
});

test('a refused connection is closed even if its client does not close it', async () => {
  await using gateway = await startListener(null, {});
  await using connection = await RawConnection.open(gateway.port, { allowHalfOpen: true });
  connection.write('NONSENSE\r\n\r\n');
  await expectRefusal(connection, 400, 'request_malformed');
  expect(await gateway.gateway.connectionCount()).toBe(1);
  await until(async () => (await gateway.gateway.connectionCount()) === 0, 'the connection is gone');
});

test('a connection that is reset is not counted as a malformed request', async () => {
  await using gateway = await startListener(null, {});
  const connection = await RawConnection.open(gateway.port);
  connection.write('GET / HT');
  await until(async () => (await gateway.gateway.connectionCount()) === 1, 'the connection is open');
  connection.socket.resetAndDestroy();
  await until(async () => (await gateway.gateway.connectionCount()) === 0, 'the connection is gone');
  expect(await gateway.metrics.text()).toContain('{route="_none",outcome="deny",reason="request_malformed"} 0');
});

describe('several requests on one connection', () => {
  test('a malformed request after a good one is refused once the good one is answered', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await startListener(upstream, {});
    await using connection = await RawConnection.open(gateway.port);
    connection.write(`${get('/good')}NONSENSE\r\n\r\n`);
    expect((await connection.response()).status).toBe(200);
    await expectRefusal(connection, 400, 'request_malformed');
  });

  test('HBH-07: a request after one that closes the connection is ignored', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await startListener(upstream, {});
    await using connection = await RawConnection.open(gateway.port);
    connection.write(`${get('/first', ['Connection: close'])}${get('/second')}`);
    expect((await connection.response()).status).toBe(200);
    expect((await connection.remainder()).toString('latin1')).not.toContain('HTTP/1.1 200');
    expect(upstream.requests.map(({ head }) => head.split(' ')[1])).toEqual(['/first']);
  });

  test('an upgrade or CONNECT that overtakes an answer ends the connection, not the process', async () => {
    for (const behind of [get('/ws', WEBSOCKET), requestHead('CONNECT', 'db:1', ['Host: db:1'])]) {
      await using upstream = await RecordingUpstream.start(() => {});
      await using gateway = await startListener(upstream, {});
      await using connection = await RawConnection.open(gateway.port);
      connection.write(`${get('/slow')}${get('/slow')}${behind}`);
      expect((await connection.remainder()).length).toBe(0);
      await until(() => gateway.gateway.requestsInFlight === 0, 'no request is in progress');
      await until(() => upstream.openConnections === 0, 'the upstream is told');
    }
  });

  test('a CONNECT whose client resets the connection does no harm', async () => {
    await using gateway = await startListener(null, {});
    for (let round = 0; round < 20; round += 1) {
      const connection = await RawConnection.open(gateway.port);
      connection.write(requestHead('CONNECT', 'db:5432', ['Host: db:5432']));
      connection.socket.resetAndDestroy();
    }
    await until(async () => (await gateway.gateway.connectionCount()) === 0, 'the connections are gone');
  });
});
