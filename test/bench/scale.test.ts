/** The arithmetic of docs/scale.md: sums that can be checked by hand, and properties that hold for all inputs. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Reports } from '../../bench/report/reports.ts';
import { measuredIn } from '../../bench/scale/inputs.ts';
import { growthOf, needOf, type Values, values } from '../../bench/scale/scale.ts';

const round: Values = {
  ...values(),
  ...{ warmUs: 50, readUs: 30, mintUs: 20, loginUs: 0, busyShare: 0.5, replicaNewsUs: 0, redisNewsUs: 0 },
  ...{
    redisReadUs: 10,
    redisWriteUs: 0,
    redisIdleUs: 0,
    passedOnUs: 0,
    sessionBytes: 1_024,
    crowdedIndexBytes: 0,
    shardGib: 1,
  },
  ...{ activeShare: 1, recheckSec: 1, tokenSec: 1, corePerHour: 1, shardPerHour: 1, copies: 2 },
};

describe('a demand that can be worked out by hand', () => {
  // A million sessions with one request a second each, sticky: half of the requests arrive more than a second after the previous one.
  const need = needOf({ title: '', sessions: 1e6, requestsPerSec: 1e6, isSticky: true }, round);

  test('half of the requests read their session and need a token; the average costs 75 µs', () => {
    expect(need).toMatchObject({ readShare: 0.5, mintShare: 0.5, requestUs: 75 });
  });

  test('a million requests at 75 µs need 75 cores, or 150 half-busy replicas', () => {
    expect(need.replicas).toBe(150);
  });

  test('half a million reads at 10 µs need five Redis cores, or ten half-busy shards', () => {
    expect(need).toMatchObject({ shardsForCommands: 10, shardsForMemory: 1, shards: 10 });
  });

  test('150 replicas and 20 nodes at a dollar an hour cost 730 times as much a month', () => {
    expect(need.dollarsPerMonth).toBe(730 * 170);
  });
});

test('without stickiness, session reads and replicas never decrease', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e8 }), fc.integer({ min: 1, max: 1e6 }), (sessions, requestsPerSec) => {
      const [spread, sticky] = [false, true].map((isSticky) =>
        needOf({ title: '', sessions, requestsPerSec, isSticky }, values()),
      );
      expect(spread?.readShare).toBeGreaterThanOrEqual(sticky?.readShare as number);
      expect(spread?.replicas).toBeGreaterThanOrEqual(sticky?.replicas as number);
    }),
  );
});

test('logouts, which every replica hears, lower the capacity of each replica', () => {
  const demand = { title: '', sessions: 1e8, requestsPerSec: 1e6, isSticky: true };
  const quiet = needOf(demand, { ...values(), logoutShare: 0 });
  const loud = needOf(demand, { ...values(), logoutShare: 1 });
  expect(loud.replicas).toBeGreaterThan(quiet.replicas);
  expect(loud.feedShare).toBeGreaterThan(quiet.feedShare);
});

test('heartbeats from every replica through every primary limit the growth of one Cluster', () => {
  const demand = { title: '', sessions: 1e6, requestsPerSec: 1e4, isSticky: true };
  const times = growthOf(demand, values());
  const shards = (factor: number) =>
    needOf({ ...demand, sessions: 1e6 * factor, requestsPerSec: 1e4 * factor }, values()).shards;
  expect(shards(times * 0.99)).toBeLessThan(Number.POSITIVE_INFINITY);
  expect(shards(times * 1.01)).toBe(Number.POSITIVE_INFINITY);
});

describe('the inputs', () => {
  const figure = (title: string, by: string, median: number, x?: number) => ({ title, by, value: { median }, x });
  const reports = (scenarios: Readonly<Record<string, object[]>>) =>
    ({
      load: { atMaximum: [{ variant: 'warm', cpuUsPerRequest: { median: 50 } }] },
      peers: null,
      scenarios: new Map(Object.entries(scenarios).map(([name, figures]) => [name, { figures }])),
    }) as unknown as Reports;

  test('a read costs the difference between re-read and warm sessions, a token that between new and re-read ones', () => {
    const sessions = [
      figure('64 sessions in use', 'Sallyport', 50),
      figure('10,000 sessions, read again', 'Sallyport', 80),
      figure('10,000 sessions, read again', 'Redis', 7),
      figure('50,000 in Redis', 'Sallyport', 140),
    ];
    const { warmUs, readUs, mintUs } = measuredIn(reports({ sessions }));
    expect([warmUs.value, readUs.value, mintUs.value]).toEqual([50, 30, 60]);
  });

  test('the cost of one replica is what each additional replica adds', () => {
    const of = (replicas: number, what: string, by: string, value: number) =>
      figure(`${replicas} replicas: ${what}`, by, value, replicas);
    const fanOut = [
      ...[of(1, 'idle', 'Redis', 100), of(1, 'a logout', 'Redis', 50), of(1, 'a logout', 'all replicas', 200)],
      ...[of(21, 'idle', 'Redis', 2_100), of(21, 'a logout', 'Redis', 90), of(21, 'a logout', 'all replicas', 440)],
    ];
    const { redisIdleUs, redisNewsUs, redisWriteUs, replicaNewsUs } = measuredIn(reports({ 'fan-out': fanOut }));
    expect([redisIdleUs.value, redisNewsUs.value, redisWriteUs.value, replicaNewsUs.value]).toEqual([100, 2, 48, 12]);
  });

  test('a figure that is not measured yet is marked as an estimate', () => {
    for (const { source } of [measuredIn(reports({})).readUs, measuredIn(reports({})).redisIdleUs]) {
      expect(source).toMatch(/^estimate, until it is measured by `npm run bench -- scenarios --only [a-z-]+`/);
    }
  });
});
