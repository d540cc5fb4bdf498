/** An early answer reaches a client that is still sending and reads only then, and its connection is bounded all the same. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { endAndLinger, type LingerLimits } from '../../../src/listener/http1/linger.ts';
import { HOST, startGateway } from '../../support/gateway.ts';
import { RawConnection, requestHead } from '../../support/raw-client.ts';
import { RawUpstream } from '../../support/raw-upstream.ts';
import { handshake } from '../../support/websocket.ts';

const KIB_64 = Buffer.alloc(64 * 1024, 'x');
/** Longer than the two seconds that the gateway would wait for a client that sends nothing. */
const PARTS = 35;

/** Sends all parts at the rate of a slow line, without reading anything, and returns what it then reads. */
async function writeThenRead(port: number, head: string, encode: (part: Buffer) => Buffer | string, end = '') {
  await using connection = await RawConnection.open(port, { allowHalfOpen: true });
  const { socket } = connection;
  socket.pause();
  connection.write(head);
  for (let part = 0; part < PARTS; part += 1) {
    connection.write(encode(KIB_64));
    await new Promise((resolve) => setTimeout(resolve, 100));
    if (socket.writableNeedDrain) await once(socket, 'drain');
  }
  connection.write(end);
  socket.resume();
  return await connection.response();
}
const chunk = (part: Buffer) => `${part.length.toString(16)}\r\n${part.toString('latin1')}\r\n`;
const length = `Content-Length: ${PARTS * KIB_64.length}`;
const CHUNKED = 'Transfer-Encoding: chunked';

test.concurrent.for([
  ['in chunks', CHUNKED, chunk, '0\r\n\r\n'],
  ['of a known length', length, (part: Buffer) => part, ''],
] as const)(
  'H5, RFC 9112 §9.6: our 401 reaches a client that sends its whole body first, %s',
  async ([, line, encode, end], { expect }) => {
    await using gateway = await startGateway();
    const answer = await writeThenRead(gateway.port, requestHead('POST', '/x', [HOST, line]), encode, end);
    expect(answer.status).toBe(401);
    await expect.poll(() => gateway.gateway.connectionCount()).toBe(0);
  },
);

test.concurrent('H5: our 413 reaches a client that sends its whole body first', async () => {
  const routes = [{ id: 'a', match: { path: '/' }, credential: 'none', bodyLimit: '100KiB' }];
  await using upstream = await RawUpstream.start((socket) => socket.resume());
  await using gateway = await startGateway({ upstream: upstream.origin, routes });
  const answer = await writeThenRead(gateway.port, requestHead('POST', '/x', [HOST, CHUNKED]), chunk, '0\r\n\r\n');
  expect(answer.status).toBe(413);
});

test.concurrent('H5: an early answer of the upstream reaches a client that sends its whole body first', async () => {
  const routes = [{ id: 'a', match: { path: '/' }, credential: 'none' }];
  await using upstream = await RawUpstream.start((socket) => {
    socket.resume();
    socket.once('data', () => socket.write('HTTP/1.1 422 No\r\nContent-Length: 2\r\n\r\nno'));
  });
  await using gateway = await startGateway({ upstream: upstream.origin, routes });
  const answer = await writeThenRead(gateway.port, requestHead('POST', '/x', [HOST, length]), (part) => part);
  expect([answer.status, answer.body.toString()]).toEqual([422, 'no']);
});

test.concurrent('H5: the refusal of a WebSocket reaches a client that has begun to send on it', async () => {
  await using gateway = await startGateway();
  const answer = await writeThenRead(gateway.port, handshake('/x'), (part) => part);
  expect(answer.status).toBe(401);
});

/** A server that ends every connection with an answer, and how it was closed on each. */
async function endingServer(limits: LingerLimits) {
  const closed: Promise<unknown>[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.resume();
    closed.push(once(socket, 'close'));
    endAndLinger(socket, 'answer', limits);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { port, closed, [Symbol.asyncDispose]: async () => void server.close() };
}

/** Writes a byte for as long as it can. */
function drip(socket: Socket): () => void {
  const timer = setInterval(() => socket.write('x'), 5);
  return () => clearInterval(timer);
}

test.for([
  ['sends nothing', { checkMs: 50, leastBytes: 1, maxChecks: Number.POSITIVE_INFINITY }],
  ['drips', { checkMs: 50, leastBytes: 1_000, maxChecks: Number.POSITIVE_INFINITY }],
  ['sends without end', { checkMs: 50, leastBytes: 0, maxChecks: 3 }],
] as const)('H5: the connection of a client that %s is cut', async ([how, limits]) => {
  await using server = await endingServer(limits);
  await using connection = await RawConnection.open(server.port, { allowHalfOpen: true });
  const stop = how === 'sends nothing' ? () => {} : drip(connection.socket);
  expect((await connection.remainder()).toString()).toBe('answer');
  await expect.poll(() => server.closed.length).toBe(1);
  await Promise.all(server.closed);
  stop();
});
