/**
 * The keys of one issuer, read from a JWK Set (RFC 7517 §5) and imported for verification.
 *
 * A set is untrusted input. Keys that must never verify anything are left out and reported: symmetric and private keys,
 * weak RSA keys, points off the curve. Keys for other uses are left out too, which is normal.
 */

import { createPublicKey, type KeyObject } from 'node:crypto';
import type { JWK } from 'jose';
import { calculateJwkThumbprint } from 'jose/jwk/thumbprint';
import { MIN_RSA_BITS } from '../lib/crypto/rsa.ts';
import { isRocaModulus } from './roca.ts';

/** A key that can verify signatures of one issuer. */
export interface VerificationKey {
  /** As the set states it; `null` when there is none. */
  readonly kid: string | null;
  /** RFC 7638 thumbprint: the same each time the set is read. */
  readonly thumbprint: string;
  /** The key by each accepted algorithm that it fits. */
  readonly byAlgorithm: ReadonlyMap<string, KeyObject>;
}

/** The result of reading a set. */
export interface ReadKeySet {
  readonly keys: readonly VerificationKey[];
  /** Entries that must never verify anything, as fixed text: a mistake, or an attack. */
  readonly refused: readonly string[];
}

/** Which keys of a set are used. */
export interface KeyRules {
  /** The algorithms that are accepted from this issuer. */
  readonly algorithms: readonly string[];
  /**
   * `sig`: keys that state another use are skipped. `jwt-svid`: every key has to state this use, and to have a
   * `kid` (SPIFFE JWT-SVID §4, Trust Domain and Bundle §4.2).
   */
  readonly use: 'sig' | 'jwt-svid';
}

interface KeyType {
  readonly kty: string;
  readonly crv?: string;
}

/** Key types that an algorithm takes, and the curve where there is one (RFC 7518 §3.1, RFC 8037 §3.1). */
const KEY_TYPES = {
  ES256: { kty: 'EC', crv: 'P-256' },
  ES384: { kty: 'EC', crv: 'P-384' },
  ES512: { kty: 'EC', crv: 'P-521' },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  RS256: { kty: 'RSA' },
  RS384: { kty: 'RSA' },
  RS512: { kty: 'RSA' },
  PS256: { kty: 'RSA' },
  PS384: { kty: 'RSA' },
  PS512: { kty: 'RSA' },
} as const satisfies Readonly<Record<string, KeyType>>;
type PublicKeyAlgorithm = keyof typeof KEY_TYPES;

/** The signature algorithms with a public key. */
export const PUBLIC_KEY_ALGORITHMS = Object.keys(KEY_TYPES) as readonly PublicKeyAlgorithm[];

/** Longest RSA modulus: verifying with a longer one costs too much. */
const MAX_RSA_BITS = 16_384;
/** Longest `kid`. */
const MAX_KID_LENGTH = 256;
/** Most entries of one set. */
const MAX_KEYS = 100;

/** Members that a public key consists of (RFC 7518 §6, RFC 8037 §2). */
const KEY_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e'];
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth'];

/**
 * Reads a JWK Set.
 *
 * @param document  parsed JSON from outside
 * @throws Error in fixed words: it is not a JWK Set, is too long, or two different keys share a `kid`, so that
 *   it is ambiguous (JWT-46)
 */
export async function readKeySet(document: unknown, rules: KeyRules): Promise<ReadKeySet> {
  const entries = typeof document === 'object' && document !== null && 'keys' in document ? document.keys : null;
  if (!Array.isArray(entries)) throw new Error('not a JWK Set');
  if (entries.length > MAX_KEYS) throw new Error(`a JWK Set of more than ${MAX_KEYS} keys`);
  const keys: VerificationKey[] = [];
  const refused: string[] = [];
  for (const entry of entries) {
    const read = await readKey(entry, rules);
    if (typeof read === 'string') refused.push(read);
    else if (read !== null && !isRepeated(read, keys)) keys.push(read);
  }
  return { keys, refused };
}

/** @returns the key; why it must never verify anything; or `null` for a key with another use or algorithm */
async function readKey(entry: unknown, rules: KeyRules): Promise<VerificationKey | string | null> {
  if (typeof entry !== 'object' || entry === null) return 'an entry that is not an object';
  const jwk = entry as JWK;
  const problem = keyProblem(jwk);
  if (problem !== null) return problem;
  const fitting = isForUse(jwk, rules.use) ? rules.algorithms.filter((algorithm) => fits(jwk, algorithm)) : [];
  if (fitting.length === 0) return null;
  try {
    const key = createPublicKey({ key: publicPart(jwk), format: 'jwk' });
    const byAlgorithm = new Map(fitting.map((algorithm) => [algorithm, key]));
    return { kid: jwk.kid ?? null, thumbprint: await calculateJwkThumbprint(jwk), byAlgorithm };
  } catch {
    return 'a key that cannot be imported';
  }
}

/** The members of the public key itself, without those that describe it (`x5c`, `use`, …). */
export const publicPart = (jwk: JWK): JWK =>
  Object.fromEntries(Object.entries(jwk).filter(([name]) => KEY_MEMBERS.includes(name))) as JWK;

/** The same key twice is harmless. Two different keys with one `kid` are ambiguous and refuse the set. */
function isRepeated(key: VerificationKey, earlier: readonly VerificationKey[]): boolean {
  if (key.kid === null) return false;
  const namesakes = earlier.filter(
    ({ kid, byAlgorithm }) => kid === key.kid && [...byAlgorithm.keys()].some((name) => key.byAlgorithm.has(name)),
  );
  if (namesakes.some(({ thumbprint }) => thumbprint !== key.thumbprint)) throw new Error('two keys with one kid');
  return namesakes.length > 0;
}

/** Why a key must not verify anything; `null` when it may (JWT-07, JWT-43, JWT-46). */
function keyProblem(jwk: JWK): string | null {
  if (typeof jwk.kty !== 'string') return 'a key without a type';
  if (jwk.kty === 'oct' || jwk.k !== undefined) return 'a symmetric key';
  if (PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))) return 'a private key';
  if (jwk.kid !== undefined && (typeof jwk.kid !== 'string' || jwk.kid.length > MAX_KID_LENGTH))
    return 'a kid that is not a short string';
  return jwk.kty === 'RSA' ? rsaProblem(jwk) : null;
}

function rsaProblem({ n, e }: JWK): string | null {
  if (typeof n !== 'string' || typeof e !== 'string') return 'an RSA key without modulus or exponent';
  // Longer values are not even parsed.
  if (n.length > MAX_RSA_BITS / 4 || e.length > MAX_RSA_BITS / 4) return `an RSA key over ${MAX_RSA_BITS} bits`;
  const modulus = toInteger(n);
  const bits = modulus.toString(2).length;
  if (bits < MIN_RSA_BITS) return `an RSA key under ${MIN_RSA_BITS} bits`;
  if (bits > MAX_RSA_BITS) return `an RSA key over ${MAX_RSA_BITS} bits`;
  const exponent = toInteger(e);
  if (exponent < 3n || exponent % 2n === 0n) return 'an RSA key whose exponent is even or under 3';
  return isRocaModulus(modulus) ? 'an RSA key of a generator whose keys can be factored (ROCA)' : null;
}

const toInteger = (text: string) => BigInt(`0x${Buffer.from(text, 'base64url').toString('hex') || '0'}`);

function isForUse(jwk: JWK, use: KeyRules['use']): boolean {
  if (use === 'jwt-svid') return jwk.use === use && jwk.kid !== undefined;
  return (
    (jwk.use === undefined || jwk.use === use) &&
    (jwk.key_ops === undefined || jwk.key_ops.includes?.('verify') === true)
  );
}

/** Whether a key fits an algorithm: by its type, and by its `alg` where it has one. */
function fits(jwk: JWK, algorithm: string): boolean {
  const wanted: KeyType | undefined = KEY_TYPES[algorithm as PublicKeyAlgorithm];
  if (wanted === undefined || jwk.kty !== wanted.kty || (wanted.crv !== undefined && jwk.crv !== wanted.crv))
    return false;
  return jwk.alg === undefined || jwk.alg === algorithm || (jwk.alg === 'Ed25519' && algorithm === 'EdDSA');
}
