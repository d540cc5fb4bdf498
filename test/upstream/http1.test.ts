/**
 * The HTTP/1.1 client: what it writes, when it stops waiting, and which connections it keeps. What it reads:
 * `http1-differential.test.ts`, and `../attack/upstream.test.ts` through a gateway.
 */

import { Readable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import type { ServerRequest } from '../../src/upstream/dispatch.ts';
import { asked, OpenWire, turn } from '../support/http1-wire.ts';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const withHeaders = (...headers: string[]) => asked({ headers: ['Host', 'a', ...headers] });
/** A request with a body of these parts. */
const post = (parts: readonly string[], bodyLength: number | null, changes: Partial<ServerRequest> = {}) =>
  asked({
    method: 'POST',
    bodyLength,
    body: Readable.from(
      parts.map((part) => Buffer.from(part)),
      { objectMode: false },
    ) as never,
    ...changes,
  });

describe('the head of a request', () => {
  test('is one write: request line, Host, connection headers, then every header as given', () => {
    const open = new OpenWire();
    open.send(withHeaders('X-A', 'b', 'x-a', '\xe9'));
    expect(open.wire.writes).toEqual([
      'GET /x HTTP/1.1\r\nHost: a\r\nconnection: keep-alive\r\nX-A: b\r\nx-a: \xe9\r\n\r\n',
    ]);
  });

  test.each<[string, ServerRequest]>([
    ['a line break in a value', withHeaders('X-A', 'b\r\nX-C: d')],
    ['a bare LF in a value', withHeaders('X-A', 'b\nX-C: d')],
    ['NUL in a value', withHeaders('X-A', 'b\0c')],
    // Written as Latin-1, it would be a line break.
    ['a character beyond Latin-1 in a value', withHeaders('X-A', 'b\u010d\u010aX-C: d')],
    ['a line break in a name', withHeaders('X-A: b\r\nX-C', 'd')],
    ['an empty name', withHeaders('', 'b')],
    ['a space in a name', withHeaders('Transfer-Encoding ', 'chunked')],
    ['Transfer-Encoding', withHeaders('Transfer-Encoding', 'chunked')],
    ['Connection', withHeaders('CONNECTION', 'x')],
    ['Upgrade', withHeaders('upgrade', 'h2c')],
    ['Expect', withHeaders('Expect', '100-continue')],
    ['TE', withHeaders('te', 'gzip')],
    ['Keep-Alive', withHeaders('Keep-Alive', 'timeout=1')],
    ['Content-Length', withHeaders('Content-Length', '1')],
    ['a space in the path', asked({ path: '/x HTTP/1.1' })],
    ['a line break in the path', asked({ path: '/x\r\nX-A: b' })],
    ['a character beyond Latin-1 in the path', asked({ path: '/\u0120' })],
    ['a line break in the method', asked({ method: 'GET /y HTTP/1.1\r\n' })],
  ])('UPS-01, UPS-02: never contains %s, and the connection stays usable', (_what, request) => {
    const open = new OpenWire();
    const reading = open.send(request);
    expect([reading.error, reading.isKept]).toMatchObject([{ reason: 'bug' }, null]);
    expect(open.wire.writes).toEqual([]);
    expect(open.send(asked()).isKept).toBe(false);
    expect(open.wire.writes).toHaveLength(1);
  });

  test.each(['POST', 'PUT', 'PATCH'])('RFC 9110 §8.6: has content-length: 0 for %s without a body', (method) => {
    const open = new OpenWire();
    open.send(asked({ method }));
    expect(open.wire.writes.join('')).toMatch(/\r\ncontent-length: 0\r\n\r\n$/);
  });

  test.each([
    ['HEAD', asked({ method: 'HEAD' })],
    ['DELETE with a body', post(['a'], 1, { method: 'DELETE' })],
  ])('closes the connection for %s, because some servers get out of step', async (_what, request) => {
    const open = new OpenWire();
    const reading = open.send(request);
    await turn();
    expect(open.wire.writes.join('')).toContain('\r\nconnection: close\r\n');
    open.receive('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    expect([reading.outcome, open.hasEnded, open.wire.destroyed]).toEqual(['whole', true, true]);
  });
});

describe('the body of a request', () => {
  test('is one write with the head if its first part is short', async () => {
    const open = new OpenWire();
    const reading = open.send(post(['hello'], 5));
    await turn();
    expect(open.wire.writes).toHaveLength(1);
    expect(open.wire.writes[0]).toMatch(/\r\ncontent-length: 5\r\n\r\nhello$/);
    expect(reading.isSent).toBe(true);
  });

  test('is sent in chunks if its length is unknown', async () => {
    const open = new OpenWire();
    open.send(post(['hello', 'x'.repeat(20_000)], null));
    await turn();
    await turn();
    const text = open.wire.writes.join('');
    expect(text).toContain('\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n');
    expect(text.endsWith(`\r\n4e20\r\n${'x'.repeat(20_000)}\r\n0\r\n\r\n`)).toBe(true);
  });

  test.each([
    ['longer', 'hello, world'],
    ['shorter', 'hi'],
  ])(
    'SMG-40: closes the connection if %s than announced, and nothing beyond the length is written',
    async (_what, body) => {
      const open = new OpenWire();
      const reading = open.send(post([body], 5));
      await turn();
      expect([reading.outcome, open.wire.destroyed]).toEqual(['broken', true]);
      expect(open.wire.writes.join('')).not.toContain('world');
    },
  );

  test('SMG-20: closes the connection if the answer comes before its end', async () => {
    const open = new OpenWire();
    const body = new Readable({ read() {} });
    const reading = open.send(post([], 5, { body: body as never }));
    body.push('he');
    await turn();
    open.receive(OK);
    expect([reading.outcome, open.hasEnded, body.destroyed]).toEqual(['whole', true, true]);
  });

  test('SMG-20: closes the connection if not all of it is accepted a turn after the answer', async () => {
    const open = new OpenWire();
    open.wire.isTaking = false;
    const reading = open.send(post(['hello'], 5));
    await turn();
    expect(reading.isSent).toBe(true);
    open.receive(OK);
    expect([reading.outcome, open.connection.hasRested(), open.hasEnded]).toEqual(['whole', false, true]);
  });
});

describe('a connection', () => {
  test('carries several requests in sequence', () => {
    const open = new OpenWire();
    for (const isKept of [false, true, true]) {
      const reading = open.send(asked());
      open.receive(OK);
      expect(reading).toMatchObject({ isKept, outcome: 'whole', body: 'ok' });
    }
    // Including once when it was opened.
    expect(open.freed).toBe(4);
  });

  test.each([
    ['UPS-03', 'unsolicited bytes', '', 'x'],
    ['SMG-40', 'bytes after an answer', OK, 'HTTP/1.1 200 OK\r\n'],
    ['SMG-40', 'bytes after an answer without a body', 'HTTP/1.1 204 No Content\r\n\r\n', 'ok'],
    ['SMG-40', 'bytes after chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', '\r\n'],
  ])('%s: is closed by %s, sent together or later', (_id, _what, answer, excess) => {
    for (const portions of [[answer + excess], [answer, excess]]) {
      const open = new OpenWire();
      const reading = answer === '' ? null : open.send(asked());
      for (const portion of portions) if (portion !== '') open.receive(portion);
      expect([reading?.outcome ?? 'whole', open.hasEnded, open.wire.destroyed]).toEqual(['whole', true, true]);
    }
  });

  test('is given up on an error, before requests of the same turn are sent on it', async () => {
    const open = new OpenWire();
    open.send(asked());
    open.receive(OK);
    open.wire.emit('error', new Error('ECONNRESET'));
    expect([open.hasEnded, open.connection.isReady]).toEqual([true, false]);
  });

  test.each([
    ['names no timeout', '', 4_000],
    ['keeps it for 10 s', 'Keep-Alive: timeout=10\r\n', 8_000],
    ['keeps it for a day', 'Keep-Alive: timeout=86400\r\n', 600_000],
  ])('is closed when idle, before a server that %s closes it', (_what, line, afterMs) => {
    const open = new OpenWire();
    open.nowMs = 1_000;
    open.send(asked());
    open.receive(`HTTP/1.1 200 OK\r\n${line}Content-Length: 0\r\n\r\n`);
    expect(open.connection.deadlineMs).toBe(1_000 + afterMs);
    open.connection.expire();
    expect(open.wire.destroyed).toBe(true);
  });

  test.each([
    ['Connection: close', 'HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 0\r\n\r\n'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
    [
      'chunks over HTTP/1.0',
      'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['a 304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n'],
    ['a server that keeps it for 2 s', 'HTTP/1.1 200 OK\r\nKeep-Alive: timeout=2\r\nContent-Length: 0\r\n\r\n'],
  ])('is not kept after %s', (_what, answer) => {
    const open = new OpenWire();
    const reading = open.send(asked());
    open.receive(answer);
    expect([reading.outcome, open.hasEnded]).toEqual(['whole', true]);
  });

  test('has deadlines for the answer and each part of it, but none while the client is slow', () => {
    const open = new OpenWire();
    const deadline = () => open.connection.deadlineMs;
    open.send(asked({ firstByteTimeoutMs: 100, idleTimeoutMs: 50 }));
    expect(deadline()).toBe(100);
    open.nowMs = 90;
    open.receive('HTTP/1.1 103 Early Hints\r\n\r\n');
    expect(deadline()).toBe(190);
    open.receive('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n');
    expect(deadline()).toBe(140);
    open.nowMs = 130;
    open.receive('part');
    expect(deadline()).toBe(180);
    open.connection.pause();
    expect(deadline()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('an answer', () => {
  const broken = async (answer: string) => {
    const open = new OpenWire();
    const reading = open.send(asked());
    open.receive(answer);
    await turn();
    expect([reading.error, open.hasEnded]).toMatchObject([{ reason: 'upstream_protocol' }, true]);
    return reading;
  };
  const chunks = (text: string) => `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${text}`;

  test.each([
    ['1,001 fields', `HTTP/1.1 200 OK\r\n${'a:\r\n'.repeat(1_001)}\r\n`],
    ['an unfinished head of 32 KiB', `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(32 * 1024)}`],
    ['a beginning that is not HTTP', 'SSH-2.0'],
    ['lines that end with LF', 'HTTP/1.1 200 OK\nX-A: b\n'],
    ['an unending chunk size', chunks('0'.repeat(1_025))],
    ['a chunk size of 17 digits', chunks(`${'0'.repeat(16)}1\r\na\r\n`)],
    ['a chunk size beyond 2^53', chunks('fffffffffffffff\r\n')],
    ['trailers of more than 32 KiB', chunks(`0\r\n${'X-A: b\r\n'.repeat(5_000)}`)],
    ['an interim answer of HTTP/1.0', `HTTP/1.0 103 Early Hints\r\n\r\n${OK}`],
  ])('DOS-18: is refused at once with %s', async (_what, answer) => {
    expect((await broken(answer)).statuses.length).toBeLessThan(2);
  });

  test('is passed on up to the point where it is invalid', async () => {
    expect((await broken(chunks('2\r\nok\r\nzz\r\n'))).body).toBe('ok');
  });

  test('may have header names that are special to JavaScript', () => {
    const open = new OpenWire();
    const reading = open.send(asked());
    open.receive('HTTP/1.1 200 OK\r\n__proto__: a\r\nconstructor: b\r\nContent-Length: 0\r\n\r\n');
    expect(reading.headers).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['content-length', '0'],
    ]);
  });
});
