/** Failovers behind Sentinel: what is lost, and how long they take. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { SessionHandle } from '../../../src/jwt/names.ts';
import type { Store } from '../../../src/store/store.ts';
import { type RedisServer, SentinelGroup } from '../../support/redis.ts';
import { answered, IMPATIENT, openStore } from '../../support/redis-store.ts';
import { BUSY_MS, until } from '../../support/until.ts';
import { newRecord } from '../contract.ts';

const HOUR_MS = 3_600_000;
const DOWN_AFTER_MS = 1_000;
/** Far too long for a failover, but not on a machine that pauses in between. */
const FAILOVER_MS = 120_000;

async function open(store: Store) {
  const record = newRecord();
  await store.sessions.create(record, HOUR_MS);
  return record;
}

const withSession = (store: Store) => answered(() => open(store));
const readOf = (store: Store, handle: SessionHandle) => answered(() => store.sessions.read(handle));

const hasKey = async (server: RedisServer, handle: string) =>
  (await server.cli('EXISTS', `sallyport:s:${handle}`)) === '1';

/** Milliseconds until a session can be written. */
async function writesAfterMs(store: Store): Promise<number> {
  const startedMs = performance.now();
  await until(
    () =>
      open(store).then(
        () => true,
        () => false,
      ),
    'sessions can be opened',
    FAILOVER_MS,
  );
  return performance.now() - startedMs;
}

describe('a primary behind Sentinel', () => {
  test.each([
    ['RDS-01', 'killed', (primary: RedisServer) => primary.kill()],
    ['RDS-02', 'stopped with its connections open', async (primary: RedisServer) => primary.freeze()],
  ])('%s: that is %s is replaced without losing sessions', async (_, how, fail) => {
    await using group = await SentinelGroup.start({ downAfterMs: DOWN_AFTER_MS });
    await using store = await openStore(group.url, { config: IMPATIENT });
    const record = await withSession(store);
    const [primary, replica] = group.servers;
    await until(() => hasKey(replica, record.handle), 'the session is replicated');
    await fail(primary);
    const outageMs = await writesAfterMs(store);
    console.log(`primary ${how}, down-after ${DOWN_AFTER_MS} ms: back in ${outageMs.toFixed(0)} ms`);
    expect(await readOf(store, record.handle)).toEqual(record);
    expect((await replica.cli('ROLE')).startsWith('master')).toBe(true);
    await until(() => performance.now() - (store.feed.provenAtMs() ?? 0) < 500, 'the feed is proven');
  });

  test('can be replaced by hand without losing sessions', async () => {
    await using group = await SentinelGroup.start();
    await using store = await openStore(group.url);
    const record = await withSession(store);
    const [, replica] = group.servers;
    await until(() => hasKey(replica, record.handle), 'the session is replicated');
    expect(await group.sentinels[0]?.cli('SENTINEL', 'FAILOVER', 'mymaster')).toBe('OK');
    await until(
      async () => (await replica.cli('ROLE')).startsWith('master'),
      'the replica is the primary',
      FAILOVER_MS,
    );
    await writesAfterMs(store);
    expect(await readOf(store, record.handle)).toEqual(record);
    await until(
      async () => {
        const clients = await replica.cli('CLIENT', 'LIST', 'TYPE', 'pubsub');
        return clients.includes('sub=3');
      },
      'the feed listens to the new primary',
      FAILOVER_MS,
    );
  });

  test('RDS-09: does not restore a session whose logout it missed before its promotion', async () => {
    await using group = await SentinelGroup.start({ downAfterMs: DOWN_AFTER_MS });
    await using ending = await openStore(group.url);
    await using other = await openStore(group.url);
    const record = await withSession(ending);
    const [primary, replica] = group.servers;
    await until(() => hasKey(replica, record.handle), 'the session is replicated');
    // From here on the replica receives nothing, as if the primary died before replicating what it acknowledged.
    replica.freeze();
    await primary.cli('CLIENT', 'KILL', 'TYPE', 'replica');
    const heard = new Promise<void>((resolve) => {
      other.feed.subscribe((handle) => handle === record.handle && resolve());
    });
    await ending.sessions.end(record.handle);
    await heard;
    await primary.kill();
    // The replica must not be promoted before the test has looked at it.
    for (const sentinel of group.sentinels) sentinel.freeze();
    replica.thaw();
    expect(await hasKey(replica, record.handle)).toBe(true);
    for (const sentinel of group.sentinels) sentinel.thaw();
    await until(async () => !(await hasKey(replica, record.handle)), 'it is ended again', FAILOVER_MS);
    for (const store of [ending, other]) {
      await writesAfterMs(store);
      expect(await store.sessions.read(record.handle)).toBeNull();
      expect(await store.sessions.touch(record.handle, Date.now(), HOUR_MS)).toBe(false);
    }
  });

  test('is reached without delay when one sentinel is stopped', async () => {
    await using group = await SentinelGroup.start();
    group.sentinels[0]?.freeze();
    const startedMs = performance.now();
    await using store = await openStore(group.url);
    expect(performance.now() - startedMs).toBeLessThan(1_000 + BUSY_MS);
    expect(store.isAvailable()).toBe(true);
    await withSession(store);
    group.sentinels[0]?.thaw();
  });

  test('under a name that the sentinels do not know is reported at start', async () => {
    await using group = await SentinelGroup.start();
    const url = group.url.replace('mymaster', 'yourmaster');
    await expect(openStore(url)).rejects.toMatchObject({
      name: 'ConfigFault',
      message: 'store.redis: the sentinels know no primary named yourmaster',
    });
  });

  test('whose sentinels ask for a password needs the right sentinelPasswordFile at start', async () => {
    await using group = await SentinelGroup.start({ sentinelPassword: 'right' });
    const refused = {
      name: 'ConfigFault',
      message: 'store.redis: a sentinel refuses the password, or asks for one',
    };
    await expect(openStore(group.url)).rejects.toMatchObject(refused);
    const sentinelPasswordFile = join(group.servers[0].directory, 'password');
    await writeFile(sentinelPasswordFile, 'wrong');
    await expect(openStore(group.url, { config: { sentinelPasswordFile } })).rejects.toMatchObject(refused);
    await writeFile(sentinelPasswordFile, 'right\n');
    await using store = await openStore(group.url, { config: { sentinelPasswordFile } });
    await withSession(store);
  });
});
