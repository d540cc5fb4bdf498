/**
 * cors: which other origins may read answers (Fetch §3.2). The key `cors` of a route, and the same at the top for the gateway's own
 * endpoints. Input: the `Origin` of a request. Output: response headers, and answers to preflights. Never waits, never throws.
 */

import { z } from 'zod';
import { duration, headerName, notEmpty, origin } from '../config/fields.ts';
import { defineCodes, error, warning } from '../config/findings/problem.ts';

/** Codes of the findings about CORS. */
export const codes = defineCodes({
  'cors/credentialed-wildcard': error(
    '`cors` with `credentials` for every origin: any page could read what a user can read.',
  ),
  'cors/csrf': warning(
    'An origin may read answers for a session, but its requests that change something are refused: it is not in `csrf.additionalOrigins`.',
  ),
});

/** The key, of a route and at the top. */
export const cors = () =>
  z
    .strictObject({
      origins: z
        .array(z.union([z.literal('*'), origin()]))
        .refine((origins) => notEmpty(origins), { message: 'needs at least one origin' })
        .meta({
          description: 'Origins whose pages may read answers, such as https://app.example.com; or "*" for all.',
        }),
      credentials: z.boolean().prefault(false).meta({
        description: 'Whether requests of these pages may carry cookies. Not with "*".',
      }),
      headers: z
        .array(headerName())
        .prefault(['Authorization', 'Content-Type', 'X-Requested-With'])
        .meta({ description: 'Request headers that scripts of these pages may set.' }),
      exposeHeaders: z
        .array(headerName())
        .prefault(['X-Request-Id', 'Retry-After'])
        .meta({ description: 'Response headers that scripts of these pages may read, besides those that all may.' }),
      maxAge: duration('10m', { atMostMs: 86_400_000 }).meta({
        description: 'How long a browser may keep the answer to a preflight.',
      }),
    })
    .refine(
      ({ credentials, ...lists }) =>
        !credentials || ![lists.origins, lists.headers, lists.exposeHeaders].some((list) => list.includes('*')),
      {
        message: 'has credentials together with "*"',
        params: {
          code: codes['cors/credentialed-wildcard'],
          hint: 'list the origins and headers, or remove credentials',
        },
      },
    );

/** `cors`, loaded. */
export type CorsConfig = z.output<ReturnType<typeof cors>>;
