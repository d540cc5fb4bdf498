/** `workers` and `shutdown`: how many processes there are, and how they end. */

import { z } from 'zod';
import { duration } from '../config/fields.ts';

/** `workers`. */
export const workers = () =>
  z
    .union([z.literal('auto'), z.int().min(1).max(256)], {
      error: 'must be auto or a number of processes from 1 to 256',
    })
    .prefault(1)
    .meta({
      description: 'Number of processes that share the public listener; auto: one per core. More than one needs Redis.',
      restart: true,
    });

/** The section `shutdown`. */
export const shutdown = () =>
  z.strictObject({
    delay: duration('0s', { atMostMs: 300_000 }).meta({
      description: 'After SIGTERM, keep serving but report not ready for this long, so that load balancers notice.',
    }),
    timeout: duration('25s', { atMostMs: 3_600_000 }).meta({
      description: 'Then let requests finish for this long before they are cut.',
    }),
  });
