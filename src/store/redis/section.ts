/** `store.redis`: where the Redis is, and how the gateway connects to it. */

import { z } from 'zod';
import { clientTls, duration, filePath, type SchemaContext } from '../../config/fields.ts';
import { ConfigFault } from '../../errors.ts';
import { parseRedisUrl } from './connection/url.ts';

/** The URL of a Redis. No message repeats any part of it: it may hold a password. */
const redisUrl = () =>
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

/** `store.redis`. */
export const redis = (context: SchemaContext) =>
  z.strictObject({
    url: redisUrl().meta({
      description:
        'redis://[user:password@]host:port/db, redis+sentinel://[user:password@]host:port,…/name, or redis+cluster://[user:password@]host:port,…; rediss… for TLS.',
      restart: true,
      secret: true,
    }),
    username: z.string().min(1).optional().meta({ description: 'ACL user, if not in the URL.', restart: true }),
    passwordFile: filePath(context).optional().meta({
      description: 'File with the password, if not in the URL.',
      restart: true,
      secretFile: 'Redis password',
    }),
    sentinelPasswordFile: filePath(context).optional().meta({
      description: 'File with the password of the sentinels, if they have one.',
      restart: true,
      secretFile: 'Redis password',
    }),
    tls: clientTls(context, 'Name expected in the server certificate.').meta({
      description: 'TLS details for rediss URLs.',
      restart: true,
    }),
    keyPrefix: z
      .string()
      .regex(/^[A-Za-z0-9:._-]{1,64}$/, 'must be 1 to 64 of A-Z a-z 0-9 : . _ -')
      .prefault('sallyport:')
      .meta({ description: 'Prefix of every key, so that several gateways can share a Redis.', restart: true }),
    connectTimeout: duration('1s', { atLeastMs: 10, atMostMs: 60_000 }).meta({
      description: 'Timeout of a connection attempt.',
      restart: true,
    }),
    commandTimeout: duration('250ms', { atLeastMs: 10, atMostMs: 60_000 }).meta({
      description: 'Timeout of one command; the request that needs it gets 503.',
      restart: true,
    }),
  });

/** `store.redis`, loaded. */
export type RedisConfig = z.output<ReturnType<typeof redis>>;
