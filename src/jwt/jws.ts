/**
 * Signatures of JSON Web Signatures (RFC 7515 §5, RFC 7518 §3), by OpenSSL directly.
 *
 * perf: bench/micro/jws.ts. WebCrypto, which jose uses, sends each operation through a thread and a few promises: for
 * ES256 that triples the processor time of signing and nearly doubles that of verifying.
 */

import {
  constants,
  createHmac,
  type KeyObject,
  sign as signAsymmetric,
  timingSafeEqual,
  verify as verifyAsymmetric,
} from 'node:crypto';
import { promisify } from 'node:util';

interface Scheme {
  /** Hash of the message; `null` where the algorithm brings its own (EdDSA). */
  readonly hash: string | null;
  /** Options for OpenSSL besides the key. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Whether both sides share the key. */
  readonly isSymmetric?: true;
  /** Whether signing takes so long that it runs on another thread. */
  readonly isSlow?: true;
}

/** ECDSA in JWS is R and S side by side, not DER (RFC 7518 §3.4). */
const ECDSA = { dsaEncoding: 'ieee-p1363' };
const PKCS1 = { padding: constants.RSA_PKCS1_PADDING };
/** The salt is as long as the hash (RFC 7518 §3.5); neither shorter nor longer is accepted. */
const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };

const SCHEMES = {
  ES256: { hash: 'sha256', options: ECDSA },
  ES384: { hash: 'sha384', options: ECDSA },
  ES512: { hash: 'sha512', options: ECDSA },
  EdDSA: { hash: null, options: {} },
  RS256: { hash: 'sha256', options: PKCS1, isSlow: true },
  RS384: { hash: 'sha384', options: PKCS1, isSlow: true },
  RS512: { hash: 'sha512', options: PKCS1, isSlow: true },
  PS256: { hash: 'sha256', options: PSS, isSlow: true },
  PS384: { hash: 'sha384', options: PSS, isSlow: true },
  PS512: { hash: 'sha512', options: PSS, isSlow: true },
  HS256: { hash: 'sha256', options: {}, isSymmetric: true },
} as const satisfies Readonly<Record<string, Scheme>>;

/** The supported signature algorithms. */
export type JwsAlgorithm = keyof typeof SCHEMES;

/** Whether an algorithm is supported. */
export const isJwsAlgorithm = (algorithm: string): algorithm is JwsAlgorithm => Object.hasOwn(SCHEMES, algorithm);

/** Whether {@link signJws} answers with a promise. */
export const signsOnThread = (algorithm: JwsAlgorithm): boolean => (SCHEMES[algorithm] as Scheme).isSlow === true;

/**
 * Signs. Returns at once, except for RSA.
 *
 * Does not check that the key fits the algorithm: the loader of the key does.
 *
 * @param signingInput  header and payload, encoded, with the dot between them; ASCII
 */
export function signJws(algorithm: JwsAlgorithm, key: KeyObject, signingInput: string): Buffer | Promise<Buffer> {
  const scheme: Scheme = SCHEMES[algorithm];
  if (scheme.isSymmetric === true) return hmac(scheme, key, signingInput);
  const message = Buffer.from(signingInput, 'latin1');
  const options = { key, ...scheme.options };
  return (scheme.isSlow === true ? signOnThread : signAsymmetric)(scheme.hash, message, options);
}

const signOnThread = promisify(signAsymmetric);

/**
 * Verifies.
 *
 * Does not check that the key fits the algorithm: the loader of the key does. A signature of the wrong length does not
 * verify.
 *
 * @param signingInput  header and payload, encoded, with the dot between them; ASCII
 */
export function verifyJws(
  algorithm: JwsAlgorithm,
  key: KeyObject,
  signingInput: string,
  signature: Uint8Array,
): boolean {
  const scheme: Scheme = SCHEMES[algorithm];
  if (scheme.isSymmetric === true) {
    const expected = hmac(scheme, key, signingInput);
    return signature.byteLength === expected.byteLength && timingSafeEqual(signature, expected);
  }
  return verifyAsymmetric(
    scheme.hash,
    Buffer.from(signingInput, 'latin1'),
    { key, ...scheme.options },
    signature as Buffer,
  );
}

const hmac = ({ hash }: Scheme, key: KeyObject, signingInput: string): Buffer =>
  createHmac(hash as string, key)
    .update(signingInput, 'latin1')
    .digest();
