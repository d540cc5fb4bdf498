/** S4: the share of an upstream that one client or session may use, by itself and in a whole gateway. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Place } from '../../src/lib/concurrency/places.ts';
import { Shares } from '../../src/upstream/servers/shares.ts';
import { HOST, startGateway } from '../support/gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

/** An upstream with some connections, and requests that hold them until released. */
class Stage {
  readonly shares: Shares;
  readonly held = new Map<string, Place[]>();
  waiting = 0;
  #inUse = 0;

  constructor(connections: number, maxWaiting = 1_000) {
    this.shares = new Shares(maxWaiting, () => connections - this.#inUse);
  }

  come(holder: string): 'goes' | 'waits' | 'full' {
    const admitted = (place: Place) => {
      this.#inUse += 1;
      this.held.set(holder, [...(this.held.get(holder) ?? []), place]);
    };
    const taken = this.shares.take(holder, {
      isOver: false,
      admitted: (place) => {
        this.waiting -= 1;
        admitted(place);
      },
    });
    if (taken === 'waits') this.waiting += 1;
    if (typeof taken === 'string') return taken;
    admitted(taken);
    return 'goes';
  }

  leave(holder: string): void {
    const place = this.held.get(holder)?.pop();
    if (place === undefined) return;
    this.#inUse -= 1;
    place.leave();
    this.shares.settle();
  }

  count(holder: string): number {
    return this.held.get(holder)?.length ?? 0;
  }
}

describe('the shares of an upstream', () => {
  test('give a single holder four fifths, later ones less, and always leave some for others', () => {
    const stage = new Stage(512);
    for (let count = 0; count < 600; count += 1) stage.come('first');
    expect(stage.count('first')).toBe(409);
    for (let count = 0; count < 600; count += 1) stage.come('second');
    expect(stage.count('second')).toBe(82);
    expect(stage.come('someone else')).toBe('goes');
  });

  test('never make the holder of a few wait', () => {
    const stage = new Stage(4);
    for (let count = 0; count < 8; count += 1) expect(stage.come('page')).toBe('goes');
    expect(stage.come('page')).toBe('waits');
  });

  test('admit waiting requests when connections are given back, holders in turn', () => {
    const stage = new Stage(20);
    for (let count = 0; count < 30; count += 1) stage.come('first');
    for (let count = 0; count < 30; count += 1) stage.come('second');
    const before = [stage.count('first'), stage.count('second')];
    expect(before).toEqual([16, 8]);
    for (let count = 0; count < 12; count += 1) stage.leave('first');
    expect(stage.count('second')).toBeGreaterThan(8);
    for (let count = 0; count < 200; count += 1) for (const holder of ['first', 'second']) stage.leave(holder);
    expect(stage.waiting).toBe(0);
  });

  test('let no more than maxPending requests wait', () => {
    const stage = new Stage(4, 1);
    for (let count = 0; count < 8; count += 1) stage.come('page');
    expect(stage.come('page')).toBe('waits');
    expect(stage.come('page')).toBe('full');
  });

  test('let no request wait forever or count twice, whatever comes and goes', () => {
    const step = fc.record({ holder: fc.constantFrom('a', 'b', 'c'), comes: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 40 }), (steps, connections) => {
        const stage = new Stage(connections);
        let came = 0;
        let left = 0;
        for (const { holder, comes } of steps) {
          if (comes) {
            stage.come(holder);
            came += 1;
          } else if (stage.count(holder) > 0) {
            stage.leave(holder);
            left += 1;
          }
        }
        const holding = () => ['a', 'b', 'c'].reduce((sum, holder) => sum + stage.count(holder), 0);
        expect(holding() + stage.waiting + left).toBe(came);
        for (let count = 0; count < 1_000 && holding() > 0; count += 1)
          for (const holder of ['a', 'b', 'c']) stage.leave(holder);
        expect([holding(), stage.waiting]).toEqual([0, 0]);
      }),
    );
  });
});

describe('in a gateway', () => {
  const from = (address: string) => requestHead('GET', '/x', [HOST, `X-Forwarded-For: ${address}`]);
  const listeners = {
    public: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.0/8'] },
    admin: { address: '127.0.0.1:0' },
  };
  const start = (origin: string, credential: string) =>
    startGateway({
      routes: [{ id: 'app', match: { path: '/' }, credential }],
      config: { listeners, upstreams: { app: { endpoints: [origin], maxConnections: 20 } } },
    });
  /** An answer that begins and does not end. */
  const endless = 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun';

  test('S4: slow readers at one address leave connections for others and use those given back', async () => {
    await using upstream = await RecordingUpstream.start((_request, socket) => void socket.write(endless));
    await using gateway = await start(upstream.origin, 'none');
    const slow = await Promise.all(Array.from({ length: 30 }, () => RawConnection.open(gateway.port)));
    for (const connection of slow) connection.write(from('192.0.2.1'));
    await until(() => gateway.gateway.requestsInFlight === 30, 'all are in progress');
    await upstream.received(16);
    upstream.answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    for (let count = 0; count < 10; count += 1)
      expect((await rawRequest(gateway.port, from('192.0.2.2'))).status).toBe(200);
    expect(upstream.requests).toHaveLength(26);
    // What waits is served once its client holds less.
    const readers = () => slow.filter(({ socket }) => socket.bytesRead > 0);
    await until(() => readers().length === 16, 'the readers have begun to read');
    for (const reader of readers()) reader.close();
    await upstream.received(40);
    for (const connection of slow) connection.close();
    await until(() => gateway.gateway.requestsInFlight === 0, 'nothing is left');
    expect((await rawRequest(gateway.port, from('192.0.2.1'))).status).toBe(200);
  });

  test('S4: a session has its share, too, and requests that leave while waiting use nothing', async () => {
    await using upstream = await RecordingUpstream.start((_request, socket) => void socket.write(endless));
    await using gateway = await start(upstream.origin, 'session');
    const [mine, others] = [await gateway.cookie('alice'), await gateway.cookie('bob')];
    const get = (cookie: string) => requestHead('GET', '/x', [HOST, cookie]);
    const slow = await Promise.all(Array.from({ length: 30 }, () => RawConnection.open(gateway.port)));
    for (const connection of slow) connection.write(get(mine));
    await until(() => gateway.gateway.requestsInFlight === 30, 'all are in progress');
    await upstream.received(16);
    upstream.answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect((await rawRequest(gateway.port, get(others))).status).toBe(200);
    for (const connection of slow) connection.close();
    await until(() => gateway.gateway.requestsInFlight === 0, 'nothing is left');
    const seen = upstream.requests.length;
    expect((await rawRequest(gateway.port, get(mine))).status).toBe(200);
    expect(upstream.requests).toHaveLength(seen + 1);
  });
});
