import { SentinelGroup } from '../../support/redis.ts';
import { openReplicas } from '../../support/redis-store.ts';
import { testStoreContract } from '../contract.ts';

testStoreContract('Redis behind Sentinel', async () => openReplicas(await SentinelGroup.start()));
