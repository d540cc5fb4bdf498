/** How connection errors are classified. */

import { expect, test } from 'vitest';
import { forwardFailure } from '../../src/upstream/fault.ts';

const coded = (code: string) => Object.assign(new Error(code), { code });

test.each([
  ['a system timeout', coded('ETIMEDOUT'), 'upstream_timeout'],
  ['a refusal', coded('ECONNREFUSED'), 'upstream_connect_failed'],
  [
    'a timeout at one of several addresses',
    // Like that of `node:net`: with the code of the first.
    Object.assign(new AggregateError([coded('ENETUNREACH'), coded('ETIMEDOUT')]), { code: 'ENETUNREACH' }),
    'upstream_timeout',
  ],
  [
    'refusals at all of several addresses',
    Object.assign(new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')]), { code: 'ECONNREFUSED' }),
    'upstream_connect_failed',
  ],
])('the reason of a failed connection: %s', (_what, error, reason) => {
  expect(forwardFailure(error, false)).toMatchObject({ reason });
});
