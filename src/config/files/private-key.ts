/** Private keys with which the gateway authenticates elsewhere, in files that a configuration names. */

import type { KeyObject } from 'node:crypto';
import { ConfigFault } from '../../errors.ts';
import { privateKeyIn } from '../../lib/crypto/pem.ts';
import { MIN_RSA_BITS } from '../../lib/crypto/rsa.ts';
import { readText } from './secret-file.ts';

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };
const OF_RSA = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const;

/** A private key, and what it can sign with. */
export interface PrivateKey {
  readonly key: KeyObject;
  /** Names of RFC 7518 and RFC 8037; the first is the usual one. */
  readonly algorithms: readonly [string, ...string[]];
}

/**
 * Reads a private key in PEM: EC P-256, P-384, P-521, Ed25519, or RSA of at least 2,048 bits.
 *
 * @throws ConfigFault that names the file, as a rejection; never with what is in it
 */
export async function readPrivateKey(path: string): Promise<PrivateKey> {
  const key = privateKeyIn(await readText(path));
  if (typeof key === 'string') throw new ConfigFault(`${path} ${key}`);
  return { key, algorithms: algorithmsOf(key, path) };
}

function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, path: string): PrivateKey['algorithms'] {
  if (asymmetricKeyType === 'ed25519') return ['EdDSA'];
  if (asymmetricKeyType === 'rsa') {
    if ((asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS) return OF_RSA;
    throw new ConfigFault(`${path} is an RSA key under ${MIN_RSA_BITS} bits`);
  }
  const algorithm = CURVES[asymmetricKeyDetails?.namedCurve ?? ''];
  if (asymmetricKeyType === 'ec' && algorithm !== undefined) return [algorithm];
  throw new ConfigFault(`${path} is not a key of P-256, P-384, P-521, Ed25519 or RSA`);
}
