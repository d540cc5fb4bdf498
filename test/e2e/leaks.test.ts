/** A client that disconnects leaves nothing behind, whenever and however it does. */

import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { HOST, startGateway, type TestGateway } from '../support/gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RawUpstream } from '../support/raw-upstream.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { counted } from '../support/telemetry/counted.ts';
import { until } from '../support/until.ts';
import { acceptHandshake, echoFrames, handshake } from '../support/websocket.ts';

/** A third for each way to leave: more than the idle connections to the upstream that are kept. */
const ROUNDS = 120;
const CHUNK = `${(64 * 1024).toString(16)}\r\n${'x'.repeat(64 * 1024)}\r\n`;

/** An upstream that does what the path says. */
function startUpstream(): Promise<RawUpstream> {
  return RawUpstream.start((socket) => {
    socket.once('readable', () => {
      const path = String(socket.read()).split(' ')[1] ?? '';
      if (path.startsWith('/whole')) answerEach(socket);
      else if (path.startsWith('/stream')) stream(socket);
      else if (path.startsWith('/begun')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello');
      // `/silent`: nothing.
      socket.resume();
    });
  });
}

function answerEach(socket: Socket): void {
  const answer = () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  answer();
  socket.on('data', answer);
}

function stream(socket: Socket): void {
  socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
  const more = () => {
    while (!socket.destroyed && socket.write(CHUNK));
  };
  socket.on('drain', more);
  more();
}

const partsOf = async (gateway: TestGateway) => {
  return {
    connections: await gateway.gateway.connectionCount(),
    requests: gateway.gateway.requestsInFlight,
    atUpstream: await counted(gateway.metrics, 'upstream_requests_in_flight'),
    tunnels: await counted(gateway.metrics, 'open_websockets'),
  };
};

/** Sockets and timers that keep this process alive. */
const resources = () => process.getActiveResourcesInfo().filter((name) => /^(?:TCP|Timeout)/.test(name)).length;

const session = { id: 'app', match: { path: '/' }, credential: 'session' };
type Leave = (connection: RawConnection) => unknown;
const reset: Leave = ({ socket }) => socket.resetAndDestroy();
const close: Leave = ({ socket }) => socket.destroy();
const halfClose: Leave = ({ socket }) => {
  socket.end();
  socket.resume();
};
const post = (path: string, cookie: string) =>
  requestHead('POST', path, [HOST, cookie, 'Origin: https://shop.example.com', 'Content-Length: 100000']);
const get = (path: string, cookie: string) => requestHead('GET', path, [HOST, cookie]);

const exchanges: readonly (readonly [title: string, request: (cookie: string) => string, answer: RegExp | null])[] = [
  ['after a whole answer', (cookie) => get('/whole', cookie), /ok$/],
  ['before an answer', (cookie) => get('/silent', cookie), null],
  ['in the middle of an answer', (cookie) => get('/begun', cookie), /hello$/],
  ['in the middle of a stream', (cookie) => get('/stream', cookie), /xxx/],
  ['in the middle of an upload', (cookie) => `${post('/silent', cookie)}${'x'.repeat(5_000)}`, null],
  ['in the middle of an upload that was already answered', (cookie) => `${post('/begun', cookie)}x`, /hello$/],
  ['in the middle of a refused upload', (cookie) => `${post('/auth/nothing', cookie)}x`, /404/],
  ['in the middle of a request head', (cookie) => get('/whole', cookie).slice(0, -10), null],
  ['with requests behind the one in progress', (cookie) => get('/silent', cookie).repeat(5), null],
  ['in the middle of a WebSocket handshake', (cookie) => handshake('/silent', [cookie]), null],
];

describe('a client that disconnects', () => {
  test.each(exchanges)('%s leaves no socket, timer or count behind', async (_title, request, answer) => {
    await using upstream = await startUpstream();
    await using gateway = await startGateway({ upstream: upstream.origin, routes: [session] });
    const cookie = await gateway.cookie();
    const leaveOnce = async (leave: Leave) => {
      const connection = await RawConnection.open(gateway.port);
      let received = '';
      connection.socket.on('data', (chunk: Buffer) => {
        received = (received + chunk.toString('latin1')).slice(-1_000);
      });
      connection.write(request(cookie));
      if (answer === null) await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
      else await until(() => answer.test(received), 'this part of the answer has arrived');
      leave(connection);
    };
    await leaveOnce(close);
    await until(async () => (await partsOf(gateway)).connections === 0, 'the first one is gone');
    const before = resources();
    for (let round = 0; round < ROUNDS; round += 30) {
      const leaves = Array.from({ length: 30 }, (_, index) => [reset, close, halfClose][index % 3] as Leave);
      await Promise.all(leaves.map(leaveOnce));
    }
    await until(
      async () => Object.values(await partsOf(gateway)).every((count) => count === 0),
      'nothing is in progress',
    );
    // Idle connections to the upstream are kept for reuse; those with an interrupted exchange are not.
    await until(() => upstream.openConnections <= 30, 'the connections to the upstream are closed');
    await until(() => resources() <= before + 2 * upstream.openConnections, 'no extra sockets or timers are left');
  });

  test('in the middle of an open WebSocket leaves no socket, timer or count behind', async () => {
    await using upstream = await RawUpstream.start((socket) =>
      acceptHandshake(socket, (behind) => echoFrames(socket, behind)),
    );
    await using gateway = await startGateway({ upstream: upstream.origin, routes: [session] });
    const cookie = await gateway.cookie();
    const before = resources();
    for (let round = 0; round < ROUNDS; round += 30) {
      const leaves = Array.from({ length: 30 }, (_, index) => [reset, close, halfClose][index % 3] as Leave);
      await Promise.all(
        leaves.map(async (leave) => {
          const connection = await RawConnection.open(gateway.port);
          connection.write(handshake('/ws', [cookie]));
          expect((await connection.response()).status).toBe(101);
          leave(connection);
        }),
      );
    }
    await until(async () => (await partsOf(gateway)).tunnels === 0, 'no WebSocket is open');
    await until(() => upstream.openConnections === 0, 'the upstream has no connection left');
    await until(
      async () => Object.values(await partsOf(gateway)).every((count) => count === 0),
      'nothing is in progress',
    );
    await until(() => resources() <= before, 'no extra sockets or timers are left');
  });

  test('during its session lookup never reaches the upstream', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await startGateway({ upstream: upstream.origin, routes: [session] });
    const cookie = await gateway.cookie();
    const store = gateway.gateway.store.sessions;
    const read = store.read.bind(store);
    const mayAnswer = Promise.withResolvers<void>();
    store.read = async (handle) => {
      await mayAnswer.promise;
      return read(handle);
    };
    const connection = await RawConnection.open(gateway.port);
    connection.write(get('/left', cookie));
    await until(() => gateway.gateway.requestsInFlight === 1, 'the session is looked up');
    connection.close();
    await until(() => gateway.gateway.requestsInFlight === 0, 'the client is gone');
    mayAnswer.resolve();
    for (const path of ['/next', '/after']) {
      expect((await rawRequest(gateway.port, get(path, cookie))).status).toBe(200);
    }
    expect(upstream.requests.map(({ head }) => head.split(' ')[1])).toEqual(['/next', '/after']);
    expect(await gateway.metrics.text()).toContain('outcome="deny",reason="downstream_aborted"} 1\n');
  });
});
