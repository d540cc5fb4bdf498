/** Reads the keys of issuers that are in files or in the configuration itself. All others are fetched later. */

import { createPublicKey, createSecretKey, type KeyObject, X509Certificate } from 'node:crypto';
import { exportJWK } from 'jose/key/export';
import { type FileReader, readCa } from '../../config/files/named-files.ts';
import { readHs256Secret, readJson, readText } from '../../config/files/secret-file.ts';
import { ConfigFault } from '../../errors.ts';
import { FixedKeySet } from '../../jwt/key-set.ts';
import { type KeyRules, readKeySet } from '../../jwt/verification-keys.ts';
import { keyRules } from './issuer.ts';
import type { IssuerConfig } from './section.ts';

/** Verifies nothing. */
const NO_KEYS = new FixedKeySet([]);

/** @returns the keys of an issuer; `null` where they are elsewhere, or the gateway's own */
export async function readIssuer(name: string, config: IssuerConfig, reader: FileReader): Promise<FixedKeySet | null> {
  const { jwks, jwksFile, publicKeyFile, secretFile, spiffe, fetch } = config;
  const at = ['issuers', name];
  const keysIn = (key: readonly string[], path: string, read: (path: string) => unknown) =>
    reader.read([...at, ...key], path, async () => fixedKeySet(path, await read(path), keyRules(config)), NO_KEYS);
  if (jwks !== undefined) return keysIn(['jwks'], `issuers.${name}.jwks`, () => jwks);
  if (jwksFile !== undefined) return keysIn(['jwksFile'], jwksFile, readJson);
  if (spiffe?.bundleFile !== undefined) return keysIn(['spiffe', 'bundleFile'], spiffe.bundleFile, readJson);
  if (publicKeyFile !== undefined) return keysIn(['publicKeyFile'], publicKeyFile, readPublicKey);
  if (secretFile !== undefined) return reader.read([...at, 'secretFile'], secretFile, readSecretKey, NO_KEYS);
  // It is read again for each fetch.
  await reader.read([...at, 'fetch', 'caFile'], fetch.caFile, readCa, null);
  return null;
}

/**
 * Keys that the operator has written down. One that must not verify anything is a mistake, not something to leave out
 * (JWT-07, JWT-43).
 *
 * @param place  how the fault names where they are
 * @throws ConfigFault
 */
export async function fixedKeySet(place: string, document: unknown, rules: KeyRules): Promise<FixedKeySet> {
  const { keys, refused } = await readKeySet(document, rules).catch((cause: Error) => {
    throw new ConfigFault(`${place} is ${cause.message}`, { cause });
  });
  if (refused.length > 0) throw new ConfigFault(`${place} has ${refused.join(', ')}`);
  if (keys.length === 0) throw new ConfigFault(`${place} has no key for ${rules.algorithms.join(', ')}`);
  return new FixedKeySet(keys);
}

async function readSecretKey(path: string): Promise<FixedKeySet> {
  const byAlgorithm = new Map([['HS256', createSecretKey(await readHs256Secret(path))]]);
  return new FixedKeySet([{ kid: null, thumbprint: 'secret', byAlgorithm }]);
}

async function readPublicKey(path: string): Promise<unknown> {
  const pem = await readText(path);
  try {
    if (pem.includes('PRIVATE KEY')) throw new ConfigFault(`${path} has a private key: give the public one`);
    const key = pem.includes('CERTIFICATE') ? new X509Certificate(pem).publicKey : createPublicKey(pem);
    return { keys: [await exportJWK(key as KeyObject)] };
  } catch (cause) {
    if (cause instanceof ConfigFault) throw cause;
    throw new ConfigFault(`${path} is not a public key or certificate in PEM`, { cause });
  }
}
