/**
 * What the calculation of docs/scale.md starts from: figures that were measured, with their command, and assumptions, with their reason.
 * Change them to your own, and run `npm run bench -- report`.
 */

/** One figure. */
export interface Input {
  readonly value: number;
  readonly unit: string;
  readonly title: string;
  /** The command that measures it, or why it is assumed. */
  readonly source: string;
}

const input = (value: number, unit: string, title: string, source: string): Input => ({ value, unit, title, source });

/**
 * Measured on the machine of `bench/results/reference.json` unless the source says otherwise. An estimate stands in for a measurement that
 * has not been made on a quiet machine yet.
 */
export const MEASURED = {
  warmUs: input(44.3, 'CPU µs', 'a request whose session and token are known', '`npm run bench -- --keep reference`'),
  readUs: input(
    35,
    'CPU µs',
    'more, where the session is read from Redis',
    'estimate; `npm run bench -- scenarios --only sessions` measures it: 10,000 sessions in use less 64',
  ),
  mintUs: input(
    65,
    'CPU µs',
    'more, where a token is signed as well',
    '`npm run bench -- --keep reference`: never seen less warm, less the read, which is an estimate',
  ),
  loginUs: input(
    1_000,
    'CPU µs',
    'a login at a provider, in five requests',
    'estimate; `node bench/load/logins.ts` makes 200 a second',
  ),
  redisReadUs: input(
    10,
    'CPU µs',
    'of Redis, for a session that is read',
    '`npm run bench -- scenarios --quick --only sessions`: out of 1,000,000, on a busy machine',
  ),
  redisWriteUs: input(
    48,
    'CPU µs',
    'of Redis, for a session that is written: opened, touched or ended',
    '`npm run bench -- scenarios --quick --only fan-out`: a logout with one replica, less its news, on a busy machine',
  ),
  redisIdleUs: input(
    104,
    'CPU µs a second',
    'of Redis, for the heartbeats of one replica',
    '`npm run bench -- scenarios --quick --only fan-out`: 20 replicas less one; 268 in another run, on a busier machine',
  ),
  redisNewsUs: input(
    2.3,
    'CPU µs',
    'of Redis, for the news of one end to one replica',
    '`npm run bench -- scenarios --quick --only fan-out`: a logout with 20 replicas less one with one, on a busy machine',
  ),
  replicaNewsUs: input(
    12,
    'CPU µs',
    'of a replica, for the news of one end',
    '`npm run bench -- scenarios --only fan-out` with three replicas, on a busy machine',
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
  connectionKib: input(12.7, 'KiB', 'of a replica, for an idle connection', '`npm run bench -- scenarios --only held`'),
} as const;

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
