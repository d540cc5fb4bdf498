/** How a gateway ends: what it still serves, finishes and cuts, and that it does end. */

import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { HOST, startGateway } from '../support/gateway.ts';
import { startInstance, type TestInstance } from '../support/instance.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';
import { handshake, startEchoUpstream, WebSocketClient } from '../support/websocket.ts';

const get = (target: string) => requestHead('GET', target, [HOST]);
const routes = [{ id: 'app', match: { path: '/' }, credential: 'none' }];
const shutdown = (delay: string, timeout: string) => ({ shutdown: { delay, timeout } });

/** Whether anything accepts connections on a port. */
const isOpen = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
/** Servers, sockets and file watches of this process. */
const openHandles = () =>
  process.getActiveResourcesInfo().filter((name) => /^(?:TCP|TLS|Pipe|FSEvent|MessagePort)/.test(name)).length;
const requestsInFlight = ({ instance }: TestInstance) => instance.localGateway?.requestsInFlight ?? -1;

/** An upstream that answers a request when it is told to. */
async function holdingUpstream() {
  const held: (() => void)[] = [];
  const upstream = await RecordingUpstream.start((_request, socket) => {
    held.push(() => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone'));
  });
  const release = () => {
    for (const answer of held.splice(0)) answer();
  };
  return { upstream, release };
}

describe('a graceful shutdown', () => {
  test('soon stops accepting connections, however slow the event loop is', async () => {
    let nowMs = 0;
    const monotonicMs = () => {
      nowMs += 50;
      return nowMs;
    };
    await using gateway = await startGateway({ clocks: { wallMs: Date.now, monotonicMs } });
    const beganMs = nowMs;
    await gateway.gateway.drain();
    // Where turns of the event loop are short, it waits for many times as many.
    expect(nowMs - beganMs).toBeLessThan(5_000);
  });

  test('first is announced: not ready, alive, still serving, every answer closing its connection', async () => {
    await using upstream = await RecordingUpstream.start();
    await using instance = await startInstance({ upstream: upstream.origin, routes, config: shutdown('60s', '1s') });
    await using kept = await RawConnection.open(instance.port);
    kept.write(get('/before'));
    expect((await kept.response()).headers.get('connection')).toBe('keep-alive');
    void instance.instance.drain();
    const ready = await instance.admin('/readyz');
    expect(ready.status).toBe(503);
    expect(await ready.text()).toContain('{"name":"listener","ok":false');
    expect((await instance.admin('/livez')).status).toBe(200);
    kept.write(get('/on-a-kept-connection'));
    expect((await kept.response()).headers.get('connection')).toBe('close');
    const fresh = await rawRequest(instance.port, get('/on-a-new-connection'));
    expect([fresh.status, fresh.headers.get('connection')]).toEqual([200, 'close']);
    const own = await rawRequest(instance.port, get('/.well-known/jwks.json'));
    expect([own.status, own.headers.get('connection')]).toEqual([200, 'close']);
  });

  test('finishes requests in progress, refuses new connections and closes idle ones', async () => {
    const { upstream, release } = await holdingUpstream();
    await using _ = upstream;
    await using instance = await startInstance({ upstream: upstream.origin, routes, config: shutdown('0s', '60s') });
    await using idle = await RawConnection.open(instance.port);
    idle.write(get('/.well-known/jwks.json'));
    await idle.response();
    await using busy = await RawConnection.open(instance.port);
    busy.write(get('/busy'));
    await upstream.received(1);
    const end = instance.instance.drain();
    expect(await idle.remainder()).toHaveLength(0);
    expect(await isOpen(instance.port)).toBe(false);
    expect((await instance.admin('/livez')).status).toBe(200);
    release();
    const response = await busy.response();
    expect([response.status, response.body.toString()]).toEqual([200, 'done']);
    expect(response.headers.get('connection')).toBe('close');
    await end;
    expect(await isOpen(instance.adminPort)).toBe(false);
    expect(upstream.openConnections).toBe(0);
  });

  test('answers a request on a kept connection and closes it, even after refusing new connections', async () => {
    await using upstream = await RecordingUpstream.start();
    await using instance = await startInstance({ upstream: upstream.origin, routes, config: shutdown('0s', '60s') });
    await using kept = await RawConnection.open(instance.port);
    kept.write(get('/before'));
    expect((await kept.response()).headers.get('connection')).toBe('keep-alive');
    const end = instance.instance.drain();
    await until(async () => !(await isOpen(instance.port)), 'no new connections are accepted');
    kept.write(get('/after'));
    const response = await kept.response();
    expect([response.status, response.headers.get('connection')]).toEqual([200, 'close']);
    expect(await kept.remainder()).toHaveLength(0);
    await end;
  });

  test('is not held up by a client that sends nothing', async () => {
    await using instance = await startInstance({ routes, config: shutdown('0s', '1h') });
    await using silent = await RawConnection.open(instance.port);
    await using kept = await RawConnection.open(instance.port);
    kept.write(get('/.well-known/jwks.json'));
    await kept.response();
    await instance.instance.drain();
    expect(await silent.remainder()).toHaveLength(0);
    expect(await kept.remainder()).toHaveLength(0);
  });

  test('cuts requests that do not finish in time', async () => {
    const { upstream } = await holdingUpstream();
    await using _ = upstream;
    await using instance = await startInstance({ upstream: upstream.origin, routes, config: shutdown('0s', '300ms') });
    await using stuck = await RawConnection.open(instance.port);
    stuck.write(get('/stuck'));
    await upstream.received(1);
    await instance.instance.drain();
    expect(await stuck.remainder()).toHaveLength(0);
    await until(() => upstream.openConnections === 0, 'the upstream is told');
  });

  test('happens once, even if asked for twice', async () => {
    await using instance = await startInstance({ routes, config: shutdown('50ms', '1s') });
    const ends = [instance.instance.drain(), instance.instance.drain()];
    expect(ends[0]).toBe(ends[1]);
    await Promise.all(ends);
  });

  test('WS-15: closes WebSockets with 1001, spread out, before the timeout', async () => {
    await using upstream = await startEchoUpstream();
    await using instance = await startInstance({ upstream: upstream.origin, routes, config: shutdown('0s', '60s') });
    const clients = await Promise.all(Array.from({ length: 100 }, () => WebSocketClient.open(instance.port, '/ws')));
    for (const client of clients) client.send('hello');
    for (const client of clients) expect(await client.text()).toBe('hello');
    expect(await (await instance.admin('/metrics')).text()).toContain('sallyport_open_websockets 100\n');
    // How often the event loop, which the gateway shares, came by with closes.
    let turns = 0;
    let isCounted = false;
    const countTurn = () => {
      if (isCounted) return;
      isCounted = true;
      turns += 1;
      setImmediate(() => {
        isCounted = false;
      });
    };
    const codes = clients.map(async (client) => {
      const code = await client.closeCode();
      countTurn();
      client.close();
      return code;
    });
    const end = instance.instance.drain();
    expect(await Promise.all(codes)).toEqual(Array(100).fill(1001));
    await end;
    // Two in a turn; all of them in one or two if they were closed together.
    expect(turns).toBeGreaterThan(10);
    await until(() => upstream.openConnections === 0, 'the upstream has no connection left');
  });

  test('R12: closes a WebSocket that opens meanwhile like the others, and is not held up by it', async () => {
    await using upstream = await startEchoUpstream();
    await using instance = await startInstance({ upstream: upstream.origin, routes, config: shutdown('0s', '1h') });
    // The gateway still answers on this connection for a moment after the shutdown begins.
    const connection = await RawConnection.open(instance.port);
    connection.write(get('/.well-known/jwks.json'));
    await connection.response();
    const end = instance.instance.drain();
    await until(async () => !(await isOpen(instance.port)), 'no new connections are accepted');
    connection.write(handshake('/ws', []));
    const answer = await connection.response();
    expect(answer.status).toBe(101);
    const client = new WebSocketClient(connection, answer);
    expect(await client.closeCode()).toBe(1001);
    client.close();
    await end;
  });

  test('closes WebSockets from an earlier configuration like the others', async () => {
    await using upstream = await startEchoUpstream();
    await using instance = await startInstance({ upstream: upstream.origin, routes, config: shutdown('0s', '60s') });
    await using client = await WebSocketClient.open(instance.port, '/ws');
    instance.file.write({ upstream: 'http://127.0.0.1:1', routes, config: shutdown('0s', '60s') });
    expect((await instance.instance.reloader.reload()).result).toBe('applied');
    client.send('still open');
    expect(await client.text()).toBe('still open');
    const end = instance.instance.drain();
    expect(await client.closeCode()).toBe(1001);
    client.close();
    await end;
  });
});

describe('a failed start', () => {
  test('closes everything that it had opened', async () => {
    const before = openHandles();
    const taken = await startInstance();
    for (const listeners of [
      { public: { address: `127.0.0.1:${taken.port}` }, admin: { address: '127.0.0.1:0' } },
      {
        public: { address: '127.0.0.1:0' },
        redirect: { address: `127.0.0.1:${taken.port}` },
        admin: { address: '127.0.0.1:0' },
      },
      { public: { address: '127.0.0.1:0' }, admin: { address: `127.0.0.1:${taken.port}` } },
    ]) {
      await expect(startInstance({ config: { listeners } })).rejects.toThrow(
        /^listeners\.(?:public|redirect|admin)\.address: cannot listen on 127\.0\.0\.1:\d+: another program is listening there: stop it, or choose another port$/,
      );
    }
    await taken[Symbol.asyncDispose]();
    await until(() => openHandles() <= before, 'everything opened since is closed');
  });

  test('names an address that the machine does not have', async () => {
    const listeners = { public: { address: '203.0.113.7:8080' }, admin: { address: '127.0.0.1:0' } };
    await expect(startInstance({ config: { listeners } })).rejects.toThrow(
      'listeners.public.address: cannot listen on 203.0.113.7:8080: this machine does not have that address',
    );
  });
});

test('a request in progress is counted until its answer is complete', async () => {
  const { upstream, release } = await holdingUpstream();
  await using _ = upstream;
  await using instance = await startInstance({ upstream: upstream.origin, routes });
  await using connection = await RawConnection.open(instance.port);
  connection.write(get('/'));
  await upstream.received(1);
  const text = await (await instance.admin('/metrics')).text();
  expect(text).toContain('sallyport_http_requests_in_flight{route="app"} 1\n');
  expect(text).toContain('sallyport_open_connections 1\n');
  expect(text).toContain('sallyport_upstream_requests_in_flight{upstream="app"} 1\n');
  release();
  await connection.response();
  await until(() => requestsInFlight(instance) === 0, 'it is over');
  expect(await (await instance.admin('/metrics')).text()).toContain(
    'sallyport_http_requests_in_flight{route="app"} 0\n',
  );
});
