/** What a client sends or does between its upgrade request and the answer. */

import { expect, test } from 'vitest';
import { startGateway } from '../../support/gateway.ts';
import { RawConnection } from '../../support/raw-client.ts';
import { RawUpstream } from '../../support/raw-upstream.ts';
import { until } from '../../support/until.ts';
import {
  acceptHandshake,
  echoFrames,
  encodeFrame,
  handshake,
  OPCODES,
  WebSocketClient,
} from '../../support/websocket.ts';

const routes = [{ id: 'app', match: { path: '/' }, credential: 'none' }];
const frame = (text: string) => encodeFrame({ opcode: OPCODES.text, payload: Buffer.from(text) }, true);

/** An upstream that answers a handshake on demand, then echoes. */
async function startSlowUpstream() {
  const waiting: (() => void)[] = [];
  const upstream = await RawUpstream.start((socket) => {
    socket.pause();
    waiting.push(() => {
      acceptHandshake(socket, (behind) => echoFrames(socket, behind));
      socket.resume();
    });
  });
  return { upstream, answer: () => waiting.splice(0).map((go) => go()) };
}

test.each([
  ['one frame', ['hello']],
  ['frames in pieces', ['first', 'second', 'third']],
  ['more than the gateway buffers', Array.from({ length: 8 }, (_, index) => String(index).repeat(40_000))],
])('%s: frames sent before the upstream answers reach it in order and are echoed', async (_title, texts) => {
  const { upstream, answer } = await startSlowUpstream();
  await using _ = upstream;
  await using gateway = await startGateway({ upstream: upstream.origin, routes });
  await using connection = await RawConnection.open(gateway.port);
  connection.write(handshake('/ws'));
  await until(() => upstream.openConnections === 1, 'the upstream is asked');
  for (const text of texts) {
    const bytes = frame(text);
    connection.write(bytes.subarray(0, 3));
    await new Promise(setImmediate);
    connection.write(bytes.subarray(3));
  }
  answer();
  const response = await connection.response();
  expect(response.status).toBe(101);
  const client = new WebSocketClient(connection, response);
  for (const text of texts) expect(await client.text()).toBe(text);
  client.send('after');
  expect(await client.text()).toBe('after');
});

test('a client that leaves before the upstream answers closes the upstream connection', async () => {
  const { upstream } = await startSlowUpstream();
  await using _ = upstream;
  await using gateway = await startGateway({ upstream: upstream.origin, routes });
  for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
    const connection = await RawConnection.open(gateway.port);
    connection.write(handshake('/ws') + frame('early').toString('latin1'));
    await until(() => upstream.openConnections === 1, 'the upstream is asked');
    connection.socket[leave]();
    await until(() => gateway.gateway.requestsInFlight === 0, 'the request is over');
    for (const socket of upstream.sockets) socket.resume();
    await until(() => upstream.openConnections === 0, 'the upstream is told');
  }
});
