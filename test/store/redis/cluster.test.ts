import { RedisCluster } from '../../support/redis.ts';
import { openReplicas } from '../../support/redis-store.ts';
import { testStoreContract } from '../contract.ts';

testStoreContract('a Redis Cluster', async () => openReplicas(await RedisCluster.start()));
