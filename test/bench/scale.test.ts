/** The arithmetic of docs/scale.md: sums that can be done by hand, and what must hold whatever the inputs are. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
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
  // A million sessions with one request a second each, sticky: half of the requests come more than a second after the one before.
  const need = needOf({ title: '', sessions: 1e6, requestsPerSec: 1e6, isSticky: true }, round);

  test('one request in two reads its session and needs a token, and costs 75 µs on average', () => {
    expect(need).toMatchObject({ readShare: 0.5, mintShare: 0.5, requestUs: 75 });
  });

  test('a million requests of 75 µs are 75 cores, and 150 replicas that are half busy', () => {
    expect(need.replicas).toBe(150);
  });

  test('half a million reads of 10 µs are five cores of Redis, and ten shards that are half busy', () => {
    expect(need).toMatchObject({ shardsForCommands: 10, shardsForMemory: 1, shards: 10 });
  });

  test('150 replicas and 20 nodes at a dollar an hour are 730 times as much a month', () => {
    expect(need.dollarsPerMonth).toBe(730 * 170);
  });
});

test('without stickiness, more requests read their session, and it takes at least as many replicas', () => {
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

test('ends of sessions that are heard by every replica make each replica do less', () => {
  const demand = { title: '', sessions: 1e8, requestsPerSec: 1e6, isSticky: true };
  const quiet = needOf(demand, { ...values(), logoutShare: 0 });
  const loud = needOf(demand, { ...values(), logoutShare: 1 });
  expect(loud.replicas).toBeGreaterThan(quiet.replicas);
  expect(loud.feedShare).toBeGreaterThan(quiet.feedShare);
});

test('heartbeats of all replicas through all primaries end the growth of one Cluster: at some point no number of shards is enough', () => {
  const demand = { title: '', sessions: 1e6, requestsPerSec: 1e4, isSticky: true };
  const times = growthOf(demand, values());
  const shards = (factor: number) =>
    needOf({ ...demand, sessions: 1e6 * factor, requestsPerSec: 1e4 * factor }, values()).shards;
  expect(shards(times * 0.99)).toBeLessThan(Number.POSITIVE_INFINITY);
  expect(shards(times * 1.01)).toBe(Number.POSITIVE_INFINITY);
});
