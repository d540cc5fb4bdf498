import { systemClocks } from '../../src/lib/clock.ts';
import { createMemoryStore } from '../../src/store/memory/store.ts';
import { RedisCluster, RedisServer, SentinelGroup } from '../support/redis.ts';
import { openStore } from '../support/redis-store.ts';
import type { StoreUnderTest } from './contract.ts';
import { testRefreshContract } from './refresh-contract.ts';

async function onServer(server: AsyncDisposable & { readonly url: string }): Promise<StoreUnderTest> {
  const stores = await Promise.all([openStore(server.url), openStore(server.url)]);
  return {
    replicas: stores,
    [Symbol.asyncDispose]: async () => {
      for (const store of stores) await store.close();
      await server[Symbol.asyncDispose]();
    },
  };
}

testRefreshContract('refresh families in memory', async () => {
  const store = createMemoryStore(10_000, systemClocks);
  return { replicas: [store, store], [Symbol.asyncDispose]: () => store.close() };
});
testRefreshContract('refresh families in a single Redis', async () => onServer(await RedisServer.start()));
testRefreshContract('refresh families behind Sentinel', async () => onServer(await SentinelGroup.start()));
testRefreshContract('refresh families in a Redis Cluster', async () => onServer(await RedisCluster.start()));
