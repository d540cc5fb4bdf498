/** Redis as one of the stores. The client library is loaded only when a Redis is opened. */

import type { NetworkedStore } from '../networked/kind.ts';
import { RedisSettings } from './connection/settings.ts';
import { lint } from './lint.ts';
import { codes } from './rules.ts';
import type { RedisConfig } from './section.ts';

/** See `../kinds.ts`. */
export const REDIS = {
  codes,
  lint,
  checkFiles: async (section) => {
    await new RedisSettings(section).readSecrets();
  },
  open: async (section, clocks, events) => {
    const { openRedisStore } = await import('./store.ts');
    return openRedisStore(section, clocks, events);
  },
  inspect: async (section, clocks) => {
    const { inspectRedis } = await import('./inspect.ts');
    return inspectRedis(section, clocks);
  },
} satisfies NetworkedStore<RedisConfig>;
