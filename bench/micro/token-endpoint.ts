/** The cost of a request to the token endpoint beside HTTP: authenticating the client and exchanging a token. ES256. */

import { generateKeyPairSync } from 'node:crypto';
import { ClientAssertions, decodeAssertion } from '../../src/authentication/client/client-assertion.ts';
import { Grants } from '../../src/endpoints/token/grants.ts';
import { SubjectTokens } from '../../src/endpoints/token/subject-tokens.ts';
import { Denial } from '../../src/errors.ts';
import { signJws } from '../../src/jwt/jws.ts';
import { FixedKeySet, LocalKeySet } from '../../src/jwt/key-set.ts';
import type { SessionHandle } from '../../src/jwt/names.ts';
import { ownTokenProfile } from '../../src/jwt/profiles.ts';
import { Keyring } from '../../src/token/keyring.ts';
import { generatePrivateJwk, importPrivateJwk } from '../../src/token/signing-key.ts';
import { TokenIssuer } from '../../src/token/token-issuer.ts';
import { NO_REVOCATIONS } from '../../test/support/nothing.ts';
import { compare } from './compare.ts';

const ISSUER = 'https://shop.example.com';
const nowMs = Date.now();
const wallMs = () => nowMs;
const handle = 'h'.repeat(43) as SessionHandle;
const session = { handle, subject: 'bob', user: {}, method: 'password', version: 1, device: '' } as const;
const times = {
  createdAtMs: nowMs,
  expiresAtMs: nowMs + 3_600_000,
  lastSeenAtMs: nowMs,
  remembered: false,
  login: null,
};

const signing = await importPrivateJwk(await generatePrivateJwk('ES256'), 'ES256');
const keyring = new Keyring([{ signing, activatesAtMs: 0, createdAtMs: 0 }], 300_000, wallMs);
const tokens = new TokenIssuer(ISSUER, keyring, wallMs);
const subjectTokens = new SubjectTokens(
  {
    ownKeys: new LocalKeySet(() => keyring.verifying()),
    ownProfile: ownTokenProfile(ISSUER),
    serviceTokens: { authenticate: () => new Denial('token_invalid', 'none') },
    revoked: NO_REVOCATIONS,
    sessions: { live: async () => ({ ...session, ...times }) },
    wallMs,
  },
  new Map(),
);
const settings = {
  issuer: ISSUER,
  maxChainDepth: 3,
  exchangeLifetimeMs: 120_000,
  serviceTokenLifetimeMs: 300_000,
  mappedClaims: new Set(['roles']),
};
const grants = new Grants(settings, subjectTokens, tokens);
const scopes = new Set(['stock:read']);
const client = {
  id: 'orders',
  subject: 'orders',
  audiences: new Set(['orders']),
  exchange: new Map([['stock', scopes]]),
  serviceTokens: new Map([['stock', scopes]]),
};
const issued = {
  subject: 'bob',
  presentedIssuer: null,
  scopes: null,
  actor: null,
  lifetimeMs: 120_000,
  notAfterMs: Number.POSITIVE_INFINITY,
};
const presented = await tokens.issue({
  ...issued,
  audience: 'orders',
  sid: handle,
  claims: { roles: ['a'] },
  typ: 'JWT',
});
const target = { audience: 'stock', scopes };

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = { kid: 'k', thumbprint: 'k', byAlgorithm: new Map([['ES256', publicKey]]) };
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const seconds = Math.floor(nowMs / 1_000);
const claims = { iss: 'orders', sub: 'orders', aud: ISSUER, exp: seconds + 60, jti: 'j' };
const input = `${part({ alg: 'ES256', kid: 'k' })}.${part(claims)}`;
const assertion = `${input}.${(await signJws('ES256', privateKey, input)).toString('base64url')}`;
const assertions = new ClientAssertions([ISSUER], { use: async () => true }, wallMs);
const asserting = assertions.client('orders', ['ES256'], new FixedKeySet([key]));

compare(import.meta.url, 'token endpoint', [
  {
    name: 'exchange',
    once: () =>
      grants.exchange(
        client,
        { grant: 'token_exchange', subjectToken: presented.compact, issuedType: '', ...target },
        { subject: null, subjectIssuer: null, audience: null },
      ),
  },
  {
    name: 'client_credentials',
    once: () =>
      grants.own(
        client,
        { grant: 'client_credentials', ...target },
        { subject: null, subjectIssuer: null, audience: null },
      ),
  },
  {
    name: 'private_key_jwt',
    once: () => {
      const decoded = decodeAssertion(assertion);
      return decoded instanceof Denial ? decoded : assertions.problem(assertion, decoded, asserting);
    },
  },
]);
