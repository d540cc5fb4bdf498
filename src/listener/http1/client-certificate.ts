/**
 * What a verified client certificate says about whoever connected. A seam: no route can ask for it yet.
 */

import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { subjectAltNames } from '../../lib/subject-alt-names.ts';

/** A client certificate whose chain was verified against the configured CA. */
export interface ClientCertificate {
  /** Attributes of the subject by short name (`CN`, `O`); several values where it has several. */
  readonly subject: ReadonlyMap<string, readonly string[]>;
  /** The SPIFFE id; `null` when it has none, or more than one URI, which an X.509-SVID must not have. */
  readonly spiffeId: string | null;
  /** SHA-256 of the certificate, in hexadecimal with colons. */
  readonly fingerprint: string;
}

/** SPIFFE ID §2: trust domain and path segments; never `.`, `..` or an empty segment. */
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)*$/;
const MAX_SPIFFE_ID_BYTES = 2_048;

/** The certificate that the client has proven to hold; `null` when it gave none, or one that was not verified. */
export function clientCertificateOf(socket: TLSSocket): ClientCertificate | null {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return certificate === undefined ? null : readClientCertificate(certificate);
}

/**
 * Whether the client gave a certificate that does not verify: then it is refused, also where giving none is allowed.
 */
export function hasBadClientCertificate(socket: TLSSocket): boolean {
  return !socket.authorized && socket.getPeerX509Certificate() !== undefined;
}

/** Reads a certificate by its structure, never by its display strings (TLS-05). */
export function readClientCertificate(certificate: X509Certificate): ClientCertificate {
  return {
    subject: new Map(
      Object.entries(certificate.toLegacyObject().subject).map(([name, value]) => [
        name,
        Array.isArray(value) ? value : [String(value)],
      ]),
    ),
    spiffeId: spiffeIdOf(certificate),
    fingerprint: certificate.fingerprint256,
  };
}

function spiffeIdOf(certificate: X509Certificate): string | null {
  const [uri, ...others] = subjectAltNames(certificate.raw).uris;
  if (uri === undefined || others.length > 0 || uri.length > MAX_SPIFFE_ID_BYTES) return null;
  return SPIFFE_ID.test(uri) ? uri : null;
}
