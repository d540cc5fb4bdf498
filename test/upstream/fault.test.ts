/** What becomes of errors of connections. */

import { expect, test } from 'vitest';
import { forwardFailure } from '../../src/upstream/fault.ts';

const coded = (code: string) => Object.assign(new Error(code), { code });

test.each([
  ['a timeout of the system', coded('ETIMEDOUT'), 'upstream_timeout'],
  ['a refusal', coded('ECONNREFUSED'), 'upstream_connect_failed'],
  [
    'several addresses, of which one times out',
    // As `node:net` has it: with the code of the first.
    Object.assign(new AggregateError([coded('ENETUNREACH'), coded('ETIMEDOUT')]), { code: 'ENETUNREACH' }),
    'upstream_timeout',
  ],
  [
    'several addresses, all of which refuse',
    Object.assign(new AggregateError([coded('ECONNREFUSED'), coded('ECONNREFUSED')]), { code: 'ECONNREFUSED' }),
    'upstream_connect_failed',
  ],
])('no connection, because of %s', (_what, error, reason) => {
  expect(forwardFailure(error, false)).toMatchObject({ reason });
});
