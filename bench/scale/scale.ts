/**
 * What a number of sessions and of requests needs: the arithmetic of docs/scale.md, which `test/bench/scale.test.ts`
 * checks.
 */

import { ASSUMED, MEASURED } from './inputs.ts';

/** Numbers by the names of the inputs. */
export type Values = { readonly [Name in keyof typeof MEASURED | keyof typeof ASSUMED]: number };

export interface Demand {
  readonly title: string;
  readonly sessions: number;
  readonly requestsPerSec: number;
  /** Whether the balancer in front sends the requests of a session to the same replica. */
  readonly isSticky: boolean;
}

export interface Need {
  /** Mean CPU time of a request in the gateway, microseconds. */
  readonly requestUs: number;
  /** Share of the requests that read their session from Redis, and that need a new token. */
  readonly readShare: number;
  readonly mintShare: number;
  /** Processes with a core each. */
  readonly replicas: number;
  readonly replicaMib: number;
  readonly loginsPerSec: number;
  readonly endsPerSec: number;
  readonly redisGib: number;
  readonly commandsPerSec: number;
  /** What asks for the most shards decides. */
  readonly shards: number;
  readonly shardsForMemory: number;
  readonly shardsForCommands: number;
  /** Share of a shard's core that heartbeats and news take. */
  readonly feedShare: number;
  /** Share of a replica's core that it spends on hearing news. */
  readonly hearingShare: number;
  readonly dollarsPerMonth: number;
}

const HOURS_PER_MONTH = 730;
const BEATS_PER_SEC = 4;
/** Beyond so many logins within an absolute timeout, the index is less compact. */
const COMPACT_LOGINS = 2_000_000;

/** The inputs as they are in the file. */
export const values = (): Values => {
  const all = { ...MEASURED, ...ASSUMED };
  return Object.fromEntries(Object.entries(all).map(([name, { value }]) => [name, value])) as Values;
};

/**
 * Works a demand out. The number of replicas follows from the cost of a request, which without stickiness follows from the number of
 * replicas: the more there are, the less often one sees the same session. So it is calculated again until it stays.
 */
export function needOf(demand: Demand, given: Values): Need {
  const { sessions, requestsPerSec, isSticky } = demand;
  const active = sessions * given.activeShare;
  const perSession = active === 0 ? 0 : requestsPerSec / active;
  const loginsPerSec = sessions / given.lifeSec;
  const endsPerSec = loginsPerSec * given.logoutShare;
  let replicas = 1;
  let seen = seenAt(perSession, isSticky ? 1 : replicas, given);
  for (let step = 0; step < 100; step += 1) {
    seen = seenAt(perSession, isSticky ? 1 : replicas, given);
    const busyUs = requestsPerSec * costOf(seen, given) + loginsPerSec * given.loginUs;
    // Each hears of every end.
    const ownUs = 1e6 * given.busyShare - endsPerSec * given.replicaNewsUs;
    const next = Math.max(2, Math.ceil(busyUs / Math.max(ownUs, 1)));
    if (next === replicas) break;
    replicas = next;
  }
  const touchesPerSec = requestsPerSec / (1 + perSession * given.touchSec);
  const writesPerSec = 2 * loginsPerSec + 2 * endsPerSec + touchesPerSec;
  const readsPerSec = requestsPerSec * seen.readShare;
  const bytes = given.sessionBytes + (2 * sessions > COMPACT_LOGINS ? given.crowdedIndexBytes : 0);
  const redisGib = (sessions * bytes) / 2 ** 30;
  const shardsForMemory = Math.max(1, Math.ceil(redisGib / given.shardGib));
  const workUs = readsPerSec * given.redisReadUs + writesPerSec * given.redisWriteUs;
  const shardsForCommands = shardsFor(workUs, (count) => feedUs(count, replicas, endsPerSec, given), given);
  const shards = Math.max(shardsForMemory, shardsForCommands);
  const connections = (active * given.connectionsPerActive) / replicas;
  return {
    requestUs: costOf(seen, given),
    ...seen,
    replicas,
    replicaMib: given.replicaMib + (connections * given.connectionKib) / 1_024,
    ...{ loginsPerSec, endsPerSec, redisGib, shards, shardsForMemory, shardsForCommands },
    commandsPerSec: readsPerSec + writesPerSec + replicas * BEATS_PER_SEC * shards,
    feedShare: feedUs(shards, replicas, endsPerSec, given) / 1e6,
    hearingShare: (endsPerSec * given.replicaNewsUs) / 1e6,
    dollarsPerMonth: HOURS_PER_MONTH * (replicas * given.corePerHour + shards * given.copies * given.shardPerHour),
  };
}

/**
 * What the feed costs a primary in a second, microseconds. Each replica sends its heartbeats through each primary and listens at one of
 * them; a Cluster passes every message on to all of its nodes.
 */
function feedUs(shards: number, replicas: number, endsPerSec: number, given: Values): number {
  const { redisIdleUs, redisNewsUs, passedOnUs } = given;
  const own = replicas * redisIdleUs + endsPerSec * (replicas / shards) * redisNewsUs;
  const passedOn = (replicas * BEATS_PER_SEC * (shards - 1) + (shards > 1 ? endsPerSec : 0)) * passedOnUs;
  return own + passedOn;
}

const MOST_SHARDS = 1_000;

/** The fewest shards that are busy no more than they are meant to be; `Infinity` where no number is enough, because of the feed. */
function shardsFor(workUs: number, feedUsOf: (shards: number) => number, { busyShare }: Values): number {
  for (let shards = 1; shards <= MOST_SHARDS; shards += 1) {
    if (workUs / shards + feedUsOf(shards) <= 1e6 * busyShare) return shards;
  }
  return Number.POSITIVE_INFINITY;
}

/** How many times as much of a demand there may be before no number of shards is enough. */
export function growthOf(demand: Demand, given: Values): number {
  const fits = (times: number) => {
    const { sessions, requestsPerSec } = demand;
    const grown = { ...demand, sessions: sessions * times, requestsPerSec: requestsPerSec * times };
    return Number.isFinite(needOf(grown, given).shards);
  };
  let [low, high] = [0, 1];
  while (fits(high) && high < 1e6) [low, high] = [high, 2 * high];
  for (let step = 0; step < 20; step += 1) {
    const middle = (low + high) / 2;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * How many requests do not find what they need, where requests of a session come at random (Poisson): of those that come `rate` times a
 * second, one in `1 + rate × window` comes after the window has ended.
 */
function seenAt(perSession: number, places: number, { recheckSec, tokenSec }: Values) {
  const rate = perSession / places;
  return { readShare: 1 / (1 + rate * recheckSec), mintShare: 1 / (1 + rate * tokenSec) };
}

const costOf = (
  { readShare, mintShare }: { readonly readShare: number; readonly mintShare: number },
  { warmUs, readUs, mintUs }: Values,
) => warmUs + readShare * readUs + mintShare * mintUs;

/** The demands of the page. */
export const DEMANDS: readonly Demand[] = [
  { title: '1 million sessions', sessions: 1e6, requestsPerSec: 1e4, isSticky: false },
  { title: '1 million sessions, sticky', sessions: 1e6, requestsPerSec: 1e4, isSticky: true },
  { title: '100 million sessions, 1 million requests/s', sessions: 1e8, requestsPerSec: 1e6, isSticky: false },
  { title: 'the same, sticky', sessions: 1e8, requestsPerSec: 1e6, isSticky: true },
  { title: '1 million requests/s of 10 million sessions, sticky', sessions: 1e7, requestsPerSec: 1e6, isSticky: true },
];
