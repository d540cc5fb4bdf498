/**
 * Finding a token that was verified before: by its SHA-256 against by the token itself (src/lib/recent-map.ts), and what
 * the whole of `ServiceTokens` costs, remembered or not. The header is a new string each time, as the parser makes it,
 * so that no hash of it is known.
 */

import { generateKeyPairSync, hash, type KeyObject } from 'node:crypto';
import { ServiceTokens } from '../../src/authentication/service-token/service-tokens.ts';
import { signJws } from '../../src/jwt/jws.ts';
import { FixedKeySet } from '../../src/jwt/key-set.ts';
import { serviceTokenProfile } from '../../src/jwt/profiles.ts';
import { systemClocks } from '../../src/lib/clock.ts';
import { RecentMap } from '../../src/lib/recent-map.ts';
import { NO_REVOCATIONS, NO_SERVICE_TOKEN_EVENTS } from '../../test/support/nothing.ts';
import { compare } from './compare.ts';

const COUNT = 1_000;
const ISSUER = 'https://issuer.example';
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const nowSec = Math.floor(systemClocks.wallMs() / 1_000);
/** About 700 characters, as a cluster issues them. */
async function sign(index: number, key: KeyObject): Promise<Buffer> {
  const more = {
    namespace: 'shop',
    pod: { name: `cart-${index}`, uid: 'x'.repeat(36) },
    serviceaccount: { name: 'cart' },
  };
  const claims = { iss: ISSUER, sub: 'cart', aud: 'app', iat: nowSec, exp: nowSec + 3_600, jti: String(index), more };
  const input = `${encode({ alg: 'ES256', kid: 'one', typ: 'JWT' })}.${encode(claims)}`;
  return Buffer.from(`Bearer ${input}.${(await signJws('ES256', key, input)).toString('base64url')}`);
}
const headers = await Promise.all(Array.from({ length: COUNT }, (_, index) => sign(index, privateKey)));
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const forged = await Promise.all(Array.from({ length: COUNT }, (_, index) => sign(index, other.privateKey)));

let at = 0;
/** The next header, as a new string. */
const next = (from: readonly Buffer[]) => {
  at = (at + 1) % COUNT;
  return (from[at] as Buffer).toString('latin1');
};

const byHash = new Map(headers.map((header) => [hash('sha256', header.subarray(7), 'base64'), true]));
const byToken = new RecentMap<boolean>(10_000_000);
for (const header of headers) byToken.set(header.toString('latin1').slice(7), true);

compare(import.meta.url, 'find a token among 1000', [
  { name: 'SHA-256, then Map', once: () => byHash.get(hash('sha256', next(headers).slice(7), 'base64')) },
  { name: 'RecentMap by the token', once: () => byToken.get(next(headers).slice(7)) },
  { name: '(making the string)', once: () => next(headers).slice(7).length },
]);

const issuer = {
  name: 'a',
  rules: {
    kind: 'jwt',
    trustDomain: null,
    ourIssuer: 'https://shop.example.com',
    streamLeewayMs: 0,
    profile: serviceTokenProfile({
      issuer: ISSUER,
      algorithms: ['ES256'],
      audiences: ['app'],
      types: ['JWT'],
      authorizedParties: null,
      maxLifetimeMs: 3_600_000,
      clockSkewMs: 30_000,
    }),
  },
  keys: new FixedKeySet([{ kid: 'one', thumbprint: 'one', byAlgorithm: new Map([['ES256', publicKey]]) }]),
  learnt: null,
} as const;
const parts = { clocks: systemClocks, revoked: NO_REVOCATIONS, events: NO_SERVICE_TOKEN_EVENTS };
const accepted = new Set(['a']);
const NOBODY = new Set<string>();
const remembering = new ServiceTokens([issuer], parts);
const fresh = () => new ServiceTokens([issuer], parts);
let verifier = fresh();
/** A verifier that has not seen the next token. */
const unseen = () => {
  if (at === COUNT - 1) verifier = fresh();
  return verifier;
};

compare(import.meta.url, 'authenticate a service token', [
  { name: 'good, not seen before (ES256)', once: () => unseen().authenticate(next(headers), accepted) },
  { name: 'forged, not seen before', once: () => unseen().authenticate(next(forged), accepted) },
  { name: 'forged, seen before', once: () => remembering.authenticate(next(forged), accepted) },
  { name: 'good, remembered', once: () => remembering.authenticate(next(headers), accepted) },
  { name: 'of no accepted issuer', once: () => remembering.authenticate(next(headers), NOBODY) },
]);
