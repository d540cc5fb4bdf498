/**
 * The files of an identity provider: how the gateway authenticates there (OpenID Connect Core §9, RFC 8705 §2), whom it trusts
 * for TLS, and the logo on its button.
 */

import { type FileReader, type Pair, readCa, readPair } from '../../../config/files/named-files.ts';
import { readPrivateKey } from '../../../config/files/private-key.ts';
import { readSecret } from '../../../config/files/secret-file.ts';
import type { KeyPath } from '../../../config/findings/problem.ts';
import { ConfigFault } from '../../../errors.ts';
import { readLogo } from '../../../pages/logo.ts';
import type { ASSERTION_ALGORITHMS, ProviderConfig } from './section.ts';

/** One of the algorithms that an assertion can be signed with. */
type AssertionAlgorithm = (typeof ASSERTION_ALGORITHMS)[number];

/** What is in the files of one provider. */
export interface ProviderFiles {
  /** `null` without a secret. */
  readonly secret: string | null;
  /** `null` without a key. */
  readonly assertionKey: AssertionKey | null;
  /** Client certificate for TLS; `null` without one. */
  readonly certificate: Pair | null;
  /** PEM; `null` for the CAs of the system. */
  readonly ca: string | null;
  /** A `data:` URI; `null` without a logo. */
  readonly logo: string | null;
}

/** A key for client assertions. */
interface AssertionKey {
  readonly algorithm: AssertionAlgorithm;
  readonly keyId: string | null;
  /** PEM; `null` where the provider does not look for it. */
  readonly certificate: string | null;
  /** PKCS #8, so that two readings of a file can be compared. */
  readonly pem: string;
}

/** Reads the files of one provider. */
export async function readProvider(at: KeyPath, provider: ProviderConfig, reader: FileReader): Promise<ProviderFiles> {
  const { clientSecretFile, clientAssertion, clientCertificate: pair, caFile, logoFile } = provider;
  const readKey = (path: string) => readAssertionKey([...at, 'clientAssertion'], path, clientAssertion);
  const [secret, assertionKey, certificate, ca, logo] = await Promise.all([
    reader.read([...at, 'clientSecretFile'], clientSecretFile, (path) => readSecret(path), null),
    reader.read([...at, 'clientAssertion', 'keyFile'], clientAssertion?.keyFile, readKey, null),
    reader.read(
      [...at, 'clientCertificate', 'keyFile'],
      pair?.keyFile,
      (keyFile) => readPair([...at, 'clientCertificate'], { certFile: pair?.certFile ?? '', keyFile }),
      null,
    ),
    reader.read([...at, 'caFile'], caFile, readCa, null),
    reader.read([...at, 'logoFile'], logoFile, readLogo, null),
  ]);
  return { secret, assertionKey, certificate, ca, logo };
}

async function readAssertionKey(
  at: KeyPath,
  keyFile: string,
  { certFile, algorithm: asked, keyId }: Partial<NonNullable<ProviderConfig['clientAssertion']>> = {},
): Promise<AssertionKey> {
  const { key, algorithms } = await readPrivateKey(keyFile);
  const algorithm = asked ?? (algorithms[0] as AssertionAlgorithm);
  if (!algorithms.includes(algorithm)) throw new ConfigFault(`${keyFile} is not a key for ${algorithm}`);
  const certificate = certFile === undefined ? null : (await readPair(at, { certFile, keyFile })).cert;
  const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { algorithm, keyId: keyId ?? null, certificate, pem };
}
