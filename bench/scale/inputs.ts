/**
 * What the calculation of docs/scale.md starts from: figures that were measured, taken from the kept reports, and assumptions, with their
 * reason. Change the assumptions to your own, and run `npm run bench -- report`.
 */

import { join } from 'node:path';
import { type Reports, readReports } from '../report/reports.ts';

/** One figure. */
export interface Input {
  readonly value: number;
  readonly unit: string;
  readonly title: string;
  /** The command that measures it, or why it is assumed. */
  readonly source: string;
}

const input = (value: number, unit: string, title: string, source: string): Input => ({ value, unit, title, source });

/** A figure that a report has; until it is there, an estimate. @param how  a command, and what is taken from its report */
const measured = (found: number | null, estimate: number, unit: string, title: string, how: string): Input =>
  found === null
    ? input(estimate, unit, title, `estimate, until it is measured by ${how}`)
    : input(Math.max(0, Number(found.toPrecision(3))), unit, title, how);

/** A report on how a command is written down. */
const scenario = (name: string, what: string) => `\`npm run bench -- scenarios --only ${name}\`: ${what}`;

/** Takes the inputs from reports. Long because all of them are in one place. */
export function measuredIn({ load, scenarios }: Reports) {
  const figure = (name: string, title: string, by = 'Sallyport'): number | null =>
    scenarios.get(name)?.figures.find((it) => it.title === title && it.by === by)?.value.median ?? null;
  const less = (one: number | null, other: number | null) => (one === null || other === null ? null : one - other);
  const warm = load?.atMaximum.find(({ variant }) => variant === 'warm')?.cpuUsPerRequest?.median ?? null;
  const readAgain = figure('sessions', '10,000 sessions, read again');
  const most = Math.max(0, ...(scenarios.get('fan-out')?.figures ?? []).map(({ x = 0 }) => x));
  const withOne = (what: string, by: string) => figure('fan-out', `1 replicas: ${what}`, by);
  /** What one more replica adds. */
  const perReplica = (what: string, by: string) => {
    const added = less(figure('fan-out', `${most} replicas: ${what}`, by), withOne(what, by));
    return added === null || most < 2 ? null : added / (most - 1);
  };
  const added = `with ${most === 0 ? 'the most' : most} replicas less with one`;
  const news = perReplica('a logout', 'Redis');
  const us = 'CPU µs';
  return {
    warmUs: measured(
      warm,
      44.3,
      us,
      'a request whose session and token are known',
      '`npm run bench -- --keep reference`',
    ),
    readUs: measured(
      less(readAgain, figure('sessions', '64 sessions in use')),
      35,
      us,
      'more, where the session is read from Redis',
      scenario('sessions', 'read again less 64 in use'),
    ),
    mintUs: measured(
      less(figure('sessions', '50,000 in Redis'), readAgain),
      65,
      us,
      'more, where a token is signed as well',
      scenario('sessions', 'never seen less read again'),
    ),
    loginUs: measured(
      figure('logins', 'a login, in five requests'),
      1_000,
      us,
      'a login at a provider, in five requests',
      scenario('logins', 'a login'),
    ),
    redisReadUs: measured(
      figure('sessions', '1,000,000 in Redis', 'Redis'),
      10,
      us,
      'of Redis, for a session that is read',
      scenario('sessions', 'out of 1,000,000'),
    ),
    redisWriteUs: measured(
      less(withOne('a logout', 'Redis'), news),
      48,
      us,
      'of Redis, for a session that is written: opened, touched or ended',
      scenario('fan-out', 'a logout, less its news'),
    ),
    redisIdleUs: measured(
      perReplica('idle', 'Redis'),
      104,
      'CPU µs a second',
      'of Redis, for the heartbeats of one replica',
      scenario('fan-out', `idle, ${added}`),
    ),
    redisNewsUs: measured(
      news,
      2.3,
      us,
      'of Redis, for the news of one end to one replica',
      scenario('fan-out', `a logout, ${added}`),
    ),
    replicaNewsUs: measured(
      perReplica('a logout', 'all replicas'),
      12,
      us,
      'of a replica, for the news of one end',
      scenario('fan-out', `a logout, ${added}`),
    ),
    sessionBytes: input(
      572,
      'bytes',
      'of Redis, for a session by a provider with its index entries',
      '`npx vitest run test/store/redis/memory.test.ts`',
    ),
    crowdedIndexBytes: input(
      190,
      'bytes',
      'more, beyond two million logins within an absolute timeout',
      'ADR 23: 150 instead of 55 for each of two entries',
    ),
    replicaMib: input(200, 'MiB', 'of a replica, with its caches full', '`npm run bench -- memory`'),
    connectionKib: measured(
      figure('held', 'each of 10,000 idle connections'),
      12.7,
      'KiB',
      'of a replica, for an idle connection',
      scenario('held', 'each of 10,000'),
    ),
  };
}

/** What the kept reports say. */
export const MEASURED: Readonly<Record<keyof ReturnType<typeof measuredIn>, Input>> = measuredIn(
  readReports(join(import.meta.dirname, '../results')),
);

export const ASSUMED = {
  busyShare: input(
    0.6,
    '',
    'of its core, a process or a shard is meant to be busy',
    'what is above is for bursts, and for the load of one that failed',
  ),
  activeShare: input(
    0.1,
    '',
    'of the sessions are in use at a time',
    'people who are logged in and look elsewhere most of the time',
  ),
  perActiveSec: input(0.1, 'requests a second', 'of a session in use', 'a page with a few calls each half minute'),
  lifeSec: input(6 * 3_600, 's', 'a session lives', 'half of the absolute timeout of 12 h'),
  logoutShare: input(
    0.3,
    '',
    'of the sessions end by a logout, which is news to all',
    'the others expire, which is not announced',
  ),
  connectionsPerActive: input(
    1,
    '',
    'connections stay open for each session in use',
    'HTTP/2; HTTP/1.1 in browsers has up to six',
  ),
  recheckSec: input(1, 's', 'a session that was read is trusted', 'the default of `session.cache.recheckAfter`'),
  tokenSec: input(90, 's', 'a token is used again', 'three quarters of two minutes'),
  touchSec: input(60, 's', 'between two writes of the last use of a session', 'the default'),
  cachedSessions: input(20_000, '', 'sessions that a replica remembers', 'the default of `session.cache.maxEntries`'),
  shardGib: input(
    24,
    'GiB',
    'for sessions in a shard of Redis',
    'a node of 32 GiB, less room for a copy while it is saved',
  ),
  corePerHour: input(
    0.05,
    '$',
    'an hour of a core with 4 GiB',
    'a general-purpose machine on demand at a large provider, rounded',
  ),
  shardPerHour: input(
    0.3,
    '$',
    'an hour of a node of Redis with 32 GiB and 4 cores',
    'a memory-optimised machine on demand, rounded',
  ),
  passedOnUs: input(1, 'CPU µs', 'of Redis, for a message that another node of the Cluster passes on', 'not measured'),
  copies: input(2, '', 'nodes for each shard', 'a primary and a replica'),
} as const;
