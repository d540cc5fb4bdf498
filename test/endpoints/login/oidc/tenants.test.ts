/** Multi-tenant Entra, whose metadata contains a template instead of an issuer. These tests do not contact Entra. */

import { authorizationCodeGrant, ClientSecretBasic, skipStateCheck } from 'openid-client';
import { expect, test } from 'vitest';
import { clientConfiguration } from '../../../../src/endpoints/login/oidc/client-configuration.ts';
import { verifyIdToken } from '../../../../src/endpoints/login/oidc/id-token.ts';
import { ID_TOKEN_ALGORITHMS, readMetadata } from '../../../../src/endpoints/login/oidc/metadata.ts';
import { FixedKeySet } from '../../../../src/jwt/key-set.ts';
import { readKeySet } from '../../../../src/jwt/verification-keys.ts';
import { forge, publicJwk, rs256, rsaKeyPair } from '../../../support/issuers/forger.ts';

const AUTHORITY = 'https://login.microsoftonline.com';
const TENANT = '72f988bf-86f1-41af-91ab-2d7cd011db47';
const NOW_MS = Date.now();

const metadata = readMetadata(
  {
    issuer: `${AUTHORITY}/{tenantid}/v2.0`,
    authorization_endpoint: `${AUTHORITY}/organizations/oauth2/v2.0/authorize`,
    token_endpoint: `${AUTHORITY}/organizations/oauth2/v2.0/token`,
    jwks_uri: `${AUTHORITY}/organizations/discovery/v2.0/keys`,
    id_token_signing_alg_values_supported: ['RS256'],
  },
  `${AUTHORITY}/organizations/v2.0`,
  false,
);
const key = rsaKeyPair();

/** An ID token of a tenant. */
function tokenOf(claims: Record<string, unknown>): string {
  const nowSec = Math.floor(NOW_MS / 1_000);
  const payload = { aud: 'shop', sub: 'x', nonce: 'n', iat: nowSec, exp: nowSec + 60, ...claims };
  return forge({ alg: 'RS256', kid: 'k', typ: 'JWT' }, payload, rs256(key));
}

/** The verdicts of the library and of the gateway on an ID token: its claims, or the problem. */
async function judge(idToken: string): Promise<unknown> {
  const settings = { issuer: `${AUTHORITY}/organizations/v2.0`, clientId: 'shop', clockSkewMs: 30_000 };
  const configuration = await clientConfiguration(settings, metadata, {
    authentication: ClientSecretBasic('secret'),
    skewSec: 0,
    send: async () => Response.json({ access_token: 'a', token_type: 'Bearer', id_token: idToken }),
  });
  const answer = new URL('https://shop.example.com/auth/callback/entra?code=c');
  const checks = { expectedState: skipStateCheck, expectedNonce: 'n', pkceCodeVerifier: 'v'.repeat(43) } as const;
  const byLibrary = await authorizationCodeGrant(configuration, answer, checks).then(
    () => 'accepted',
    () => 'refused',
  );
  const { keys } = await readKeySet({ keys: [publicJwk(key, { kid: 'k' })] }, { algorithms: ['RS256'], use: 'sig' });
  const expected = {
    ...settings,
    issuer: metadata.issuer,
    algorithms: ID_TOKEN_ALGORITHMS,
    nonce: 'n',
    accessToken: 'a',
  };
  const byUs = await verifyIdToken(idToken, new FixedKeySet(keys), expected, NOW_MS);
  return { byLibrary, byUs };
}

test('a tenant’s token is accepted with that tenant’s issuer', async () => {
  const verdict = await judge(tokenOf({ tid: TENANT, iss: `${AUTHORITY}/${TENANT}/v2.0` }));
  expect(verdict).toMatchObject({ byLibrary: 'accepted', byUs: { sub: 'x', tid: TENANT } });
});

test.each([
  [
    'from another tenant than it claims',
    { tid: TENANT, iss: `${AUTHORITY}/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0` },
    'ID token: issuer',
  ],
  [
    'with the template as its issuer',
    { tid: '{tenantid}', iss: `${AUTHORITY}/{tenantid}/v2.0` },
    'ID token: tid is not a tenant id',
  ],
  ['whose tenant is a path', { tid: 'a/b', iss: `${AUTHORITY}/a/b/v2.0` }, 'ID token: tid is not a tenant id'],
  ['without a tenant', { iss: `${AUTHORITY}/undefined/v2.0` }, 'ID token: tid is not a tenant id'],
])('OIDC-10: a token %s is refused', async (_what, claims, problem) => {
  expect(await judge(tokenOf(claims))).toMatchObject({ byUs: problem });
});
