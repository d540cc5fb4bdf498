/** DOS-19: an upstream that hangs, at any point, costs one request a configured time and other requests nothing. */

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { HOST, startGateway } from '../support/gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RawUpstream } from '../support/raw-upstream.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { acceptHandshake, echoFrames, WebSocketClient } from '../support/websocket.ts';

const get = (path = '/x') => requestHead('GET', path, [HOST]);
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

const start = (origin: string, timeouts: Record<string, string>, settings: Record<string, unknown> = {}, route = {}) =>
  startGateway({
    routes: [{ id: 'public', match: { path: '/' }, credential: 'none', ...route }],
    config: { upstreams: { app: { endpoints: [origin], timeouts, ...settings } } },
  });

const timedOut = async (port: number, request = get()) => {
  const answer = await rawRequest(port, request);
  expect([answer.status, JSON.parse(answer.body.toString()).reason]).toEqual([504, 'upstream_timeout']);
};

test('DOS-19: an unanswered handshake is 504 after the connect timeout', async () => {
  await using upstream = await RawUpstream.start((socket) => socket.resume());
  await using gateway = await start(upstream.origin.replace('http:', 'https:'), { connect: '100ms' });
  await timedOut(gateway.port);
  await expect.poll(() => upstream.openConnections).toBe(0);
});

test('DOS-19: an answer that does not begin is 504 after the first-byte timeout, and ends its connection', async () => {
  await using upstream = await RawUpstream.start((socket) => socket.resume());
  await using gateway = await start(upstream.origin, { firstByte: '100ms' });
  await timedOut(gateway.port);
  await expect.poll(() => upstream.openConnections).toBe(0);
});

test('DOS-19: an unfinished head is 504 after the first-byte timeout', async () => {
  await using upstream = await RawUpstream.start((socket) =>
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nX-A: ')),
  );
  await using gateway = await start(upstream.origin, { firstByte: '100ms' });
  await timedOut(gateway.port);
});

test('DOS-19: a stalled body is cut after the idle timeout', async () => {
  const part = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart';
  await using upstream = await RawUpstream.start((socket) => socket.once('data', () => socket.write(part)));
  await using gateway = await start(upstream.origin, { idle: '100ms' });
  await using connection = await RawConnection.open(gateway.port);
  connection.write(get());
  expect((await connection.remainder()).toString()).toMatch(/\r\n\r\npart$/);
  await expect.poll(() => upstream.openConnections).toBe(0);
  await expect.poll(() => gateway.log.records.at(-1)).toMatchObject({ reason: 'upstream_timeout', status: 200 });
});

test('a route may have its own timeouts', async () => {
  await using upstream = await RawUpstream.start((socket) => socket.resume());
  await using gateway = await start(upstream.origin, { firstByte: '1h' }, {}, { timeouts: { firstByte: '100ms' } });
  await timedOut(gateway.port);
});

test('a slow upload is not a slow answer: the first-byte timeout begins when the request has been sent', async () => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await start(upstream.origin, { firstByte: '2s' });
  await using connection = await RawConnection.open(gateway.port);
  connection.write(requestHead('POST', '/x', [HOST, 'Content-Length: 2']));
  connection.write('o');
  await new Promise((resolve) => setTimeout(resolve, 2_200));
  connection.write('k');
  expect((await connection.response()).status).toBe(200);
  expect(upstream.last.body.toString()).toBe('ok');
});

/** More than the buffers between a client and an upstream hold. */
const LARGE = Buffer.alloc(64 * 1024 * 1024);
const largeHead = requestHead('POST', '/x', [HOST, `Content-Length: ${LARGE.length}`]);

test('DOS-19, H7: an upstream that stops reading a request is 504 after the idle timeout', async () => {
  await using upstream = await RawUpstream.start((socket) => socket.pause());
  await using gateway = await start(upstream.origin, { firstByte: '1h', idle: '200ms' });
  await using connection = await RawConnection.open(gateway.port);
  connection.write(largeHead);
  connection.write(LARGE);
  expect((await connection.response()).status).toBe(504);
});

test('DOS-19, H7: an upstream that leaves the end of a request unread is 504 after the idle timeout', async () => {
  await using upstream = await RawUpstream.start((socket) => socket.pause());
  await using gateway = await start(
    upstream.origin,
    { firstByte: '1h', idle: '200ms' },
    {},
    { timeouts: { idle: '0s' } },
  );
  await using connection = await RawConnection.open(gateway.port);
  // The client is done before anything is full.
  let length = 0;
  const part = Buffer.alloc(16 * 1024);
  connection.write(requestHead('POST', '/x', [HOST, 'Transfer-Encoding: chunked']));
  while (!connection.socket.writableNeedDrain && length < LARGE.length) {
    length += part.length;
    connection.write(`${part.length.toString(16)}\r\n${part.toString('latin1')}\r\n`);
    await new Promise(setImmediate);
  }
  connection.write('0\r\n\r\n');
  expect((await connection.response()).status).toBe(504);
});

test('H7: an upstream that pauses reading an upload does not count as a slow answer', async () => {
  let accepted: Socket | null = null;
  await using upstream = await RawUpstream.start((socket) => {
    accepted = socket.pause();
  });
  await using gateway = await start(upstream.origin, { firstByte: '2s' });
  await using connection = await RawConnection.open(gateway.port);
  connection.write(largeHead);
  connection.write(LARGE);
  await new Promise((resolve) => setTimeout(resolve, 2_200));
  const socket = accepted as unknown as Socket;
  let read = 0;
  socket.on('data', (chunk: Buffer) => {
    read += chunk.length;
    if (read > LARGE.length) socket.write(OK);
  });
  socket.resume();
  expect((await connection.response()).status).toBe(200);
});

test('DOS-19, H7: an answer is due within the first-byte timeout of the end of the request body', async () => {
  await using upstream = await RawUpstream.start((socket) => socket.resume());
  await using gateway = await start(upstream.origin, { firstByte: '100ms' });
  await timedOut(gateway.port, `${requestHead('POST', '/x', [HOST, 'Content-Length: 4'])}body`);
  await expect.poll(() => upstream.openConnections).toBe(0);
});

/** The answer below, which takes twice the idle timeout. */
const WHOLE = 'part'.repeat(20);

test('H7: an upstream that answers without reading the request is not cut while it answers', async () => {
  await using upstream = await RawUpstream.start((socket) => {
    socket.once('data', async () => {
      socket.pause();
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      for (let part = 0; part < 20; part += 1) {
        socket.write('4\r\npart\r\n');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      socket.write('0\r\n\r\n');
    });
    socket.on('error', () => {});
  });
  await using gateway = await start(upstream.origin, { idle: '200ms' });
  const answer = async () => {
    await using connection = await RawConnection.open(gateway.port);
    connection.write(largeHead);
    connection.write(LARGE);
    return (await connection.response()).body.toString();
  };
  // If a busy machine delays the upstream between two parts, an answer is rightly cut: several are tried.
  const answers: string[] = [];
  for (let attempt = 0; attempt < 5 && answers.at(-1) !== WHOLE; attempt += 1)
    answers.push(await answer().catch(String));
  expect(answers.at(-1)).toBe(WHOLE);
});

test('DOS-19: requests that time out free their places', async () => {
  await using upstream = await RecordingUpstream.start(() => {});
  await using gateway = await start(upstream.origin, { firstByte: '100ms' }, { maxConnections: 2, maxPending: 0 });
  // With one place fewer, one of them would be refused with 503.
  for (let round = 0; round < 3; round += 1) {
    const answers = await Promise.all([1, 2].map(() => rawRequest(gateway.port, get())));
    expect(answers.map(({ status }) => status)).toEqual([504, 504]);
  }
  upstream.answer = (_request, socket) => void socket.write(OK);
  const answers = await Promise.all([1, 2].map(() => rawRequest(gateway.port, get())));
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
  await expect.poll(() => upstream.openConnections).toBe(2);
});

test('an open WebSocket has no idle timeout', async () => {
  const part = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart';
  await using upstream = await RawUpstream.start((socket) => {
    socket.once('data', (chunk: Buffer) => {
      if (!/^upgrade:/im.test(chunk.toString('latin1'))) return void socket.write(part);
      socket.unshift(chunk);
      acceptHandshake(socket, (behind) => echoFrames(socket, behind));
    });
  });
  await using gateway = await start(upstream.origin, { idle: '100ms' });
  await using open = await WebSocketClient.open(gateway.port, '/x');
  // An answer that began later is cut after the idle timeout.
  await using connection = await RawConnection.open(gateway.port);
  connection.write(get());
  expect((await connection.remainder()).toString()).toMatch(/\r\n\r\npart$/);
  open.send('still here');
  expect(await open.text()).toBe('still here');
});

test('an unanswered WebSocket handshake is 504 after the first-byte timeout', async () => {
  await using upstream = await RawUpstream.start((socket) => socket.resume());
  await using gateway = await start(upstream.origin, { firstByte: '100ms' });
  const handshake = requestHead('GET', '/x', [
    HOST,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ]);
  await timedOut(gateway.port, handshake);
});

test('a client that stops in the middle of its body gets 408 after the body timeout', async () => {
  await using upstream = await RecordingUpstream.start();
  await using gateway = await startGateway({
    routes: [{ id: 'public', match: { path: '/' }, credential: 'none' }],
    upstream: upstream.origin,
    config: {
      listeners: {
        public: { address: '127.0.0.1:0', timeouts: { bodyIdle: '100ms' } },
        admin: { address: '127.0.0.1:0' },
      },
    },
  });
  await using connection = await RawConnection.open(gateway.port);
  connection.write(`${requestHead('POST', '/x', [HOST, 'Content-Length: 5'])}he`);
  const answer = await connection.response();
  expect([answer.status, JSON.parse(answer.body.toString()).reason]).toEqual([408, 'request_timeout']);
  expect(answer.headers.get('connection')).toBe('close');
  await once(connection.socket, 'close');
  await expect.poll(() => upstream.openConnections).toBe(0);
  expect(upstream.requests).toHaveLength(0);
});
