/** Token revocations survive an outage, a failover and a full Redis: nothing is lost, or it is written again. */

import { describe, expect, test } from 'vitest';
import { FollowedRevocations } from '../../../src/authentication/revocation/followed-revocations.ts';
import type { SessionHandle } from '../../../src/jwt/names.ts';
import { newJti } from '../../../src/jwt/names.ts';
import { systemClocks } from '../../../src/lib/clock.ts';
import { MAX_SESSION_TOKEN_MS } from '../../../src/lib/token-limits.ts';
import type { SessionRecord } from '../../../src/store/session-record.ts';
import type { Store, TokenRevocation } from '../../../src/store/store.ts';
import { encodeTokenRevocation } from '../../../src/store/token-revocation.ts';
import { RedisCluster, RedisServer, SentinelGroup } from '../../support/redis.ts';
import { RedisProxy } from '../../support/redis-proxy.ts';
import { openStore } from '../../support/redis-store.ts';
import { until } from '../../support/until.ts';
import { newRecord } from '../contract.ts';

const HOUR_MS = 3_600_000;
const KEY = 'sallyport:revocations';
/** Far too long for a failover, but not on a machine that pauses in between. */
const FAILOVER_MS = 120_000;

const aToken = (): TokenRevocation & { kind: 'token' } => ({
  kind: 'token',
  tokenId: newJti(),
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
    { outageGraceMs: Number.POSITIVE_INFINITY, sessionTokenMs: MAX_SESSION_TOKEN_MS },
    systemClocks,
    () => {},
  );

const isOnRecord = async (server: RedisServer, revocation: TokenRevocation) =>
  Number(await server.cli('ZSCORE', KEY, encodeTokenRevocation(revocation))) > Date.now();

const theEndOf = (handle: SessionHandle): TokenRevocation => ({ kind: 'session', handle, expiresAtMs: 0 });

describe('a single Redis', () => {
  test('RDS-05: that is full (OOM) still ends sessions; running verifiers know at once, later ones when there is room', async () => {
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

  test('loses none of a thousand revocations for a verifier whose connection is cut repeatedly', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using store = await openStore(redis.url);
    await using other = await openStore(proxy.url);
    const followed = await follow(other);
    const revocations = Array.from({ length: 1_000 }, aToken);
    for (const [i, revocation] of revocations.entries()) {
      if (i % 50 === 0) proxy.cut();
      await store.tokenRevocations.revoke(revocation);
    }
    const missing = () => revocations.filter(({ tokenId }) => !followed.isRevoked({ jti: tokenId })).length;
    await until(() => missing() === 0, 'all of them are known');
    followed.close();
  });

  test('is read again after either connection is replaced, because it may lead to another server', async () => {
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
      await until(() => resumed > before, 'it is notified');
    }
  });

  test('may contain or publish entries unknown to this version, which are skipped', async () => {
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

  test('drops expired entries when later ones are recorded, and the key with the last', async () => {
    await using redis = await RedisServer.start();
    await using store = await openStore(redis.url);
    await redis.cli('DEL', KEY);
    const long = Date.now() - 120_000;
    for (let i = 0; i < 10; i++) await redis.cli('ZADD', KEY, String(long + i), `t["dead-${i}"]`);
    const last = aToken();
    await store.tokenRevocations.revoke(last);
    expect(await redis.cli('ZCARD', KEY)).toBe('1');
    // Redis counts from when it receives the command.
    const expiresAtMs = Number(await redis.cli('PEXPIRETIME', KEY));
    expect(expiresAtMs).toBeGreaterThanOrEqual(last.expiresAtMs);
    expect(expiresAtMs).toBeLessThanOrEqual(Date.now() + HOUR_MS);
  });

  test('records the end of a session in one entry of less than 200 bytes, without waiting for an answer', async () => {
    await using redis = await RedisServer.start();
    await using proxy = await RedisProxy.start(redis.port);
    await using store = await openStore(proxy.url);
    const usedBytes = async () => Number(/^used_memory:(\d+)/m.exec(await redis.cli('INFO', 'memory'))?.[1]);
    const end = (count: number) =>
      Promise.all(Array.from({ length: count }, () => store.sessions.end(newRecord().handle)));
    await end(2_000);
    const beforeBytes = await usedBytes();
    for (let i = 0; i < 7; i++) await end(2_000);
    const bytes = ((await usedBytes()) - beforeBytes) / 14_000;
    console.log(`${bytes.toFixed(0)} bytes of Redis for each session that ended`);
    expect(bytes).toBeLessThan(200);

    const { handle } = await withSession(store);
    proxy.holdAnswers();
    const ended = store.sessions.end(handle);
    await until(() => isOnRecord(redis, theEndOf(handle)), 'the end is on record');
    await until(async () => (await redis.cli('EXISTS', `sallyport:s:${handle}`)) === '0', 'the session is gone');
    proxy.passAnswers();
    expect((await ended)?.handle).toBe(handle);
  });
});

describe('a failover', () => {
  test('RDS-09: every gateway that knows of a revocation writes it again if the new primary missed it', async () => {
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
    // The gateway that recorded it is gone as well: only one that heard of it remains.
    await store.close();
    await primary.kill();
    // The replica must not be promoted before the test has looked at it.
    for (const sentinel of group.sentinels) sentinel.freeze();
    replica.thaw();
    expect(await isOnRecord(replica, lost)).toBe(false);
    for (const sentinel of group.sentinels) sentinel.thaw();
    await until(() => isOnRecord(replica, lost), 'it is on record at the new primary', FAILOVER_MS);
    await until(
      () => isOnRecord(replica, theEndOf(record.handle)),
      'the end of the session is on record, too',
      FAILOVER_MS,
    );
    await using late = await openStore(group.url);
    const lateFollowed = await follow(late);
    for (const claims of [{ jti: before.tokenId }, { jti: lost.tokenId }, { sid: record.handle }]) {
      await until(() => lateFollowed.isRevoked(claims), 'a verifier that starts later knows');
    }
    followed.close();
    lateFollowed.close();
  });
});

describe('a Cluster', () => {
  test('ends sessions on other nodes when the node of the revocations stops, and records their ends when it is back', async () => {
    await using cluster = await RedisCluster.start({ nodeTimeoutMs: 60_000 });
    await using store = await openStore(cluster.url);
    await using other = await openStore(cluster.url);
    const holder = await cluster.serverOf(KEY);
    let record = await withSession(store);
    while ((await cluster.serverOf(`sallyport:s:${record.handle}`)) === holder) record = await withSession(store);
    const followed = await follow(other);
    // The subscription may be at the stopped node: revocations then arrive after it has moved.
    holder.freeze();
    expect((await store.sessions.end(record.handle).catch(() => null))?.handle ?? record.handle).toBe(record.handle);
    await until(async () => (await store.sessions.read(record.handle).catch(() => undefined)) === null, 'it has ended');
    holder.thaw();
    await until(() => isOnRecord(holder, theEndOf(record.handle)), 'it is on record');
    await until(() => followed.isRevoked({ sid: record.handle }), 'the other replica knows');
    followed.close();
  });
});
