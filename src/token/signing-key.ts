/** Signing keys: made, written and read as JWK (RFC 7517), named by their thumbprint (RFC 7638). */

import { createPrivateKey, createPublicKey, createSecretKey, hash, type KeyObject, randomBytes } from 'node:crypto';
import type { JWK } from 'jose';
import { calculateJwkThumbprint } from 'jose/jwk/thumbprint';
import { exportJWK } from 'jose/key/export';
import { generateKeyPair } from 'jose/key/generate/keypair';
import { importJWK } from 'jose/key/import';
import { ConfigFault } from '../errors.ts';
import { publicPart, type VerificationKey } from '../jwt/verification-keys.ts';
import { MIN_RSA_BITS } from '../lib/crypto/rsa.ts';
import type { SIGNING_ALGORITHMS } from './section.ts';

/** A signature algorithm of tokens that the gateway signs. */
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** A key that signs tokens. */
export interface SigningKey {
  /** RFC 7638 thumbprint; for HS256 a name made from a hash of the secret. */
  readonly kid: string;
  readonly algorithm: SigningAlgorithm;
  /** Private, or the secret. */
  readonly key: KeyObject;
  /** What verifiers get; `null` for HS256, whose key is secret. */
  readonly publicJwk: JWK | null;
  /** What the gateway itself verifies with. */
  readonly verification: VerificationKey;
  /** The header of what it signs, encoded (RFC 7515 §4): it is the same for each token of a type. */
  readonly headers: Readonly<Record<TokenType, string>>;
}

/** Header `typ` of tokens that the gateway signs: `at+jwt` is an access token (RFC 9068). */
export type TokenType = 'JWT' | 'at+jwt';

/** Shortest HS256 secret: as long as the hash (RFC 7518 §3.2). */
const MIN_SECRET_BYTES = 32;

/** Makes a private key for an algorithm, as a JWK with `kid` and `alg`. Not for HS256: that takes a secret file. */
export async function generatePrivateJwk(algorithm: Exclude<SigningAlgorithm, 'HS256'>): Promise<JWK> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true, modulusLength: 3072 });
  const jwk = await exportJWK(privateKey);
  return { ...jwk, kid: await calculateJwkThumbprint(jwk), alg: algorithm, use: 'sig' };
}

/**
 * Reads a private JWK into a signing key.
 *
 * @throws ConfigFault when it is public, of another algorithm, weak, or its `kid` is not its thumbprint
 */
export async function importPrivateJwk(jwk: JWK, algorithm: SigningAlgorithm): Promise<SigningKey> {
  if (jwk.alg !== algorithm)
    throw new ConfigFault(`is for ${jwk.alg ?? 'no algorithm'}, the configuration says ${algorithm}`);
  if (typeof jwk.d !== 'string') throw new ConfigFault('is not a private key');
  if (jwk.kty === 'RSA' && modulusBits(jwk) < MIN_RSA_BITS)
    throw new ConfigFault(`is an RSA key under ${MIN_RSA_BITS} bits`);
  const kid = await calculateJwkThumbprint(jwk);
  if (jwk.kid !== kid) throw new ConfigFault('has a kid that is not its thumbprint');
  // jose refuses a key that is not for the algorithm, such as one on another curve.
  await importJWK(jwk, algorithm);
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const publicJwk = { ...publicPart(jwk), kid, alg: algorithm, use: 'sig' };
  const verification = verificationKey(kid, algorithm, createPublicKey(key));
  return { kid, algorithm, key, publicJwk, verification, headers: encodedHeaders(algorithm, kid) };
}

/** Makes a key that only this process has: with HS256, nobody else can verify what it signs. */
export async function newSigningKey(algorithm: SigningAlgorithm): Promise<SigningKey> {
  if (algorithm === 'HS256') return secretSigningKey(randomBytes(MIN_SECRET_BYTES));
  return importPrivateJwk(await generatePrivateJwk(algorithm), algorithm);
}

/** Makes a signing key from a shared secret. */
export function secretSigningKey(secret: Uint8Array): SigningKey {
  if (secret.byteLength < MIN_SECRET_BYTES) {
    throw new ConfigFault(`has ${secret.byteLength} bytes; HS256 needs at least ${MIN_SECRET_BYTES} (RFC 7518 §3.2)`);
  }
  const kid = hash('sha256', Buffer.concat([Buffer.from('sallyport kid\0'), secret]), 'base64url').slice(0, 16);
  const key = createSecretKey(secret);
  const verification = verificationKey(kid, 'HS256', key);
  return { kid, algorithm: 'HS256', key, publicJwk: null, verification, headers: encodedHeaders('HS256', kid) };
}

const verificationKey = (kid: string, algorithm: SigningAlgorithm, key: KeyObject): VerificationKey => ({
  kid,
  thumbprint: kid,
  byAlgorithm: new Map([[algorithm, key]]),
});

/** A JSON value as a part of a token (RFC 7515 §2). */
export const encodeJson = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const encodedHeaders = (alg: SigningAlgorithm, kid: string): SigningKey['headers'] => ({
  JWT: encodeJson({ alg, kid, typ: 'JWT' }),
  'at+jwt': encodeJson({ alg, kid, typ: 'at+jwt' }),
});

const modulusBits = (jwk: JWK) => Buffer.from(jwk.n ?? '', 'base64url').byteLength * 8;
