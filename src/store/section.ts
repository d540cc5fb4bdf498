/** The section `store`: where sessions live. */

import { z } from 'zod';
import { count, type SchemaContext } from '../config/fields.ts';
import { redis } from './redis/section.ts';

/** The section. */
export const store = (context: SchemaContext) =>
  z.strictObject({
    memory: z
      .strictObject({
        maxSessions: count(100_000).meta({ description: 'Most open sessions; further logins get 503.', restart: true }),
      })
      .optional()
      .meta({ description: 'The embedded store: for one process, lost on restart. Default when `redis` is left out.' }),
    redis: redis(context)
      .optional()
      .meta({ description: 'Sessions in Redis (or Valkey): shared by all replicas, revocable on all of them.' }),
  });

/** `store`, loaded. At most one of its keys is set: the kind of store. */
export type StoreConfig = z.output<ReturnType<typeof store>>;
