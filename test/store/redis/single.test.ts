import { RedisServer } from '../../support/redis.ts';
import { openReplicas } from '../../support/redis-store.ts';
import { testStoreContract } from '../contract.ts';

testStoreContract('a single Redis', async () => openReplicas(await RedisServer.start()));
