/**
 * crypto: keys, secrets and random ids in their written forms.
 *
 * This file checks certificates and keys in PEM (RFC 7468) before OpenSSL reads them: it treats a CA file without any certificate as
 * empty, and then every handshake fails.
 */

import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';

const CERTIFICATE = /-----BEGIN ((?:TRUSTED |X509 )?CERTIFICATE)-----[^-]*-----END \1-----/g;
const BEGIN = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/g;

/**
 * Reads every certificate of a text, in order.
 *
 * @returns `null` when there is none, or when any of them is malformed
 */
export function readCertificates(pem: string): readonly [X509Certificate, ...X509Certificate[]] | null {
  const blocks = pem.match(CERTIFICATE) ?? [];
  if (blocks.length !== (pem.match(BEGIN)?.length ?? 0)) return null;
  try {
    const [first, ...others] = blocks.map((block) => new X509Certificate(block));
    return first === undefined ? null : [first, ...others];
  } catch {
    return null;
  }
}

/**
 * Reads a private key. Encrypted keys are refused because no one could enter a passphrase.
 *
 * @returns the key, or what is wrong with it, as the rest of a sentence about its file
 */
export function privateKeyIn(pem: string): KeyObject | string {
  if (pem.includes('ENCRYPTED'))
    return 'is encrypted: write the key without a passphrase, readable by the gateway only';
  try {
    return createPrivateKey(pem);
  } catch {
    return 'is not a PEM private key';
  }
}

/** @returns what is wrong with a certificate chain or the key of its leaf, and in which file; `null` when they match */
export function pairProblem(
  certificate: string,
  key: string,
): { readonly of: 'certFile' | 'keyFile'; readonly what: string } | null {
  const chain = readCertificates(certificate);
  if (chain === null) return { of: 'certFile', what: NOT_A_CERTIFICATE };
  const privateKey = privateKeyIn(key);
  if (typeof privateKey === 'string') return { of: 'keyFile', what: privateKey };
  return chain[0].checkPrivateKey(privateKey) ? null : { of: 'keyFile', what: 'is not the key of the certificate' };
}

/**
 * The DNS names of a certificate, in lower case, `*.` ones included.
 *
 * Node quotes every alternative name that could be mistaken for another in the text (CVE-2021-44532); those are left out,
 * since a DNS name needs no quotes (TLS-05).
 */
export const dnsNames = ({ subjectAltName = '' }: X509Certificate): readonly string[] =>
  subjectAltName.split(', ').flatMap((name) => /^DNS:([^"]+)$/.exec(name)?.[1]?.toLowerCase() ?? []);

/** Describes a file for which {@link readCertificates} returns `null`. */
export const NOT_A_CERTIFICATE = 'is not a PEM certificate';
