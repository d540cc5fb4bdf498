/** The store when a single Redis stops, is silent, is slow, refuses, forgets and comes back. */

import { readFileSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DependencyFault } from '../../../src/errors.ts';
import type { SessionHandle } from '../../../src/jwt/names.ts';
import type { Store } from '../../../src/store/store.ts';
import { asHandle } from '../../support/names.ts';
import { RedisCluster, RedisServer } from '../../support/redis.ts';
import { RedisProxy } from '../../support/redis-proxy.ts';
import { answered, IMPATIENT, openStore, StoreLog } from '../../support/redis-store.ts';
import { BUSY_MS, until } from '../../support/until.ts';
import { newRecord } from '../contract.ts';

const HOUR_MS = 3_600_000;
/** How soon the store uses a recovered Redis again. */
const RECOVERY_MS = 2_000;
const COMMAND_TIMEOUT_MS = IMPATIENT.commandTimeout;

const refusal = { name: 'DependencyFault', reason: 'store_unavailable' };

/** Milliseconds until a command was refused. */
async function refusedAfterMs(command: Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await expect(command).rejects.toMatchObject(refusal);
  return performance.now() - startedMs;
}

/** The same, for a command that was refused without waiting for Redis, as the message shows. */
async function refusedAtOnceMs(command: Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await expect(command).rejects.toMatchObject({ ...refusal, message: expect.not.stringContaining('in time') });
  return performance.now() - startedMs;
}

/** Milliseconds until the store answers. */
async function answersAfterMs(store: Store): Promise<number> {
  const startedMs = performance.now();
  await until(
    () =>
      store.sessions.read(newRecord().handle).then(
        () => true,
        () => false,
      ),
    'the store answers',
  );
  return performance.now() - startedMs;
}

/** As `Sessions` decides with the default `feedTimeout`. */
const isFeedProven = (store: Store) => performance.now() - (store.feed.provenAtMs() ?? 0) <= 1_000;

function withSession(store: Store) {
  return answered(async () => {
    const record = newRecord();
    await store.sessions.create(record, HOUR_MS);
    return record;
  });
}

const readOf = (store: Store, handle: SessionHandle) => answered(() => store.sessions.read(handle));

/** Every command of the store, on existing data. */
function everyCommand(store: Store, handle: SessionHandle, subject: string): (() => Promise<unknown>)[] {
  const rule = { freeAttempts: 1, maxDelayMs: 1_000, windowMs: 1_000 };
  const family = { handle, session: handle, client: 'native', current: handle } as const;
  const begun = { ...family, generation: 0, previous: null, seed: null, rotatedAtMs: 0, isEnded: false };
  const reading = { family: begun, asOfMs: Date.now(), arrivedAtMs: performance.now() };
  return [
    () => store.sessions.create(newRecord({ subject }), HOUR_MS),
    () => store.sessions.read(handle),
    () => store.sessions.touch(handle, Date.now(), HOUR_MS),
    () => store.sessions.list(subject),
    () => store.sessions.update(handle, { user: {}, login: null }, 1),
    () => store.sessions.endByProvider('corporate', { sid: 'sid' }),
    () => store.sessions.endByProvider('corporate', { subject: 'sub' }),
    () => store.sealedTokens.put(handle, 'sealed'),
    () => store.sealedTokens.get(handle),
    () => store.sealedTokens.replace(handle, 1, 'sealed'),
    () => store.sealedTokens.lease(handle, 'owner', 1_000),
    () => store.sealedTokens.renew(handle, 'owner', 1_000),
    () => store.sealedTokens.release(handle, 'owner'),
    () => store.sessions.end(handle),
    () => store.sessions.endAll(subject),
    () => store.attempts.begin('account', rule, Date.now()),
    () => store.attempts.takeBack('account'),
    () => store.attempts.succeeded('account'),
    () => store.loginTransactions.add('browser', 'state', '', { ttlMs: HOUR_MS, maxPerBrowser: 1 }),
    () => store.loginTransactions.take('browser', 'state'),
    () => store.families.begin(family, HOUR_MS),
    () => store.families.read(handle),
    () => store.families.rotate(reading, { generation: 0, digest: handle }, { seed: handle, digest: subject }, HOUR_MS),
    () => store.families.end(handle),
  ];
}

describe('a Redis that stops without closing its connections', () => {
  test('RDS-02: has commands refused within the command timeout, and then at once', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url, { config: IMPATIENT });
    const { handle, subject } = await withSession(store);
    redis.freeze();
    const firstMs = await refusedAfterMs(store.sessions.read(handle));
    expect(firstMs).toBeLessThan(COMMAND_TIMEOUT_MS + BUSY_MS);
    const restMs: number[] = [];
    for (const command of everyCommand(store, handle, subject)) restMs.push(await refusedAtOnceMs(command()));
    expect(store.isAvailable()).toBe(false);
    console.log(
      `SIGSTOP: refused after ${firstMs.toFixed(0)} ms, then after ${Math.max(...restMs).toFixed(1)} ms at most`,
    );
    redis.thaw();
  });

  test.each([
    ['shortly', 400],
    ['for longer than a connection may be silent', 2_500],
  ])('RDS-02: answers within 2 s of SIGCONT when stopped %s', async (_, stoppedMs) => {
    await using redis = await RedisServer.start();
    const log = new StoreLog();
    await using store = await openStore(redis.url, { config: IMPATIENT, log });
    const record = await withSession(store);
    redis.freeze();
    const thawAtMs = performance.now() + stoppedMs;
    await until(() => performance.now() > thawAtMs && !store.isAvailable(), 'it was stopped for long enough');
    redis.thaw();
    const backMs = await answersAfterMs(store);
    console.log(`SIGCONT after ${stoppedMs} ms: back in ${backMs.toFixed(0)} ms`);
    expect(backMs).toBeLessThan(RECOVERY_MS + BUSY_MS);
    expect(await readOf(store, record.handle)).toEqual(record);
    await until(() => store.isAvailable() && isFeedProven(store), 'the feed is proven again');
    expect(log.lines.filter((line) => line === 'available').length).toBeGreaterThan(1);
  });

  test('RDS-02: is noticed even without requests', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url, { config: IMPATIENT });
    redis.freeze();
    await until(() => !store.isAvailable(), 'the heartbeat notices');
    redis.thaw();
  });

  test('RDS-02: is handled like a network that drops every packet', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using store = await openStore(proxy.url, { config: IMPATIENT });
    const record = await withSession(store);
    proxy.block();
    expect(await refusedAfterMs(store.sessions.read(record.handle))).toBeLessThan(COMMAND_TIMEOUT_MS + BUSY_MS);
    await refusedAtOnceMs(store.sessions.end(record.handle));
    await until(() => !isFeedProven(store), 'the feed is no longer proven');
    proxy.unblock();
    expect(await answersAfterMs(store)).toBeLessThan(RECOVERY_MS + BUSY_MS);
    expect(await readOf(store, record.handle)).toEqual(record);
    await until(() => isFeedProven(store), 'the feed is proven again');
  });

  test('RDS-03: does not make the memory of the process grow', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url, { config: IMPATIENT });
    redis.freeze();
    await refusedAfterMs(store.sessions.read(newRecord().handle));
    const refuse = async (times: number) => {
      for (let i = 0; i < times; i++) await store.sessions.read(asHandle('x')).catch(() => {});
    };
    await refuse(20_000);
    const before = process.memoryUsage().rss;
    await refuse(100_000);
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024);
    redis.thaw();
  });

  test('RDS-14: has 100,000 concurrent commands refused: at once beyond the cap, the others in time', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url, { config: IMPATIENT });
    redis.freeze();
    const outcomes: string[] = [];
    const note = (outcome: unknown) => outcomes.push(outcome instanceof DependencyFault ? outcome.message : 'answered');
    await Promise.all(Array.from({ length: 100_000 }, () => store.sessions.read(asHandle('x')).then(note, note)));
    const atOnce = outcomes.slice(0, 90_000);
    const later = outcomes.slice(90_000);
    expect(new Set(atOnce)).toEqual(new Set(['too many commands wait for Redis']));
    for (const message of new Set(later)) expect(message).toMatch(/^Redis does not answer/);
    redis.thaw();
    expect(await answersAfterMs(store)).toBeLessThan(RECOVERY_MS + BUSY_MS);
  });
});

describe('a Redis that fails and comes back', () => {
  test('RDS-03, RDS-07: answers within 2 s of an empty restart, and every session is unknown', async () => {
    const redis = await RedisServer.start();
    const log = new StoreLog();
    await using store = await openStore(redis.url, { config: IMPATIENT, log });
    const { handle, subject } = await withSession(store);
    await redis.kill();
    await until(() => !store.isAvailable(), 'the loss is noticed');
    for (const command of everyCommand(store, handle, subject)) {
      expect(await refusedAfterMs(command())).toBeLessThan(COMMAND_TIMEOUT_MS + BUSY_MS);
    }
    await using again = await RedisServer.start({ port: redis.port });
    expect(await answersAfterMs(store)).toBeLessThan(RECOVERY_MS + BUSY_MS);
    expect(await readOf(store, handle)).toBeNull();
    expect(await answered(() => store.sessions.touch(handle, Date.now(), HOUR_MS))).toBe(false);
    expect(await answered(() => store.sessions.list(subject))).toEqual([]);
    expect(again.port).toBe(redis.port);
    expect(log.lines).toContain('unavailable: no connection to Redis (ECONNREFUSED)');
    await redis[Symbol.asyncDispose]();
  });

  test('RDS-07: knows no session after FLUSHALL', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    const { handle, subject } = await withSession(store);
    await redis.cli('FLUSHALL');
    expect(await store.sessions.read(handle)).toBeNull();
    expect(await store.sessions.end(handle)).toBeNull();
    expect(await store.sessions.list(subject)).toEqual([]);
    expect(await store.sessions.endAll(subject)).toEqual([]);
  });

  test('loses no command when it closes a connection: the store sends it again on the next one', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    const log = new StoreLog();
    await using store = await openStore(proxy.url, { log });
    const record = await withSession(store);
    for (let i = 0; i < 10; i++) {
      const reads = [1, 2, 3].map(() => store.sessions.read(record.handle));
      proxy.cut();
      const more = [1, 2, 3].map(() => store.sessions.read(record.handle));
      for (const read of [...reads, ...more]) expect(await read).toEqual(record);
    }
    expect(log.errors).toEqual([]);
  });

  test('is not sent an attempt again when the answer was lost', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using store = await openStore(proxy.url);
    const rule = { freeAttempts: 100, maxDelayMs: 1_000, windowMs: HOUR_MS };
    await store.attempts.begin('account', rule, Date.now());
    proxy.holdAnswers();
    const attempt = store.attempts.begin('account', rule, Date.now());
    const [key = ''] = (await redis.cli('KEYS', 'sallyport:a:*')).split('\n');
    await until(async () => (await redis.cli('HGET', key, 'c')) === '2', 'the attempt was counted');
    proxy.cut();
    proxy.passAnswers();
    await expect(attempt).rejects.toMatchObject(refusal);
    await answersAfterMs(store);
    expect(await redis.cli('HGET', key, 'c')).toBe('2');
  });

  test('JWT-44: is asked again when the answer to a one-time use was lost, and the use still succeeds once', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using store = await openStore(proxy.url);
    proxy.holdAnswers();
    const use = store.once.use('jti', HOUR_MS);
    await until(async () => (await redis.cli('KEYS', 'sallyport:o:*')) !== '', 'it was used up');
    proxy.cut();
    proxy.passAnswers();
    expect(await use).toBe(true);
    await answersAfterMs(store);
    expect(await store.once.use('jti', HOUR_MS)).toBe(false);
  });

  test('may be unreachable at start: the store is unavailable, then available', async () => {
    const { port } = await freedPort();
    const log = new StoreLog();
    await using store = await openStore(`redis://127.0.0.1:${port}`, { log });
    expect(store.isAvailable()).toBe(false);
    await refusedAtOnceMs(store.sessions.read(asHandle('x')));
    await using redis = await RedisServer.start({ port });
    expect(await answersAfterMs(store)).toBeLessThan(RECOVERY_MS + BUSY_MS);
    await withSession(store);
    await until(() => store.feed.provenAtMs() !== null, 'the feed is proven');
    expect(redis.port).toBe(port);
    expect(log.lines).toEqual(['unavailable: no connection to Redis (ECONNREFUSED)', 'available']);
  });
});

describe('a slow Redis', () => {
  test('RDS-04: slower than the command timeout, has commands refused in time, then at once, until it recovers', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using store = await openStore(proxy.url, { config: IMPATIENT });
    const record = await withSession(store);
    proxy.slow(4 * COMMAND_TIMEOUT_MS);
    expect(await refusedAfterMs(store.sessions.read(record.handle))).toBeLessThan(COMMAND_TIMEOUT_MS + BUSY_MS);
    for (let i = 0; i < 50; i++) await refusedAtOnceMs(store.sessions.read(record.handle));
    proxy.slow(0);
    expect(await answersAfterMs(store)).toBeLessThan(RECOVERY_MS + BUSY_MS);
  });

  test('RDS-04: faster than the command timeout, is waited for', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using store = await openStore(proxy.url);
    const record = await withSession(store);
    proxy.slow(50);
    for (let i = 0; i < 5; i++) expect(await store.sessions.read(record.handle)).toEqual(record);
    expect(store.isAvailable()).toBe(true);
  });

  test('RDS-06: never has a late answer given to another request', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using store = await openStore(proxy.url, { config: IMPATIENT });
    const records = await Promise.all(Array.from({ length: 20 }, () => withSession(store)));
    const lateReads = records.map(({ handle }) => store.sessions.read(handle).catch(() => null));
    proxy.slow(COMMAND_TIMEOUT_MS + 100);
    await Promise.all([...lateReads, ...records.map(({ handle }) => store.sessions.read(handle).catch(() => null))]);
    proxy.slow(0);
    await answersAfterMs(store);
    const reads = await Promise.all(records.toReversed().map(({ handle }) => readOf(store, handle)));
    expect(reads).toEqual(records.toReversed());
  });
});

describe('RDS-05: a Redis that answers with an error gives 503, never "no such session"', () => {
  const expectRefusals = async (commands: readonly (() => Promise<unknown>)[]) => {
    for (const command of commands) await expect(command()).rejects.toMatchObject(refusal);
  };

  test('READONLY: and the store looks for the primary again', async () => {
    await using primary = await RedisServer.start();
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url, { config: IMPATIENT });
    const { handle, subject } = await withSession(store);
    await redis.cli('REPLICAOF', '127.0.0.1', String(primary.port));
    // The first write detects it. A read returns what the replica has, which is nothing.
    await expectRefusals([() => store.sessions.end(handle)]);
    await expectRefusals(everyCommand(store, handle, subject).slice(4));
    await until(() => !store.isAvailable(), 'the connection is given up');
    await expectRefusals(everyCommand(store, handle, subject));
    await redis.cli('REPLICAOF', 'NO', 'ONE');
    expect(await answersAfterMs(store)).toBeLessThan(RECOVERY_MS + BUSY_MS);
  });

  test('MASTERDOWN', async () => {
    await using redis = await RedisServer.start({ config: { 'replica-serve-stale-data': 'no' } });
    await using store = await openStore(redis.url, { config: IMPATIENT });
    const { handle, subject } = await withSession(store);
    await redis.cli('REPLICAOF', '127.0.0.1', '1');
    await expectRefusals(everyCommand(store, handle, subject));
  });

  test('OOM: nobody can log in; logged-in users stay logged in and can log out', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    const { handle, subject } = await withSession(store);
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1');
    await expect(store.sessions.create(newRecord(), HOUR_MS)).rejects.toMatchObject(refusal);
    expect((await store.sessions.read(handle))?.subject).toBe(subject);
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal');
    await answersAfterMs(store);
    expect((await store.sessions.read(handle))?.subject).toBe(subject);
    expect((await store.sessions.end(handle))?.subject).toBe(subject);
    expect(await store.sessions.read(handle)).toBeNull();
  });

  test('NOREPLICAS: sessions can be read, but nothing can be written', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    const record = await withSession(store);
    await redis.cli('CONFIG', 'SET', 'min-replicas-to-write', '1');
    await expect(store.sessions.create(newRecord(), HOUR_MS)).rejects.toMatchObject(refusal);
    await expect(store.sessions.end(record.handle)).rejects.toMatchObject(refusal);
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal');
    await answersAfterMs(store);
    expect(await store.sessions.read(record.handle)).toEqual(record);
  });

  test('WRONGTYPE: but a session of the wrong type can be ended', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    const { handle, subject } = await withSession(store);
    const key = `sallyport:s:${handle}`;
    await redis.cli('DEL', key);
    await redis.cli('RPUSH', key, 'x');
    await expectRefusals([() => store.sessions.read(handle), () => store.sessions.touch(handle, 0, 1_000)]);
    expect(await store.sessions.end(handle)).toBeNull();
    expect(await store.sessions.read(handle)).toBeNull();
    const [index = ''] = (await redis.cli('KEYS', 'sallyport:i:*')).split('\n');
    await redis.cli('SET', index, 'x');
    await expectRefusals([() => store.sessions.list(subject), () => store.sessions.endAll(subject)]);
  });

  test('BUSY: during an endless script of another client', async () => {
    await using redis = await RedisServer.start({ config: { 'busy-reply-threshold': '50' } });
    await using store = await openStore(redis.url, { config: IMPATIENT });
    const record = await withSession(store);
    const script = redis.cli('EVAL', 'while true do end', '0');
    await until(async () => (await redis.cli('PING')).startsWith('BUSY'), 'the script runs');
    await expectRefusals([() => store.sessions.read(record.handle), () => store.sessions.list(record.subject)]);
    await redis.cli('SCRIPT', 'KILL');
    await script;
    expect(await answersAfterMs(store)).toBeLessThan(RECOVERY_MS + BUSY_MS);
    expect(await readOf(store, record.handle)).toEqual(record);
  });

  test('LOADING: until Redis has loaded its data', async () => {
    await using redis = await RedisServer.start({ config: { rdbcompression: 'no' } });
    for (let i = 0; i < 20; i++) await redis.cli('SET', `filler:${i}`, 'x'.repeat(2_000));
    await redis.cli('SAVE');
    const rdb = await readFile(join(redis.directory, 'dump.rdb'));
    await redis.kill();

    await using loading = await RedisServer.start({
      port: redis.port,
      dump: rdb,
      config: { 'key-load-delay': '300000', 'loading-process-events-interval-bytes': '1024' },
      isLoading: true,
    });
    const log = new StoreLog();
    await using store = await openStore(redis.url, { config: IMPATIENT, log });
    expect(store.isAvailable()).toBe(false);
    await expectRefusals([() => store.sessions.read(asHandle('x'))]);
    expect(log.lines).toEqual(['unavailable: Redis answers LOADING']);
    await loading.cli('CONFIG', 'SET', 'key-load-delay', '0');
    await until(() => loading.isListening(), 'it has loaded');
    expect(await answersAfterMs(store)).toBeLessThan(RECOVERY_MS + BUSY_MS);
  });
});

describe('a Redis that refuses the gateway', () => {
  const password = 'canary-Pa55word';
  const opening = (url: string, config = {}) => openStore(url, { config });
  const fault = (message: RegExp) =>
    expect.objectContaining({ name: 'ConfigFault', message: expect.stringMatching(message) });

  test('reports a wrong password at start in one clear line, without the password', async () => {
    await using redis = await RedisServer.start({ config: { requirepass: 'right' } });
    const opened = opening(`redis://:${password}@127.0.0.1:${redis.port}`);
    const message =
      /^store\.redis: Redis refuses the user or password \(WRONGPASS\): compare url, username and passwordFile with the users of Redis$/;
    await expect(opened).rejects.toEqual(fault(message));
    await expect(opened).rejects.not.toMatchObject({ message: expect.stringContaining(password) });
  });

  test('reports a missing password', async () => {
    await using redis = await RedisServer.start({ config: { requirepass: 'right' } });
    await expect(opening(redis.url)).rejects.toEqual(
      fault(/^store\.redis: Redis asks for a password \(NOAUTH\): set passwordFile$/),
    );
  });

  test('accepts a password that it does not need', async () => {
    await using redis = await RedisServer.start();
    await using store = await opening(`redis://:${password}@127.0.0.1:${redis.port}`);
    await withSession(store);
  });

  test('reports a database that does not exist', async () => {
    await using redis = await RedisServer.start();
    await using store = await opening(`${redis.url}/99`);
    expect(store.isAvailable()).toBe(false);
  });

  test('keeps sessions in the database that the URL names', async () => {
    await using redis = await RedisServer.start();
    await using store = await opening(`${redis.url}/3`);
    const { handle } = await withSession(store);
    expect(await redis.cliAfter(['SELECT', '0'], 'DBSIZE')).toBe('0');
    expect(await redis.cliAfter(['SELECT', '3'], 'EXISTS', `sallyport:s:${handle}`)).toBe('1');
  });

  const page = readFileSync(join(import.meta.dirname, '../../../docs/how-to/redis.md'), 'utf8');
  const rights = /^ACL SETUSER .* -@all (.+)$/m.exec(page)?.[1]?.split(' ') ?? [];
  const acl = (redis: RedisServer, ...rules: string[]) =>
    redis.cli('ACL', 'SETUSER', 'gate', 'reset', 'on', `>${password}`, ...rules);

  test('accepts a user with only the documented rights', async () => {
    await using redis = await RedisServer.start();
    await acl(redis, ...rights);
    const log = new StoreLog();
    await using store = await openStore(`redis://gate:${password}@127.0.0.1:${redis.port}`, { log });
    const { handle, subject } = await withSession(store);
    for (const command of everyCommand(store, handle, subject)) await command();
    await until(() => store.feed.provenAtMs() !== null, 'the feed is proven');
    expect(log.lines).toEqual(['available']);
  });

  test('accepts such a user on a Cluster, with the additional documented right', async () => {
    await using cluster = await RedisCluster.start();
    const [, more] = /On a Cluster, grant them on every node, and add `(\+\S+)`/.exec(page) ?? [];
    for (const server of cluster.servers) await acl(server, ...rights, more ?? '');
    const nodes = cluster.servers.map(({ port }) => `127.0.0.1:${port}`).join();
    await using store = await openStore(`redis+cluster://gate:${password}@${nodes}`);
    await withSession(store);
    await until(() => store.feed.provenAtMs() !== null, 'the feed is proven');
  });

  test.each([
    'get',
    'set',
    'eval',
    'zadd',
    'zscore',
    'zrange',
    'zrem',
    'hset',
    'hdel',
    'zcard',
    'setrange',
    'time',
    'publish',
    'subscribe',
    'del',
  ])('reports at start that the user may not %s', async (command) => {
    await using redis = await RedisServer.start();
    await acl(redis, ...rights, `-${command}`);
    const opened = opening(`redis://gate:${password}@127.0.0.1:${redis.port}`);
    await expect(opened).rejects.toEqual(
      fault(/^store\.redis: the Redis user lacks a right that the gateway needs \(NOPERM\)$/),
    );
  });

  test('RDS-12: keeps its connection when the password is rotated; the next connection reads the file again', async () => {
    const passwordFile = join(tmpdir(), `sallyport-password-${process.pid}`);
    await writeFile(passwordFile, 'first\n');
    await using redis = await RedisServer.start({ config: { requirepass: 'first' } });
    const log = new StoreLog();
    await using store = await openStore(redis.url, { config: { ...IMPATIENT, passwordFile }, log });
    const record = await withSession(store);
    await redis.cliAfter(['AUTH', 'first'], 'CONFIG', 'SET', 'requirepass', 'second');
    expect(await readOf(store, record.handle)).toEqual(record);
    await redis.cliAfter(['AUTH', 'second'], 'CLIENT', 'KILL', 'TYPE', 'normal');
    await until(
      () => log.lines.some((line) => line.startsWith('unavailable: Redis refuses the user or password (WRONGPASS)')),
      'it is reported',
    );
    expect(store.isAvailable()).toBe(false);
    await expect(store.sessions.read(record.handle)).rejects.toMatchObject(refusal);
    await writeFile(passwordFile, 'second');
    expect(await answersAfterMs(store)).toBeLessThan(RECOVERY_MS + BUSY_MS);
    expect(await readOf(store, record.handle)).toEqual(record);
    await rm(passwordFile);
  });

  test('RDS-11: causes a warning if it drops keys when full', async () => {
    await using redis = await RedisServer.start({ config: { 'maxmemory-policy': 'allkeys-lru' } });
    const log = new StoreLog();
    await using store = await openStore(redis.url, { log });
    expect(log.lines).toContainEqual(
      expect.stringMatching(/^warning: .*maxmemory-policy allkeys-lru.*use noeviction$/),
    );
    await withSession(store);
  });
});

describe('foreign data under a key of the gateway', () => {
  test('SES-10, RDS-13: is never a session, and does no harm', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    const record = await withSession(store);
    const other = await withSession(store);
    const key = `sallyport:s:${record.handle}`;
    const written = await redis.cli('GET', key);
    const values = [
      '',
      'x',
      '{}',
      'null',
      '[]',
      written.slice(0, -1),
      written.slice(0, 20),
      written.slice(1),
      `2${written.slice(1)}`,
      `${written}x`,
      written.replace('"p"', '"x"'),
      written.replace('"p"', '"__proto__"'),
      written.replace('{"email"', '{"__proto__":{"roles":["admin"]},"email"'),
      await redis.cli('GET', `sallyport:s:${other.handle}`),
      `1|1800000000000|${'['.repeat(50_000)}`,
      'x'.repeat(100_000),
    ];
    for (const value of values) {
      await redis.cli('SET', key, value);
      expect(await store.sessions.read(record.handle)).toBeNull();
      expect(await store.sessions.list(record.subject)).toEqual([]);
      await store.sessions.touch(record.handle, Date.now(), HOUR_MS);
      expect(await store.sessions.read(record.handle)).toBeNull();
    }
    await redis.cli('SET', key, written.replace(/^1\|\d/, '1|x'));
    expect(await store.sessions.read(record.handle)).toBeNull();
    await redis.cli('SET', key, written);
    expect(await store.sessions.read(record.handle)).toEqual(record);
    for (const value of values) {
      await redis.cli('SET', key, value);
      expect(await store.sessions.end(record.handle)).toBeNull();
    }
  });

  test('SES-10: of 1 MB is not a session', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    const record = await withSession(store);
    const user = JSON.stringify({ filler: 'x'.repeat(1_000_000) });
    await redis.cli('EVAL', 'redis.call("SETRANGE", KEYS[1], 1000000, "x")', '1', `sallyport:s:${record.handle}`);
    expect(user.length).toBeGreaterThan(1_000_000);
    expect(await store.sessions.read(record.handle)).toBeNull();
  });
});

test('a fault contains no handle, value or error of the client library', async () => {
  await using redis = await RedisServer.start();
  await using store = await openStore(redis.url);
  const { handle } = await withSession(store);
  await redis.cli('DEL', `sallyport:s:${handle}`);
  await redis.cli('RPUSH', `sallyport:s:${handle}`, 'x');
  const fault = await store.sessions.read(handle).catch((thrown: unknown) => thrown);
  expect(fault).toBeInstanceOf(DependencyFault);
  expect((fault as DependencyFault).cause).toBeUndefined();
  expect(JSON.stringify(fault, Object.getOwnPropertyNames(fault))).not.toContain(handle);
});

/** A port that nothing listens on. */
async function freedPort(): Promise<{ port: number }> {
  const redis = await RedisServer.start();
  await redis[Symbol.asyncDispose]();
  return { port: redis.port };
}

test('A7: rediss:// to a Redis without TLS is explained in the log', async () => {
  await using redis = await RedisServer.start();
  const log = new StoreLog();
  await using _store = await openStore(redis.url.replace('redis:', 'rediss:'), { log, config: IMPATIENT });
  expect(log.lines).toEqual([
    'unavailable: Redis does not complete the TLS handshake in time: if it has no TLS, use redis://, not rediss://',
  ]);
});
