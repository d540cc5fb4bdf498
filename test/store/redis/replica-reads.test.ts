/** Nothing is ever read from a replica, which may not know of a logout yet. */

import { describe, expect, test } from 'vitest';
import type { Store } from '../../../src/store/store.ts';
import { RedisCluster, type RedisServer, SentinelGroup } from '../../support/redis.ts';
import { openStore } from '../../support/redis-store.ts';
import { until } from '../../support/until.ts';
import { newRecord } from '../contract.ts';

const HOUR_MS = 3_600_000;

/** Opens, reads and ends sessions, and reads the revocations. */
async function use(store: Store): Promise<void> {
  for (let i = 0; i < 60; i++) {
    const record = newRecord();
    await store.sessions.create(record, HOUR_MS);
    expect(await store.sessions.read(record.handle)).toEqual(record);
    expect(await store.sessions.list(record.subject)).toEqual([record]);
    await store.sessions.end(record.handle);
    expect(await store.sessions.read(record.handle)).toBeNull();
    expect(await store.tokenRevocations.current()).toContainEqual(expect.objectContaining({ handle: record.handle }));
  }
}

/** How often a server was asked for a session, an index or the revocations. */
async function reads(server: RedisServer): Promise<number> {
  const stats = await server.cli('INFO', 'commandstats');
  return [...stats.matchAll(/^cmdstat_(?:get|getrange|zrange|zscore):calls=(\d+)/gm)].reduce(
    (sum, [, n]) => sum + Number(n),
    0,
  );
}

const isReplica = async (server: RedisServer) => (await server.cli('ROLE')).startsWith('slave');

describe('RDS-10: sessions and revocations are read from primaries only', () => {
  test.each([
    ['behind Sentinel', () => SentinelGroup.start()],
    ['on a Cluster', () => RedisCluster.start({ replicasEach: 1 })],
  ])('%s', async (_title, start) => {
    await using servers = await start();
    await using store = await openStore(servers.url);
    await until(() => store.isAvailable(), 'the store answers');
    await use(store);
    const replicas: RedisServer[] = [];
    for (const server of servers.servers) if (await isReplica(server)) replicas.push(server);
    expect(replicas.length).toBeGreaterThan(0);
    for (const replica of replicas) expect(await reads(replica)).toBe(0);
    const primaries = servers.servers.filter((server) => !replicas.includes(server));
    const asked = await Promise.all(primaries.map(reads));
    expect(asked.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(180);
  });
});
