/** Client assertions at replicas whose clocks differ. */

import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { ClientAssertions, decodeAssertion } from '../../../src/authentication/client/client-assertion.ts';
import { Denial } from '../../../src/errors.ts';
import { FixedKeySet } from '../../../src/jwt/key-set.ts';
import { readKeySet } from '../../../src/jwt/verification-keys.ts';
import { createMemoryStore } from '../../../src/store/memory/store.ts';
import { TestClocks } from '../../support/clocks.ts';

const AUDIENCE = 'https://shop.example.com/auth/token';

test('JWT-44: a replica whose clock is behind refuses an assertion used at another one', async () => {
  const clocks = new TestClocks();
  const { once } = createMemoryStore(1, clocks);
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  const jwk = { ...(await exportJWK(publicKey)), kid: 'stock-1' };
  const { keys } = await readKeySet({ keys: [jwk] }, { algorithms: ['ES256'], use: 'sig' });
  const exp = clocks.wallMs() / 1_000 + 120;
  const assertion = await new SignJWT({ iss: 'stock', sub: 'stock', aud: AUDIENCE, exp, jti: 'one' })
    .setProtectedHeader({ alg: 'ES256', kid: 'stock-1' })
    .sign(privateKey);
  const problemAt = async (aheadMs: number) => {
    const assertions = new ClientAssertions([AUDIENCE], once, () => clocks.wallMs() + aheadMs);
    const decoded = decodeAssertion(assertion);
    if (decoded instanceof Denial) return decoded.note;
    const client = assertions.client('stock', ['ES256'], new FixedKeySet(keys));
    return (await assertions.problem(assertion, decoded, client))?.note ?? null;
  };
  expect(await problemAt(30_000)).toBe(null);
  // For this replica the assertion has not expired yet; the store does not know the replica's clock.
  clocks.advance(120_000 + 59_000);
  expect(await problemAt(-30_000)).toBe('assertion: jti was used before');
});
