/** The token profiles side by side: what one accepts and another refuses, judged by the same verifier. */

import { describe, expect, test } from 'vitest';
import type { TokenProblem } from '../../src/jwt/claims.ts';
import { FixedKeySet, type KeySet } from '../../src/jwt/key-set.ts';
import {
  accessTokenProfile,
  clientAssertionProfile,
  jwtSvidProfile,
  kubernetesTokenProfile,
  ownTokenProfile,
  serviceTokenProfile,
  type TokenProfile,
} from '../../src/jwt/profiles.ts';
import { verify } from '../../src/jwt/verify.ts';
import { ecKeyPair, es256, forge } from '../support/issuers/forger.ts';

const KEY = ecKeyPair();
const keys = new FixedKeySet([{ kid: 'one', thumbprint: 'one', byAlgorithm: new Map([['ES256', KEY.publicKey]]) }]);
const nowSec = 1_800_000_000;
const CLIENT = 'stock';

const policy = {
  issuer: CLIENT,
  algorithms: ['ES256'],
  audiences: ['us', 'us-too'],
  types: ['JWT', 'application/at+jwt'],
  authorizedParties: null,
  maxLifetimeMs: 600_000,
  clockSkewMs: 30_000,
};

const PROFILES = {
  service: serviceTokenProfile(policy),
  cluster: kubernetesTokenProfile(policy),
  svid: jwtSvidProfile(policy),
  own: ownTokenProfile(CLIENT),
  assertion: clientAssertionProfile(CLIENT, ['ES256'], policy.audiences),
  access: accessTokenProfile(policy),
} satisfies Record<string, TokenProfile>;
type Kind = keyof typeof PROFILES;
const KINDS = Object.keys(PROFILES) as readonly Kind[];

/** A token that every profile accepts, except for the given members; `undefined` omits one. */
function tokenOf(kind: Kind, claims: object, header: object): string {
  const usual = {
    iss: CLIENT,
    sub: kind === 'cluster' ? 'system:serviceaccount:shop:stock' : CLIENT,
    aud: 'us',
    iat: nowSec,
    exp: nowSec + 60,
    jti: 'j',
  };
  return forge({ alg: 'ES256', kid: 'one', typ: 'JWT', ...header }, { ...usual, ...claims }, es256(KEY));
}

async function verdictOf(kind: Kind, token: string): Promise<TokenProblem | 'accepted'> {
  const verdict = await verify(token, keys, PROFILES[kind], nowSec * 1_000);
  return typeof verdict === 'string' ? verdict : 'accepted';
}

type Row = readonly [
  title: string,
  token: { readonly claims?: object; readonly header?: object },
  verdicts: Partial<Record<Kind, TokenProblem>>,
];

/** A kind that is not named accepts the token. */
const ROWS: readonly Row[] = [
  ['nothing unusual', {}, {}],
  ['RFC 7515 §4.1.9: typ application/jwt', { header: { typ: 'application/JWT' } }, {}],
  ['typ at+jwt', { header: { typ: 'at+jwt' } }, { svid: 'type', assertion: 'type' }],
  [
    'JWT-SVID §2.3: typ JOSE',
    { header: { typ: 'JOSE' } },
    { service: 'type', cluster: 'type', own: 'type', assertion: 'type', access: 'type' },
  ],
  [
    'typ client-authentication+jwt',
    { header: { typ: 'client-authentication+jwt' } },
    { service: 'type', cluster: 'type', svid: 'type', own: 'type', access: 'type' },
  ],
  ['no typ', { header: { typ: undefined } }, { own: 'type' }],
  [
    'another issuer',
    { claims: { iss: 'x' } },
    { service: 'issuer', cluster: 'issuer', own: 'issuer', assertion: 'issuer', access: 'issuer' },
  ],
  ['RFC 7523 §3: another audience besides us', { claims: { aud: ['us', 'x'] } }, { assertion: 'audience' }],
  ['two audiences that are both us', { claims: { aud: ['us', 'us-too'] } }, {}],
  [
    'another audience',
    { claims: { aud: 'x' } },
    { service: 'audience', cluster: 'audience', svid: 'audience', assertion: 'audience', access: 'audience' },
  ],
  [
    'an empty audience',
    { claims: { aud: [] } },
    { service: 'audience', cluster: 'audience', svid: 'audience', assertion: 'audience', access: 'audience' },
  ],
  ['another subject', { claims: { sub: 'cart' } }, { cluster: 'subject', assertion: 'subject' }],
  [
    'no subject',
    { claims: { sub: undefined } },
    {
      service: 'subject',
      cluster: 'subject',
      svid: 'subject',
      own: 'subject',
      assertion: 'subject',
      access: 'subject',
    },
  ],
  [
    'JWT-SVID §3: no iat',
    { claims: { iat: undefined } },
    { service: 'times', cluster: 'times', own: 'times', access: 'times' },
  ],
  [
    'the leeway is over',
    { claims: { iat: nowSec - 60, exp: nowSec - 30 } },
    {
      service: 'expired',
      cluster: 'expired',
      svid: 'expired',
      own: 'expired',
      assertion: 'expired',
      access: 'expired',
    },
  ],
  ['exp is now', { claims: { iat: nowSec - 60, exp: nowSec } }, { own: 'expired' }],
  ['exp a second before the leeway ends', { claims: { iat: nowSec - 60, exp: nowSec - 29 } }, { own: 'expired' }],
  ['iat 30 s in the future', { claims: { iat: nowSec + 30, exp: nowSec + 60 } }, {}],
  [
    'iat 31 s in the future',
    { claims: { iat: nowSec + 31, exp: nowSec + 60 } },
    {
      service: 'not_yet_valid',
      cluster: 'not_yet_valid',
      svid: 'not_yet_valid',
      own: 'not_yet_valid',
      assertion: 'not_yet_valid',
      access: 'not_yet_valid',
    },
  ],
  ['exp 330 s ahead', { claims: { exp: nowSec + 330 } }, {}],
  ['exp 331 s ahead', { claims: { exp: nowSec + 331 } }, { assertion: 'lifetime' }],
  [
    'a lifetime of 601 s with 300 s left',
    { claims: { iat: nowSec - 301, exp: nowSec + 300 } },
    { service: 'lifetime', cluster: 'lifetime', svid: 'lifetime', access: 'lifetime' },
  ],
  ['no jti', { claims: { jti: undefined } }, { assertion: 'claims' }],
  ['a jti of 257 characters', { claims: { jti: 'x'.repeat(257) } }, { assertion: 'claims' }],
  ['RFC 8693 §4.1: act that is not an object', { claims: { act: 'cart' } }, { access: 'claims' }],
  ['RFC 8693 §4.2: scope in a list', { claims: { scope: ['a'] } }, { access: 'claims' }],
  ['sid a number', { claims: { sid: 7 } }, { access: 'claims' }],
  [
    'JWT-10: kid a number',
    { header: { kid: 1 } },
    { service: 'key', cluster: 'key', svid: 'key', own: 'key', assertion: 'key', access: 'key' },
  ],
  [
    'JWT-38: an unknown kid',
    { header: { kid: 'two' } },
    { service: 'key', cluster: 'key', svid: 'key', own: 'key', assertion: 'key', access: 'key' },
  ],
  [
    'JWT-01: alg none',
    { header: { alg: 'none' } },
    {
      service: 'algorithm',
      cluster: 'algorithm',
      svid: 'algorithm',
      own: 'key',
      assertion: 'algorithm',
      access: 'algorithm',
    },
  ],
];

describe('one token, judged by each profile', () => {
  test.each(ROWS)('%s', async (_title, { claims = {}, header = {} }, expected) => {
    const verdicts = await Promise.all(
      KINDS.map(async (kind) => [kind, await verdictOf(kind, tokenOf(kind, claims, header))] as const),
    );
    const refused = Object.fromEntries(verdicts.filter(([, verdict]) => verdict !== 'accepted'));
    expect(refused).toEqual(expected);
  });

  test('every profile refuses a wrong signature, and a token that is not a strict compact JWS', async () => {
    for (const kind of KINDS) {
      const [header = '', payload = ''] = tokenOf(kind, {}, {}).split('.');
      const forged = `${header}.${payload}.${Buffer.alloc(64, 7).toString('base64url')}`;
      expect([kind, await verdictOf(kind, forged)]).toEqual([kind, 'signature']);
      expect([kind, await verdictOf(kind, `${header}.${payload}.`)]).toEqual([kind, 'malformed']);
    }
  });

  test('no key is looked up for a token that is refused for its claims', async () => {
    let asked = 0;
    const counting: KeySet = {
      isFetched: true,
      mayRefetch: false,
      refetch: () => null,
      ageMs: null,
      find: () => {
        asked += 1;
        return null;
      },
      holds: () => false,
      list: () => [],
      start: () => {},
      close: () => {},
    };
    for (const kind of KINDS) await verify(tokenOf(kind, { exp: 1 }, {}), counting, PROFILES[kind], nowSec * 1_000);
    expect(asked).toBe(0);
  });

  test('azp or client_id must be an accepted party, and they must agree', async () => {
    const profile = serviceTokenProfile({ ...policy, authorizedParties: ['web'] });
    const verdict = async (claims: object) => {
      const result = await verify(tokenOf('service', claims, {}), keys, profile, nowSec * 1_000);
      return typeof result === 'string' ? result : 'accepted';
    };
    expect(await verdict({ azp: 'web' })).toBe('accepted');
    expect(await verdict({ client_id: 'web' })).toBe('accepted');
    expect(await verdict({ azp: 'web', client_id: 'other' })).toBe('party');
    expect(await verdict({})).toBe('party');
  });
});
