import { describe, expect, test } from 'vitest';
import { LocalControl } from '../../../src/gateway/control.ts';
import { PUBLIC_ORIGIN } from '../../support/gateway.ts';
import { ecKeyPair, es256, forge, ps256, publicJwk, rs256, rsaKeyPair } from '../../support/issuers/forger.ts';
import { answering, KeyServer } from '../../support/issuers/key-server.ts';
import { clocks, Files, IssuerStage, KEY } from './stage.ts';

const ID = 'spiffe://prod.example/ns/shop/sa/cart';
const RSA = rsaKeyPair();
const OTHER = ecKeyPair();
const BUNDLE = {
  spiffe_sequence: 1,
  spiffe_refresh_hint: 300,
  keys: [
    publicJwk(KEY, { kid: 'one', use: 'jwt-svid' }),
    publicJwk(RSA, { kid: 'rsa', use: 'jwt-svid' }),
    publicJwk(OTHER, { kid: 'tls', use: 'x509-svid', x5c: ['AAAA'] }),
    publicJwk(ecKeyPair(), { kid: 'unused' }),
  ],
};
const nowSec = Math.floor(clocks.wallMs() / 1_000);
const HEADER = { alg: 'ES256', kid: 'one' };
const CLAIMS = { sub: ID, aud: [PUBLIC_ORIGIN], exp: nowSec + 300 };
/** As SPIRE issues them: with `iat`, without `iss`. */
const svid = (claims: object = {}, header: object = {}, signer = es256(KEY)) =>
  forge({ ...HEADER, ...header }, { ...CLAIMS, iat: nowSec, ...claims }, signer);

async function start(trustDomain = 'prod.example') {
  const files = new Files();
  const bundleFile = files.write('bundle.json', JSON.stringify(BUNDLE));
  const stage = await IssuerStage.start({ mesh: { spiffe: { trustDomain, bundleFile } } });
  files[Symbol.dispose]();
  return stage;
}

test('a JWT-SVID of the trust domain authenticates the workload it names', async () => {
  await using stage = await start();
  expect(await stage.status(svid())).toBe(200);
  expect(stage.upstream.last.values('x-caller')).toEqual([ID]);
});

describe('accepts a JWT-SVID with', () => {
  test.each([
    ['JWT-SVID §3: no iat', svid({ iat: undefined })],
    ['any iss', svid({ iss: 'https://spire.example' })],
    ['JWT-SVID §2.3: typ JWT', svid({}, { typ: 'JWT' })],
    ['JWT-SVID §2.3: typ JOSE', svid({}, { typ: 'JOSE' })],
    ['JWT-SVID §2.1: RS256', svid({}, { alg: 'RS256', kid: 'rsa' }, rs256(RSA))],
    ['JWT-SVID §2.1: PS256', svid({}, { alg: 'PS256', kid: 'rsa' }, ps256(RSA))],
    ['aud as a string', svid({ aud: PUBLIC_ORIGIN })],
  ])('%s', async (_title, token) => {
    await using stage = await start();
    expect(await stage.status(token)).toBe(200);
  });
});

describe('refuses a JWT-SVID with', () => {
  test.each([
    ['JWT-SVID §3.1: a sub that is not a SPIFFE ID', { sub: 'cart' }, 'issuer'],
    ['no sub', { sub: undefined }, 'issuer'],
    ['another trust domain', { sub: 'spiffe://evil.example/ns/shop/sa/cart' }, 'issuer'],
    ['a trust domain of which ours is only a prefix', { sub: 'spiffe://prod.example.evil/cart' }, 'issuer'],
    ['a trust domain in upper case', { sub: 'spiffe://PROD.example/cart' }, 'issuer'],
    ['SPIFFE-ID §2.1: a port', { sub: 'spiffe://prod.example:443/cart' }, 'issuer'],
    ['userinfo', { sub: 'spiffe://prod.example@evil/cart' }, 'issuer'],
    ['SPIFFE-ID §2.2: no path', { sub: 'spiffe://prod.example' }, 'issuer'],
    ['SPIFFE-ID §2.2: a trailing slash', { sub: `${ID}/` }, 'issuer'],
    ['SPIFFE-ID §2.2: an empty segment', { sub: 'spiffe://prod.example//cart' }, 'issuer'],
    ['SPIFFE-ID §2.2: a segment of two dots', { sub: 'spiffe://prod.example/a/../cart' }, 'issuer'],
    ['SPIFFE-ID §2.2: a segment of one dot', { sub: 'spiffe://prod.example/./cart' }, 'issuer'],
    ['SPIFFE-ID §2.2: a percent escape', { sub: 'spiffe://prod.example/%63art' }, 'issuer'],
    ['a query', { sub: `${ID}?x=1` }, 'issuer'],
    ['a fragment', { sub: `${ID}#x` }, 'issuer'],
    ['another scheme', { sub: 'https://prod.example/cart' }, 'issuer'],
    ['SPIFFE-ID §2.3: a sub over 2048 bytes', { sub: `spiffe://prod.example/${'a'.repeat(2_048)}` }, 'issuer'],
    ['JWT-SVID §3.2: no aud', { aud: undefined }, 'audience'],
    ['JWT-SVID §3.2: another aud', { aud: ['other'] }, 'audience'],
    ['JWT-SVID §3.3: no exp', { exp: undefined }, 'times'],
    ['JWT-SVID §3.3: an exp in the past', { iat: nowSec - 400, exp: nowSec - 100 }, 'expired'],
    ['no iat, and an exp too far in the future', { iat: undefined, exp: nowSec + 3_700 }, 'lifetime'],
  ])('%s', async (_title, claims, problem) => {
    await using stage = await start();
    expect(await stage.status(svid(claims))).toBe(401);
    expect(await stage.refused(problem)).toBe(1);
  });

  test.each([
    ['JWT-SVID §2.3: another typ', { typ: 'at+jwt' }, es256(KEY), 'type'],
    ['JWT-SVID §2.1: HS256', { alg: 'HS256' }, es256(KEY), 'algorithm'],
    ['JWT-SVID §2.1: EdDSA', { alg: 'EdDSA' }, es256(KEY), 'algorithm'],
    ['JWT-SVID §4: a key for X.509 certificates', { kid: 'tls' }, es256(OTHER), 'key'],
    ['JWT-SVID §4: a key without a use', { kid: 'unused' }, es256(KEY), 'key'],
    ['another key', {}, es256(OTHER), 'signature'],
  ] as const)('%s', async (_title, header, signer, problem) => {
    await using stage = await start();
    expect(await stage.status(svid({}, header, signer))).toBe(401);
    expect(await stage.refused(problem)).toBe(1);
  });
});

test.each(['https://spire.example', undefined])(
  'S2: a JWT-SVID’s subject is revoked for its trust domain, not for its unverified iss: %s',
  async (iss) => {
    await using stage = await start();
    const token = svid({ iss });
    expect(await stage.status(token)).toBe(200);
    const control = new LocalControl(stage.gateway.gateway, stage.gateway.metrics);
    const revoke = (issuer: string) =>
      control.revokeTokens(
        { kind: 'subject', subject: ID, issuer, lifetimeMs: null },
        { requestId: null, client: null },
      );
    clocks.advance(2_000);
    await revoke('spiffe://other.example');
    expect(await stage.status(token)).toBe(200);
    await revoke('spiffe://prod.example');
    expect(await stage.status(token)).toBe(401);
    expect(await stage.refused('revoked')).toBe(1);
  },
);

test('a bundle can be fetched', async () => {
  await using server = await KeyServer.start(answering(BUNDLE));
  await using stage = await IssuerStage.start({
    mesh: { spiffe: { trustDomain: 'prod.example', bundleUrl: server.origin } },
  });
  expect(await stage.status(svid())).toBe(200);
});

test('a bundle without a key for JWT-SVIDs is refused at startup', async () => {
  using files = new Files();
  const bundleFile = files.write('bundle.json', JSON.stringify({ keys: BUNDLE.keys.slice(2) }));
  const issuers = { mesh: { spiffe: { trustDomain: 'prod.example', bundleFile } } };
  await expect(IssuerStage.start(issuers)).rejects.toThrow('has no key for');
});
