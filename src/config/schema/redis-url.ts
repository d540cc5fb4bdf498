/**
 * `store.redis.url`, read by what reads it at start.
 */

import { z } from 'zod';
import { ConfigFault } from '../../errors.ts';
import { parseRedisUrl } from '../../store/redis/url.ts';

/** The URL of a Redis. No message repeats any part of it: it may hold a password. */
export const redisUrl = () =>
  z
    .string()
    // Part of it, for editors, which know no more than the JSON Schema.
    .regex(/^rediss?(?:\+sentinel|\+cluster)?:\/\/.+/, {
      error:
        'is not a Redis URL: redis://host:6379/0, redis+sentinel://h1:26379,h2:26379/mymaster or redis+cluster://h1:6379,h2:6379 (rediss… for TLS)',
      abort: true,
    })
    .superRefine((url, context) => {
      try {
        parseRedisUrl(url);
      } catch (fault) {
        if (!(fault instanceof ConfigFault)) throw fault;
        context.addIssue({ code: 'custom', message: fault.message.replace(/^store\.redis\.url /, '') });
      }
    });
