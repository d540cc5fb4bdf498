/**
 * An early answer reaches a client that reads only after it has sent everything, and its connection is still bounded.
 * The tests trigger the checks of a lingering connection: however long a client takes, no time passes here.
 */

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { endAndLinger, type LingerLimits } from '../../../src/listener/http1/linger.ts';
import { HOST, startGateway } from '../../support/gateway.ts';
import { RawConnection, requestHead } from '../../support/raw-client.ts';
import { RawUpstream } from '../../support/raw-upstream.ts';
import { until } from '../../support/until.ts';
import { handshake } from '../../support/websocket.ts';

const accepted = new Map<number, Socket>();
const onAccepted = (message: unknown) => {
  const { socket } = message as { readonly socket: Socket };
  accepted.set(socket.remotePort ?? 0, socket);
};

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  subscribe('net.server.socket', onAccepted);
});
afterEach(() => {
  vi.useRealTimers();
  unsubscribe('net.server.socket', onAccepted);
  accepted.clear();
});

/** How often the gateway checks a client that is still sending. */
const CHECK_MS = 5_000;
const KIB_64 = Buffer.alloc(64 * 1024, 'x');
/** Two per check: the client sends for more than half a minute. */
const PARTS = 16;

/** The server's side of a connection. */
async function serverSide({ socket }: RawConnection): Promise<Socket> {
  await until(() => accepted.has(socket.localPort ?? 0), 'the connection is accepted');
  return accepted.get(socket.localPort ?? 0) as Socket;
}

/** Sends all parts as over a slow line, without reading, then returns the answer. */
async function writeThenRead(port: number, head: string, encode: (part: Buffer) => Buffer | string, end = '') {
  await using connection = await RawConnection.open(port, { allowHalfOpen: true });
  const { socket } = connection;
  socket.pause();
  connection.write(head);
  const server = await serverSide(connection);
  // The answer has been written, and the gateway waits for the client to finish.
  await until(() => server.bytesWritten > 0, 'the gateway has answered');
  for (let part = 0; part < PARTS; part += 1) {
    connection.write(encode(KIB_64));
    await until(() => server.destroyed || server.bytesRead >= socket.bytesWritten, 'the part has been read');
    vi.advanceTimersByTime(CHECK_MS / 2);
  }
  connection.write(end);
  socket.resume();
  return await connection.response();
}
const chunk = (part: Buffer) => `${part.length.toString(16)}\r\n${part.toString('latin1')}\r\n`;
const length = `Content-Length: ${PARTS * KIB_64.length}`;
const CHUNKED = 'Transfer-Encoding: chunked';

test.for([
  ['in chunks', CHUNKED, chunk, '0\r\n\r\n'],
  ['of a known length', length, (part: Buffer) => part, ''],
] as const)(
  'H5, RFC 9112 §9.6: a 401 reaches a client that sends its whole body first, %s',
  async ([, line, encode, end]) => {
    await using gateway = await startGateway();
    const answer = await writeThenRead(gateway.port, requestHead('POST', '/x', [HOST, line]), encode, end);
    expect(answer.status).toBe(401);
    await expect.poll(() => gateway.gateway.connectionCount()).toBe(0);
  },
);

test('H5: a 413 reaches a client that sends its whole body first', async () => {
  const routes = [{ id: 'a', match: { path: '/' }, credential: 'none', maxBodyBytes: '100B' }];
  await using upstream = await RawUpstream.start((socket) => socket.resume());
  await using gateway = await startGateway({ upstream: upstream.origin, routes });
  const head = `${requestHead('POST', '/x', [HOST, CHUNKED])}${chunk(Buffer.alloc(200, 'x'))}`;
  expect((await writeThenRead(gateway.port, head, chunk, '0\r\n\r\n')).status).toBe(413);
});

test('H5: an early answer of the upstream reaches a client that sends its whole body first', async () => {
  const routes = [{ id: 'a', match: { path: '/' }, credential: 'none' }];
  await using upstream = await RawUpstream.start((socket) => {
    socket.resume();
    socket.once('data', () => socket.write('HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\nno'));
  });
  await using gateway = await startGateway({ upstream: upstream.origin, routes });
  const longer = `Content-Length: ${PARTS * KIB_64.length + 1}`;
  // Nothing is sent to an upstream before a body has begun.
  const head = `${requestHead('POST', '/x', [HOST, longer])}x`;
  const answer = await writeThenRead(gateway.port, head, (part) => part);
  expect([answer.status, answer.body.toString()]).toEqual([422, 'no']);
});

test('H5: the refusal of a WebSocket reaches a client that has already begun to send on it', async () => {
  await using gateway = await startGateway();
  const answer = await writeThenRead(gateway.port, handshake('/x'), (part) => part);
  expect(answer.status).toBe(401);
});

/** A server that ends every connection with an answer. */
async function endingServer(limits: LingerLimits) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.resume();
    endAndLinger(socket, 'answer', limits);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { port, [Symbol.asyncDispose]: async () => void server.close() };
}

test.for([
  ['sends nothing is cut at the first check', 0, { leastBytes: 1, maxChecks: Number.POSITIVE_INFINITY }, 1],
  ['drips is cut at the first check', 999, { leastBytes: 1_000, maxChecks: Number.POSITIVE_INFINITY }, 1],
  ['sends enough is kept', 1_000, { leastBytes: 1_000, maxChecks: Number.POSITIVE_INFINITY }, null],
  ['sends without end is cut at the last check', 1_000, { leastBytes: 1_000, maxChecks: 3 }, 3],
] as const)('H5: the connection of a client that %s', async ([, sends, limits, cutAt]) => {
  await using server = await endingServer({ checkMs: CHECK_MS, ...limits });
  await using connection = await RawConnection.open(server.port, { allowHalfOpen: true });
  expect((await connection.remainder()).toString()).toBe('answer');
  const socket = await serverSide(connection);
  let checks = 0;
  for (; checks < 10 && !socket.destroyed; checks += 1) {
    const before = socket.bytesRead;
    if (sends > 0) connection.write('x'.repeat(sends));
    await until(() => socket.bytesRead === before + sends, 'what was sent has been read');
    vi.advanceTimersByTime(CHECK_MS);
  }
  expect(socket.destroyed ? checks : null).toBe(cutAt);
  if (cutAt !== null) await once(socket, 'close');
});
