/** The life of the process: signals, exit codes, output. */

import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { HOST } from '../support/gateway.ts';
import { GatewayProcess } from '../support/process.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

const get = (target: string) => requestHead('GET', target, [HOST]);
const routes = [{ id: 'app', match: { path: '/' }, credential: 'none' }];

describe('the process', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('finishes a request on %s and exits with 0', async (signal) => {
    const held: (() => void)[] = [];
    await using upstream = await RecordingUpstream.start((_request, socket) => {
      held.push(() => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'));
    });
    await using gateway = await GatewayProcess.start({ upstream: upstream.origin, routes });
    await using connection = await RawConnection.open(gateway.port);
    connection.write(get('/slow'));
    await upstream.received(1);
    gateway.signal(signal);
    await until(async () => (await gateway.status('/readyz')) === 503, 'it is not ready');
    expect(await gateway.status('/livez')).toBe(200);
    for (const answer of held) answer();
    expect((await connection.response()).body.toString()).toBe('ok');
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
    expect(gateway.stderr).toBe('');
    // The last log lines are written.
    expect(gateway.records.at(-2)).toMatchObject({ path: '/slow', status: 200 });
    expect(gateway.records.at(-1)).toMatchObject({ msg: 'stopped' });
  });

  test('S8: opens no debugger on SIGUSR1', async () => {
    await using gateway = await GatewayProcess.start({ routes });
    gateway.signal('SIGUSR1');
    // A debugger would listen, and say so, long before all of these are answered.
    for (let probe = 0; probe < 50; probe += 1) expect(await gateway.status('/livez')).toBe(200);
    gateway.signal('SIGTERM');
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
    expect(gateway.stderr).toBe('');
  });

  test.each(['0s', '200ms'])('resets no kept connection in use on SIGTERM with a delay of %s', async (delay) => {
    await using upstream = await RecordingUpstream.start();
    const config = { shutdown: { delay, timeout: '60s' }, log: { access: 'off' } };
    await using gateway = await GatewayProcess.start({ upstream: upstream.origin, routes, config });
    let atWork = 0;
    /** Sends one request after the other, at a pace, until an answer closes the connection. */
    const loop = async (paceMs: number): Promise<void> => {
      await using connection = await RawConnection.open(gateway.port);
      for (let answered = 1; ; answered += 1) {
        connection.write(get('/'));
        // Rejects when the connection ends before the answer.
        const { status, headers } = await connection.response();
        expect(status).toBe(200);
        if (headers.get('connection') === 'close') return;
        if (answered === 1) atWork += 1;
        await setTimeout(paceMs);
      }
    };
    const clients = Promise.all(Array.from({ length: 30 }, (_, index) => loop(2 * index)));
    await upstream.received(200);
    await until(() => atWork === 30, 'every client keeps a connection');
    gateway.signal('SIGTERM');
    await clients;
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
  });

  test('exits with 1 at once on a second SIGTERM', async () => {
    await using upstream = await RecordingUpstream.start(() => {});
    await using gateway = await GatewayProcess.start({
      upstream: upstream.origin,
      routes,
      config: { shutdown: { timeout: '1h' } },
    });
    await using connection = await RawConnection.open(gateway.port);
    connection.write(get('/stuck'));
    await upstream.received(1);
    gateway.signal('SIGTERM');
    await until(async () => (await gateway.status('/readyz')) === 503, 'it is not ready');
    gateway.signal('SIGTERM');
    expect(await gateway.ended).toEqual({ code: 1, signal: null });
    expect(await connection.remainder()).toHaveLength(0);
  });

  test('cuts an unfinished request after shutdown.timeout and exits with 0', async () => {
    await using upstream = await RecordingUpstream.start(() => {});
    await using gateway = await GatewayProcess.start({
      upstream: upstream.origin,
      routes,
      config: { shutdown: { timeout: '300ms' } },
    });
    await using connection = await RawConnection.open(gateway.port);
    connection.write(get('/stuck'));
    await upstream.received(1);
    gateway.signal('SIGTERM');
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
    expect(await connection.remainder()).toHaveLength(0);
  });

  test('reloads on SIGHUP', async () => {
    await using first = await RecordingUpstream.start();
    await using second = await RecordingUpstream.start();
    await using gateway = await GatewayProcess.start({ upstream: first.origin, routes });
    gateway.rewrite({ upstream: second.origin, routes });
    gateway.signal('SIGHUP');
    await until(async () => {
      await rawRequest(gateway.port, get('/'));
      return second.requests.length > 0;
    }, 'the new configuration is in use');
  });

  test('reports a port in use in one line and exits with 1', async () => {
    await using taken = await GatewayProcess.start({ routes });
    await using gateway = await GatewayProcess.start({ routes, port: taken.port, isNotWaitedFor: true });
    expect(await gateway.ended).toEqual({ code: 1, signal: null });
    const problem = `listeners.public.address: cannot listen on 127.0.0.1:${taken.port}: another program is listening there: stop it, or choose another port`;
    expect(gateway.records).toMatchObject([{ level: 'fatal', problems: [problem], msg: 'cannot start' }]);
    expect(gateway.stderr).toBe('');
  });
});
