/** What an outage, a failover and a full Redis do to revocations of tokens: nothing is lost, or it is written again. */

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { FollowedRevocations } from '../../src/authentication/revocation/followed-revocations.ts';
import { systemClocks } from '../../src/lib/clock.ts';
import type { SessionRecord } from '../../src/store/session-record.ts';
import { LONGEST_SESSION_TOKEN_MS, type Store, type TokenRevocation } from '../../src/store/store.ts';
import { encodeTokenRevocation } from '../../src/store/token-revocation.ts';
import { RedisCluster, RedisServer, SentinelGroup } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { openStore } from '../support/redis-store.ts';
import { until } from '../support/until.ts';
import { newRecord } from './contract.ts';

const HOUR_MS = 3_600_000;
const KEY = 'sallyport:revocations';

const aToken = (): TokenRevocation & { kind: 'token' } => ({
  kind: 'token',
  tokenId: randomBytes(8).toString('hex'),
  issuer: null,
  expiresAtMs: Date.now() + HOUR_MS,
});

async function withSession(store: Store): Promise<SessionRecord> {
  const record = newRecord();
  await store.sessions.create(record, HOUR_MS);
  return record;
}

const follow = (store: Store) =>
  FollowedRevocations.open(
    store,
    { outageGraceMs: Number.POSITIVE_INFINITY, sessionTokenMs: LONGEST_SESSION_TOKEN_MS },
    systemClocks,
    { onForgotten: () => {} },
  );

const isOnRecord = async (server: RedisServer, revocation: TokenRevocation) =>
  Number(await server.cli('ZSCORE', KEY, encodeTokenRevocation(revocation))) > Date.now();

const theEndOf = (handle: string): TokenRevocation => ({ kind: 'session', handle, expiresAtMs: 0 });

describe('a single Redis', () => {
  test('RDS-05: that is full (OOM) ends sessions all the same; running verifiers hear of it, and later ones when there is room', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    await using other = await openStore(redis.url);
    const followed = await follow(other);
    const { handle } = await withSession(store);
    await redis.cli('CONFIG', 'SET', 'maxmemory', '1');
    expect((await store.sessions.end(handle))?.handle).toBe(handle);
    await until(() => followed.isRevoked({ sid: handle }), 'the other replica knows');
    expect(await isOnRecord(redis, theEndOf(handle))).toBe(false);
    await expect(store.tokenRevocations.revoke(aToken())).rejects.toMatchObject({ reason: 'store_unavailable' });
    await redis.cli('CONFIG', 'SET', 'maxmemory', '0');
    await until(() => isOnRecord(redis, theEndOf(handle)), 'it is on record');
    followed.close();
  });

  test('a verifier whose connection is cut again and again misses none of a thousand revocations', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using store = await openStore(redis.url, { config: { commandTimeout: 10_000 } });
    await using other = await openStore(proxy.url);
    const followed = await follow(other);
    const revocations = Array.from({ length: 1_000 }, aToken);
    for (const [i, revocation] of revocations.entries()) {
      if (i % 50 === 0) proxy.cut();
      await store.tokenRevocations.revoke(revocation);
    }
    const missing = () => revocations.filter(({ tokenId }) => !followed.isRevoked({ jti: tokenId })).length;
    await until(() => missing() === 0, 'all of them are known', 5_000);
    followed.close();
  });

  test('whoever follows reads again when either connection is another one: it may be to another server', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    let resumed = 0;
    store.tokenRevocations.follow({
      onRevoked: () => {},
      onResumed: () => {
        resumed += 1;
      },
    });
    for (const type of ['normal', 'pubsub']) {
      const before = resumed;
      await redis.cli('CLIENT', 'KILL', 'TYPE', type);
      await until(() => resumed > before, 'it is told');
    }
  });

  test('an entry that this version does not know is passed over, in the set and in the news', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    const ends = String(Date.now() + HOUR_MS);
    for (const entry of ['z["x"]', 't', 't{}', 't[7]', 'n["x","y"]', 's', '', 't["a",7]', 'n[1]']) {
      await redis.cli('ZADD', KEY, ends, entry);
      await redis.cli('PUBLISH', 'sallyport:revoked:tokens', `${ends} ${entry}`);
    }
    await redis.cli('PUBLISH', 'sallyport:revoked:tokens', 'soon t["a"]');
    const known = aToken();
    await store.tokenRevocations.revoke(known);
    const found = await store.tokenRevocations.current();
    expect(found.filter(({ kind }) => kind === 'token' || kind === 'subject')).toContainEqual(known);
    expect(found.every((one) => one.kind !== 'token' || one.tokenId !== 'a')).toBe(true);
  });

  test('what is dead is dropped by those that are recorded later, and the key goes with the last', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    await redis.cli('DEL', KEY);
    const long = Date.now() - 120_000;
    for (let i = 0; i < 10; i++) await redis.cli('ZADD', KEY, String(long + i), `t["dead-${i}"]`);
    await store.tokenRevocations.revoke({ ...aToken(), expiresAtMs: Date.now() + 1_500 });
    expect(await redis.cli('ZCARD', KEY)).toBe('1');
    await until(async () => (await redis.cli('EXISTS', KEY)) === '0', 'the key has expired');
  });

  test('the end of a session takes one entry of less than 200 bytes, and one way to Redis and back', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using store = await openStore(proxy.url, { config: { commandTimeout: 10_000 } });
    const usedBytes = async () => Number(/^used_memory:(\d+)/m.exec(await redis.cli('INFO', 'memory'))?.[1]);
    const end = (count: number) =>
      Promise.all(Array.from({ length: count }, () => store.sessions.end(newRecord().handle)));
    await end(2_000);
    const beforeBytes = await usedBytes();
    for (let i = 0; i < 7; i++) await end(2_000);
    const bytes = ((await usedBytes()) - beforeBytes) / 14_000;
    console.log(`${bytes.toFixed(0)} bytes of Redis for each session that ended`);
    expect(bytes).toBeLessThan(200);

    proxy.slow(100);
    const startedMs = performance.now();
    await store.sessions.end(newRecord().handle);
    expect(performance.now() - startedMs).toBeLessThan(190);
  });
});

describe('a failover', { timeout: 60_000 }, () => {
  test('RDS-09: a revocation that the new primary did not hear of is written down again by whoever heard of it', async () => {
    await using group = await SentinelGroup.start({ downAfterMs: 1_000 });
    await using store = await openStore(group.url);
    await using other = await openStore(group.url);
    const [primary, replica] = group.servers;
    const record = await withSession(store);
    const before = aToken();
    await store.tokenRevocations.revoke(before);
    await until(() => isOnRecord(replica, before), 'it is replicated');
    replica.freeze();
    await primary.cli('CLIENT', 'KILL', 'TYPE', 'replica');
    const followed = await follow(other);
    const lost = aToken();
    await store.tokenRevocations.revoke(lost);
    await store.sessions.end(record.handle);
    await until(() => followed.isRevoked({ jti: lost.tokenId }), 'the other replica has heard');
    // Whoever recorded it is gone as well: the one that only heard of it remains.
    await store.close();
    await primary.kill();
    replica.thaw();
    expect(await isOnRecord(replica, lost)).toBe(false);
    await until(() => isOnRecord(replica, lost), 'it is on record at the new primary', 30_000);
    await until(() => isOnRecord(replica, theEndOf(record.handle)), 'so is the end of the session', 30_000);
    await using late = await openStore(group.url);
    const lateFollowed = await follow(late);
    for (const claims of [{ jti: before.tokenId }, { jti: lost.tokenId }, { sid: record.handle }]) {
      await until(() => lateFollowed.isRevoked(claims), 'a verifier that starts later knows');
    }
    followed.close();
    lateFollowed.close();
  });
});

describe('a Cluster', { timeout: 90_000 }, () => {
  test('whose node of the revocations stops ends sessions elsewhere, verifiers hear of it, and it is on record when the node is back', async () => {
    await using cluster = await RedisCluster.start({ nodeTimeoutMs: 60_000 });
    await using store = await openStore(cluster.url);
    await using other = await openStore(cluster.url);
    const holder = await cluster.serverOf(KEY);
    let record = await withSession(store);
    while ((await cluster.serverOf(`sallyport:s:${record.handle}`)) === holder) record = await withSession(store);
    const followed = await follow(other);
    // The subscription may be at the node that stops: news of the others is then heard after it was moved.
    holder.freeze();
    expect((await store.sessions.end(record.handle).catch(() => null))?.handle ?? record.handle).toBe(record.handle);
    await until(async () => (await store.sessions.read(record.handle).catch(() => undefined)) === null, 'it has ended');
    holder.thaw();
    await until(() => isOnRecord(holder, theEndOf(record.handle)), 'it is on record');
    await until(() => followed.isRevoked({ sid: record.handle }), 'the other replica knows');
    followed.close();
  });
});
