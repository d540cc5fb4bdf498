/** Wrong ID tokens (OIDC Core §3.1.3.7). */

import { createHash } from 'node:crypto';
import { bytes, ecKeyPair, encode, es256, forge, hs256, publicJwk, rs256 } from '../../issuers/forger.ts';
import type { Claims, MisbehavingProvider, Misbehaviour } from '../misbehaviour.ts';

const ec = ecKeyPair();

/** Without some claims, and with others instead. */
const claims =
  (changed: Claims | ((provider: MisbehavingProvider) => Claims)): NonNullable<Misbehaviour['claims']> =>
  (honest, provider) => ({ ...honest, ...(typeof changed === 'function' ? changed(provider) : changed) });

/** JSON omits what is undefined. */
const without = (name: string) => claims({ [name]: undefined });

/** The left half of a hash (OIDC Core §3.1.3.6). */
const halfHash = (text: string) => createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');

export const ID_TOKENS = {
  'iss-wrong': { claims: claims({ iss: 'https://evil.example' }) },
  'iss-with-slash': { claims: claims(({ issuer }) => ({ iss: `${issuer}/` })) },
  'iss-missing': { claims: without('iss') },
  'sub-missing': { claims: without('sub') },
  'sub-empty': { claims: claims({ sub: '' }) },
  'sub-not-a-string': { claims: claims({ sub: 42 }) },
  'sub-too-long': { claims: claims({ sub: 'x'.repeat(100_000) }) },
  'aud-wrong': { claims: claims({ aud: 'another-shop' }) },
  'aud-missing': { claims: without('aud') },
  'aud-prefix': { claims: claims(({ clientId }) => ({ aud: `${clientId}-2` })) },
  'aud-several-without-azp': { claims: claims(({ clientId }) => ({ aud: [clientId, 'another-shop'] })) },
  'azp-wrong': { claims: claims(({ clientId }) => ({ aud: [clientId, 'another-shop'], azp: 'another-shop' })) },
  'azp-wrong-single-aud': { claims: claims({ azp: 'another-shop' }) },
  'nonce-missing': { claims: without('nonce') },
  'nonce-wrong': { claims: claims({ nonce: 'a nonce of another login' }) },
  'nonce-a-list': { claims: (honest) => ({ ...honest, nonce: [honest['nonce']] }) },
  'exp-past': { claims: claims(({ nowSec }) => ({ iat: nowSec - 7_200, exp: nowSec - 3_600 })) },
  'exp-missing': { claims: without('exp') },
  'exp-a-string': { claims: claims(({ nowSec }) => ({ exp: `${nowSec + 300}` })) },
  'iat-missing': { claims: without('iat') },
  'iat-future': { claims: claims(({ nowSec }) => ({ iat: nowSec + 3_600, exp: nowSec + 7_200 })) },
  'nbf-future': { claims: claims(({ nowSec }) => ({ nbf: nowSec + 3_600 })) },
  'at-hash-wrong': { claims: claims({ at_hash: halfHash('another access token') }) },
  'c-hash-wrong': { claims: claims({ c_hash: halfHash('another code') }) },
  'auth-time-a-string': { claims: claims({ auth_time: 'yesterday' }) },
  'auth-time-missing': { claims: without('auth_time') },
  'auth-time-old': { claims: claims(({ nowSec }) => ({ auth_time: nowSec - 86_400 })) },
  'acr-wrong': { claims: claims({ acr: 'urn:example:less' }) },
  'acr-missing': { claims: without('acr') },
  'alg-none': { idToken: (header, body) => `${encode({ ...header, alg: 'none' })}.${encode(body)}.` },
  'alg-none-mixed-case': { idToken: (header, body) => `${encode({ ...header, alg: 'nOnE' })}.${encode(body)}.` },
  'alg-none-with-signature': {
    idToken: (header, body, { key }) => forge({ ...header, alg: 'none' }, body, rs256(key)),
  },
  'hs256-with-client-secret': {
    idToken: (header, body, { clientSecret }) => forge({ ...header, alg: 'HS256' }, body, hs256(clientSecret)),
  },
  'hs256-with-public-key': {
    idToken: (header, body, { key }) => {
      const pem = key.publicKey.export({ type: 'spki', format: 'pem' });
      return forge({ ...header, alg: 'HS256' }, body, hs256(pem.toString()));
    },
  },
  'es256-not-offered': {
    keySet: (keys) => ({ keys: [...keys, publicJwk(ec, { kid: 'ec', alg: 'ES256', use: 'sig' })] }),
    idToken: (header, body) => forge({ ...header, alg: 'ES256', kid: 'ec' }, body, es256(ec)),
  },
  'signature-wrong': {
    idToken: (header, body, provider) => forge(header, body, rs256(provider.strangeKey())),
  },
  'signature-empty': { idToken: (header, body) => forge(header, body, bytes(Buffer.alloc(0))) },
  'signature-of-other-claims': {
    idToken: (_header, body, provider) => {
      const [head = '', , signature = ''] = provider.idToken({ ...body, sub: 'somebody-else' }).split('.');
      return `${head}.${encode(body)}.${signature}`;
    },
  },
  'kid-unknown': { header: (header) => ({ ...header, kid: 'no-such-key' }) },
  'kid-of-strange-key': {
    header: (header) => ({ ...header, kid: 'strange' }),
    idToken: (header, body, provider) => forge(header, body, rs256(provider.strangeKey())),
  },
  /** Allowed: there is only one key that it can be (OIDC Core §10.1). */
  'kid-missing-one-key': { header: () => ({ alg: 'RS256' }) },
  'kid-missing-several-keys': {
    header: () => ({ alg: 'RS256' }),
    keySet: (keys, provider) => ({
      keys: [publicJwk(provider.strangeKey(), { kid: 'other', alg: 'RS256', use: 'sig' }), ...keys],
    }),
  },
  'key-in-header': {
    header: (header, provider) => ({ ...header, kid: undefined, jwk: publicJwk(provider.strangeKey()) }),
    idToken: (header, body, provider) => forge(header, body, rs256(provider.strangeKey())),
  },
  'jku-in-header': {
    header: (header, { issuer }) => ({ ...header, jku: `${issuer}/keys-of-the-attacker` }),
    idToken: (header, body, provider) => forge(header, body, rs256(provider.strangeKey())),
  },
  'crit-unknown': {
    header: (header) => ({ ...header, crit: ['http://example.com/unknown'], 'http://example.com/unknown': 1 }),
  },
  'key-for-encryption': { keySet: (keys) => ({ keys: keys.map((key) => ({ ...key, use: 'enc' })) }) },
  'key-of-1024-bits-or-none': { keySet: () => ({ keys: [] }) },
  'duplicate-claims': {
    idToken: (header, body, { key }) => {
      const text = JSON.stringify(body);
      return forge(header, `${text.slice(0, -1)},"sub":"admin"}`, rs256(key));
    },
  },
  'claims-not-an-object': { idToken: (header, _body, { key }) => forge(header, '["a","b"]', rs256(key)) },
  'id-token-of-four-parts': {
    idToken: (header, body, provider) => `${provider.idToken(body, { header: () => header })}.x`,
  },
  'id-token-with-whitespace': {
    idToken: (header, body, provider) => ` ${provider.idToken(body, { header: () => header })}`,
  },
  'id-token-not-a-jwt': { idToken: () => 'not a token' },
  'id-token-huge': { claims: claims({ padding: 'x'.repeat(2_000_000) }) },
  /** Unknown kinds of keys in the set are skipped. */
  'key-set-with-strange-keys': {
    keySet: (keys) => ({ keys: [{ kty: 'FUTURE', kid: 'x' }, { kty: 'RSA', kid: 'y', n: '!' }, 'nonsense', ...keys] }),
  },
} satisfies Record<string, Misbehaviour>;
