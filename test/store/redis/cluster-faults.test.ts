/** The store when nodes of a Cluster stop, die or move their slots. */

import { describe, expect, test } from 'vitest';
import type { SessionHandle } from '../../../src/jwt/names.ts';
import type { SessionRecord } from '../../../src/store/session-record.ts';
import type { Store } from '../../../src/store/store.ts';
import { RedisCluster, type RedisServer } from '../../support/redis.ts';
import { answered, IMPATIENT, openStore, StoreLog } from '../../support/redis-store.ts';
import { BUSY_MS, until } from '../../support/until.ts';
import { newRecord } from '../contract.ts';

const HOUR_MS = 3_600_000;
const COMMAND_TIMEOUT_MS = IMPATIENT.commandTimeout;
const refusal = { name: 'DependencyFault', reason: 'store_unavailable' };

const isAnswered = (command: Promise<unknown>): Promise<boolean> =>
  command.then(
    () => true,
    () => false,
  );

const isFeedProven = (store: Store) => performance.now() - (store.feed.provenAtMs() ?? 0) <= 1_000;

function withSession(store: Store): Promise<SessionRecord> {
  return answered(async () => {
    const record = newRecord();
    await store.sessions.create(record, HOUR_MS);
    return record;
  });
}

const readOf = (store: Store, handle: SessionHandle) => answered(() => store.sessions.read(handle));

/** A session on each of two servers: one on the given one, and one elsewhere. */
async function sessionsOnAndOff(cluster: RedisCluster, store: Store, server: RedisServer) {
  let on: SessionRecord | null = null;
  let off: SessionRecord | null = null;
  while (on === null || off === null) {
    const record = await withSession(store);
    if ((await cluster.serverOf(`sallyport:s:${record.handle}`)) === server) on = record;
    else off = record;
  }
  return { on, off };
}

async function refusedAfterMs(command: Promise<unknown>): Promise<number> {
  const startedMs = performance.now();
  await expect(command).rejects.toMatchObject(refusal);
  return performance.now() - startedMs;
}

describe('one node of three', () => {
  test('RDS-02: that stops affects only its own sessions, whose commands are refused at once', async () => {
    await using cluster = await RedisCluster.start({ nodeTimeoutMs: 60_000 });
    await using store = await openStore(cluster.url, { config: IMPATIENT });
    const [stopped] = cluster.servers as [RedisServer];
    const { on, off } = await sessionsOnAndOff(cluster, store, stopped);
    stopped.freeze();
    expect(await refusedAfterMs(store.sessions.read(on.handle))).toBeLessThan(COMMAND_TIMEOUT_MS + BUSY_MS);
    for (let i = 0; i < 20; i++) {
      // Without waiting for the node, as the message shows.
      await expect(store.sessions.read(on.handle)).rejects.toMatchObject({
        ...refusal,
        message: expect.not.stringContaining('in time'),
      });
      expect(await readOf(store, off.handle)).toEqual(off);
      expect(store.isAvailable()).toBe(true);
    }
    await until(() => !isFeedProven(store), 'the feed is not trusted while one primary is silent');
    // Longer than a connection may be silent, so that it is replaced.
    const thawAtMs = performance.now() + 1_500;
    await until(() => performance.now() > thawAtMs, 'it was stopped for longer');
    expect(await readOf(store, off.handle)).toEqual(off);
    stopped.thaw();
    const startedMs = performance.now();
    await until(() => isAnswered(store.sessions.read(on.handle)), 'its sessions are back');
    const backMs = performance.now() - startedMs;
    console.log(`one node of a Cluster, SIGCONT: back in ${backMs.toFixed(0)} ms`);
    expect(backMs).toBeLessThan(2_000 + BUSY_MS);
    expect(await readOf(store, on.handle)).toEqual(on);
    await until(() => isFeedProven(store), 'the feed is trusted again');
  });

  test('RDS-05: that dies without a replica takes the Cluster down (CLUSTERDOWN): every session gets 503', async () => {
    await using cluster = await RedisCluster.start();
    await using store = await openStore(cluster.url, { config: IMPATIENT });
    const [dead, ...others] = cluster.servers as [RedisServer, ...RedisServer[]];
    const { on, off } = await sessionsOnAndOff(cluster, store, dead);
    await dead.kill();
    await until(async () => {
      const states = await Promise.all(others.map((server) => server.cli('CLUSTER', 'INFO')));
      return states.every((state) => state.includes('cluster_state:fail'));
    }, 'the Cluster is down');
    for (const { handle, subject } of [on, off]) {
      await expect(store.sessions.read(handle)).rejects.toMatchObject(refusal);
      await expect(store.sessions.end(handle)).rejects.toMatchObject(refusal);
      await expect(store.sessions.list(subject)).rejects.toMatchObject(refusal);
    }
  });

  test.each([
    ['RDS-01', 'is killed', (primary: RedisServer) => primary.kill()],
    ['RDS-02', 'stops with its connections open', async (primary: RedisServer) => primary.freeze()],
  ])('%s: that %s is replaced by its replica, which still has its sessions', async (_, how, fail) => {
    const nodeTimeoutMs = 1_000;
    await using cluster = await RedisCluster.start({ replicasEach: 1, nodeTimeoutMs });
    await using store = await openStore(cluster.url, { config: IMPATIENT });
    const primary = await cluster.serverOf('sallyport:s:any');
    const { on } = await sessionsOnAndOff(cluster, store, primary);
    await primary.replicated();
    await fail(primary);
    const startedMs = performance.now();
    await until(() => isAnswered(store.sessions.touch(on.handle, on.lastSeenAtMs, HOUR_MS)), 'it is back');
    const outageMs = performance.now() - startedMs;
    console.log(`primary of a Cluster ${how}, node timeout ${nodeTimeoutMs} ms: back in ${outageMs.toFixed(0)} ms`);
    expect(await readOf(store, on.handle)).toEqual(on);
    await until(() => isFeedProven(store), 'the feed is trusted again');
    await withSession(store);
  });

  test('that carries the feed is replaced when it dies, and the feed continues', async () => {
    await using cluster = await RedisCluster.start({ replicasEach: 1 });
    await using store = await openStore(cluster.url, { config: IMPATIENT });
    await using other = await openStore(cluster.url, { config: IMPATIENT });
    await until(() => isFeedProven(store), 'the feed is proven');
    const subscribed = await Promise.all(
      cluster.servers.map(async (server) =>
        (await server.cli('PUBSUB', 'NUMSUB', 'sallyport:revoked')).endsWith('\n0'),
      ),
    );
    const news = cluster.servers[subscribed.indexOf(false)] as RedisServer;
    await news.kill();
    const killedAtMs = performance.now();
    const isProvenSince = ({ feed }: Store) => (feed.provenAtMs() ?? 0) > killedAtMs;
    await until(() => isProvenSince(store) && isProvenSince(other), 'both feeds are proven again');
    // The slots of the dead node may not have an owner yet.
    const { handle: ended } = await withSession(store);
    const heard = new Promise<void>((resolve) => {
      store.feed.subscribe((handle) => handle === ended && resolve());
    });
    await until(() => isAnswered(other.sessions.end(ended)), 'the session is ended by the other store');
    await heard;
  });
});

describe('moving slots', () => {
  test('RDS-08: under load loses no command', async () => {
    await using cluster = await RedisCluster.start({ nodeTimeoutMs: 15_000 });
    const log = new StoreLog();
    await using store = await openStore(cluster.url, { log });
    const [from, to] = cluster.servers as [RedisServer, RedisServer];
    const records = await Promise.all(Array.from({ length: 300 }, () => withSession(store)));
    let isMoving = true;
    const moving = cluster.moveSlots(1_000, from, to).finally(() => {
      isMoving = false;
    });
    let commands = 0;
    while (isMoving) {
      for (const record of records) expect(await store.sessions.read(record.handle)).toEqual(record);
      const fresh = await withSession(store);
      expect(await store.sessions.touch(fresh.handle, fresh.lastSeenAtMs, HOUR_MS)).toBe(true);
      expect(await store.sessions.list(fresh.subject)).toEqual([fresh]);
      expect(await store.sessions.end(fresh.handle)).toEqual(fresh);
      commands += records.length + 4;
    }
    await moving;
    console.log(`1,000 slots moved under ${commands} commands`);
    expect(log.errors).toEqual([]);
    expect(log.lines).toEqual(['available']);
  });
});
