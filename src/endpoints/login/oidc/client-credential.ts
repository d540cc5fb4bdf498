/**
 * The files of an identity provider: how the gateway authenticates there (OpenID Connect Core §9), whom it trusts for TLS, and
 * the logo on its button.
 */

import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { FileReader } from '../../../config/named-files.ts';
import { readCa } from '../../../config/named-files.ts';
import type { KeyPath } from '../../../config/problem.ts';
import { readSecret, readText } from '../../../config/secret-file.ts';
import { ConfigFault } from '../../../errors.ts';
import { readLogo } from '../../../pages/logo.ts';
import { ASSERTION_ALGORITHMS, type ProviderConfig } from './section.ts';

/** One of the algorithms that an assertion can be signed with. */
type AssertionAlgorithm = (typeof ASSERTION_ALGORITHMS)[number];

/** What is in the files of one provider. */
export interface ProviderFiles {
  /** `null` without a secret. */
  readonly secret: string | null;
  /** `null` without a key. */
  readonly assertionKey: AssertionKey | null;
  /** PEM; `null` for the CAs of the system. */
  readonly ca: string | null;
  /** A `data:` URI; `null` without a logo. */
  readonly logo: string | null;
}

/** A key for client assertions. */
interface AssertionKey {
  readonly algorithm: AssertionAlgorithm;
  readonly keyId: string | null;
  /** PKCS #8, so that two readings of a file can be compared. */
  readonly pem: string;
}

/** RFC 7518 §3.3. */
const MIN_RSA_BITS = 2_048;
const CURVES: Readonly<Record<string, AssertionAlgorithm>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

/** Reads the files of one provider. */
export async function readProvider(at: KeyPath, provider: ProviderConfig, reader: FileReader): Promise<ProviderFiles> {
  const { clientSecretFile, clientAssertion, caFile, logoFile } = provider;
  const readKey = (path: string) => readAssertionKey(path, clientAssertion?.algorithm, clientAssertion?.keyId ?? null);
  const [secret, assertionKey, ca, logo] = await Promise.all([
    reader.read([...at, 'clientSecretFile'], clientSecretFile, (path) => readSecret(path), null),
    reader.read([...at, 'clientAssertion', 'keyFile'], clientAssertion?.keyFile, readKey, null),
    reader.read([...at, 'caFile'], caFile, readCa, null),
    reader.read([...at, 'logoFile'], logoFile, readLogo, null),
  ]);
  return { secret, assertionKey, ca, logo };
}

async function readAssertionKey(
  path: string,
  asked: AssertionAlgorithm | undefined,
  keyId: string | null,
): Promise<AssertionKey> {
  const key = await readPrivateKey(path);
  const fitting = algorithmsOf(key, path);
  const algorithm = asked ?? (fitting[0] as AssertionAlgorithm);
  if (!fitting.includes(algorithm)) throw new ConfigFault(`${path} is not a key for ${algorithm}`);
  return { algorithm, keyId, pem: key.export({ type: 'pkcs8', format: 'pem' }).toString() };
}

async function readPrivateKey(path: string): Promise<KeyObject> {
  const pem = await readText(path);
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new ConfigFault(`${path} is not a private key in PEM`, { cause });
  }
}

function algorithmsOf(
  { asymmetricKeyType, asymmetricKeyDetails }: KeyObject,
  path: string,
): readonly AssertionAlgorithm[] {
  if (asymmetricKeyType === 'ed25519') return ['EdDSA'];
  if (asymmetricKeyType === 'rsa') {
    if ((asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS)
      throw new ConfigFault(`${path} is an RSA key under ${MIN_RSA_BITS} bits`);
    return ['RS256', ...ASSERTION_ALGORITHMS.filter((name) => /^[RP]S/.test(name))];
  }
  const algorithm = CURVES[asymmetricKeyDetails?.namedCurve ?? ''];
  if (asymmetricKeyType === 'ec' && algorithm !== undefined) return [algorithm];
  throw new ConfigFault(`${path} is not a key of P-256, P-384, P-521, Ed25519 or RSA`);
}
