import { describe, expect, test } from 'vitest';
import type { Denial } from '../../src/errors.ts';
import { type Queued, RequestQueue } from '../../src/listener/request-queue.ts';
import { QueueSeries } from '../../src/listener/series.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { counted } from '../support/telemetry/counted.ts';
import { type Outcome, simulate } from './simulated-load.ts';

const FLOOD = '203.0.113.7';
const GUEST = '203.0.113.8';
const flood = (times: number, connections: number, isPatient = false) => ({
  perSec: 1_000 * times,
  connections,
  address: () => FLOOD,
  isPatient,
});
const guest = { perSec: 5, connections: 50, address: () => GUEST };

const sorted = ({ servedMs }: Outcome) => servedMs.toSorted((a, b) => a - b);
const percentile = (outcome: Outcome, share: number) => {
  const times = sorted(outcome);
  return times[Math.floor(times.length * share)] ?? Number.POSITIVE_INFINITY;
};
const SECONDS = 15;
/** As a share of the 1,000 per second that can be served. */
const goodput = ({ servedMs }: Outcome) => servedMs.filter((ms) => ms <= 1_050).length / (1_000 * SECONDS);

describe('R14: a process in simulated time that can serve 1,000 requests per second', () => {
  test.each([
    { times: 0.5, connections: 1_000 },
    { times: 0.9, connections: 4_000 },
    // All requests that these connections can have outstanding are served within half of maxQueueDelay.
    { times: 3, connections: 400 },
  ])('refuses nothing that it has time for: $times times the load on $connections connections', (load) => {
    const { outcomes } = simulate([flood(load.times, load.connections)], { seconds: SECONDS });
    expect(outcomes[0]?.refused).toBe(0);
    expect(goodput(outcomes[0] as Outcome)).toBeGreaterThan(Math.min(load.times, 1) * 0.95);
  });

  test.each([
    { times: 3, connections: 1_000, isPatient: false },
    { times: 3, connections: 1_000, isPatient: true },
    { times: 3, connections: 2_000, isPatient: false },
    { times: 3, connections: 2_000, isPatient: true },
  ])('keeps 90 % of its rate at $times times the load ($connections connections, patient: $isPatient)', (load) => {
    const { outcomes } = simulate([flood(load.times, load.connections, load.isPatient)], { seconds: SECONDS });
    expect(goodput(outcomes[0] as Outcome)).toBeGreaterThanOrEqual(0.9);
  });

  test('serves occasional clients as if there were no flood: all of them, within a few turns', () => {
    const { outcomes, longestTurnMs } = simulate([flood(3, 2_000), guest], { seconds: SECONDS });
    const [, calm] = outcomes as [Outcome, Outcome];
    expect(calm.refused).toBe(0);
    expect(calm.servedMs).toHaveLength(calm.due);
    expect(percentile(calm, 0.5)).toBeLessThan(20);
    expect(percentile(calm, 0.99)).toBeLessThan(150);
    // The longest delay of the admin listener, whose requests do not queue.
    expect(longestTurnMs).toBeLessThan(100);
  });

  test('refuses nothing while other programs take the processor', () => {
    const { outcomes } = simulate([flood(0.15, 400)], { seconds: 3, processorShare: 0.05 });
    expect(outcomes[0]?.refused).toBe(0);
    expect(percentile(outcomes[0] as Outcome, 0.99)).toBeGreaterThan(1_500);
  });

  test('refuses excess load in a container with a twentieth of a processor, too', () => {
    const { outcomes } = simulate([flood(0.15, 2_000)], { seconds: 60, processorShare: 0.05 });
    expect(outcomes[0]?.refused).toBeGreaterThan(0);
  });

  test('counts refusals as early or late', async () => {
    const { outcomes, metrics } = simulate([flood(3, 2_000)], { seconds: 5 });
    const [early, late] = [
      await counted(metrics, 'requests_shed_total', { when: 'early' }),
      await counted(metrics, 'requests_shed_total', { when: 'late' }),
    ];
    expect(early).toBeGreaterThan(0);
    expect(early + late).toBe(outcomes[0]?.refused);
  });

  test('serves everything, however late, if the queue is switched off', () => {
    const { outcomes } = simulate([flood(3, 2_000)], { seconds: SECONDS, maxDelayMs: 0 });
    expect(outcomes[0]?.refused).toBe(0);
    expect(goodput(outcomes[0] as Outcome)).toBeLessThan(0.2);
  });
});

/** A queue whose clock and turns the test controls. */
class Bench {
  nowMs = 1_000;
  readonly events: string[] = [];
  readonly metrics = new MetricRegistry();
  #soon: (() => void)[] = [];
  readonly queue: RequestQueue = new RequestQueue(
    {
      maxDelayMs: 1_000,
      clientOf: ({ peer, rawHeaders }) => ({
        client: rawHeaders[0] ?? peer.address,
        viaTrustedProxy: rawHeaders.length > 0,
      }),
    },
    new QueueSeries(this.metrics),
    () => this.nowMs,
    { endOfTurn: (run) => this.#soon.push(run), next: (run) => run(), workedMs: () => this.nowMs },
  );

  request(name: string, over: Partial<Queued> = {}): void {
    this.queue.take({
      startedMs: this.nowMs,
      isOver: false,
      rawHeaders: [],
      peer: { address: FLOOD },
      handler: {
        handle: () => {
          this.events.push(name);
          this.nowMs += 0.6;
        },
        refuse: (_, { headers }: Denial) => this.events.push(`${name}: ${headers.join(' ')}`),
      },
      ...over,
    });
  }

  turn(): void {
    const due = this.#soon;
    this.#soon = [];
    for (const run of due) run();
  }

  /** Uses up the time of the turn, so that further requests wait. */
  fill(): void {
    this.request('first');
    this.nowMs += 10;
  }
}

describe('a queue of requests', () => {
  test('handles a request at once while the turn is short', () => {
    const bench = new Bench();
    bench.request('a');
    bench.request('b');
    expect(bench.events).toEqual(['a', 'b']);
    expect(bench.queue.size).toBe(0);
  });

  test('defers requests once the turn has used its time, and serves no longer than that per turn', async () => {
    const bench = new Bench();
    bench.fill();
    for (const name of ['a', 'b', 'c']) bench.request(name);
    expect(bench.events).toEqual(['first']);
    expect(await counted(bench.metrics, 'requests_queued')).toBe(3);
    bench.turn();
    expect(bench.events).toEqual(['first', 'a', 'b']);
    bench.turn();
    expect(bench.events).toEqual(['first', 'a', 'b', 'c']);
    expect(bench.queue.size).toBe(0);
  });

  test('lets clients take turns; networks of one site count as one client', () => {
    const bench = new Bench();
    bench.fill();
    for (const name of ['a1', 'a2', 'a3']) bench.request(name);
    bench.request('b1', { peer: { address: GUEST } });
    for (const net of ['1', '2']) bench.request(`site ${net}`, { peer: { address: `2001:db8:1:${net}::5` } });
    for (let turn = 0; turn < 4; turn += 1) bench.turn();
    expect(bench.events).toEqual(['first', 'a1', 'b1', 'site 1', 'a2', 'site 2', 'a3']);
  });

  test('skips a request whose client has left', () => {
    const bench = new Bench();
    bench.fill();
    bench.request('gone', { isOver: true });
    bench.request('there');
    bench.turn();
    expect(bench.events).toEqual(['first', 'there']);
  });

  test('refuses a request that waited too long, then holds its connection to Retry-After', () => {
    const bench = new Bench();
    const peer = { address: FLOOD };
    bench.fill();
    bench.request('late', { peer });
    bench.nowMs += 1_001;
    bench.turn();
    expect(bench.events).toEqual(['first', 'late: Retry-After 1']);
    bench.fill();
    bench.request('too soon', { peer });
    bench.request('other');
    bench.turn();
    // It is still served when no other request waits.
    expect(bench.events.slice(2)).toEqual(['first', 'other', 'too soon']);
  });

  test('refuses an early retry when Retry-After ends, then treats the connection like any other', () => {
    const bench = new Bench();
    const peer = { address: FLOOD };
    bench.fill();
    bench.request('late', { peer });
    bench.nowMs += 1_001;
    bench.turn();
    bench.fill();
    bench.request('too soon', { peer });
    for (let count = 0; count < 3; count += 1) bench.request(`other ${count}`, { peer: { address: GUEST } });
    bench.nowMs += 950;
    bench.turn();
    expect(bench.events.slice(2)).toEqual(['first', 'other 0', 'other 1']);
    bench.nowMs += 50;
    bench.turn();
    expect(bench.events.slice(5)).toEqual(['too soon: Retry-After 1', expect.stringMatching(/^other 2/)]);
    bench.fill();
    bench.request('other', { peer: { address: GUEST } });
    bench.request('again', { peer });
    bench.turn();
    expect(bench.events.slice(-2)).toEqual(['other', 'again']);
  });

  test('refuses a client at once while its requests wait too long, but not other clients', () => {
    const bench = new Bench();
    bench.fill();
    bench.request('waits');
    bench.nowMs += 501;
    bench.request('more');
    bench.request('other', { peer: { address: GUEST } });
    expect(bench.events).toEqual(['first', 'more: Retry-After 1']);
    bench.turn();
    expect(bench.events.slice(2)).toEqual(['waits', 'other']);
  });

  test('tells clients behind a proxy apart and does not hold their shared connection', () => {
    const bench = new Bench();
    const peer = { address: '10.0.0.1' };
    bench.fill();
    bench.request('a', { peer, rawHeaders: ['198.51.100.1'] });
    bench.nowMs += 501;
    bench.request('a more', { peer, rawHeaders: ['198.51.100.1'] });
    bench.request('b', { peer, rawHeaders: ['198.51.100.2'] });
    bench.turn();
    expect(bench.events).toEqual(['first', 'a more: Retry-After 1', 'a', 'b']);
    bench.fill();
    bench.request('c', { peer, rawHeaders: ['198.51.100.3'] });
    bench.request('other');
    bench.turn();
    expect(bench.events.slice(-2)).toEqual(['c', 'other']);
  });
});
