/**
 * How the workload authenticates to an authorization server: with a secret, with a JWT that it signs, or with one
 * that another party signed for it. Files are read for each request, so that a replaced file is used from the next one on.
 */

import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { readSecret, readText, readTokenFile } from '../config/secret-file.ts';
import { ConfigFault } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { DestinationConfig } from './section.ts';

/** A destination's `clientCredentials` or `exchange`: the keys that concern the client. */
export type ServerConfig = NonNullable<
  DestinationConfig['token']['clientCredentials'] | DestinationConfig['token']['exchange']
>;

/** What the credential adds to a token request. */
interface CredentialParts {
  /** Value of Authorization; `null` for none. */
  readonly authorization: string | null;
  readonly parameters: Readonly<Record<string, string>>;
}

/** RFC 7523 §2.2. */
const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
/** Life of an assertion that we sign: it is used at once. */
const ASSERTION_LIFETIME_SEC = 60;
/** RFC 7518 §3.3. */
const MIN_RSA_BITS = 2_048;
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/**
 * Reads the credential as it is now.
 *
 * @throws ConfigFault that names the file when it cannot be used; never with what is in it
 */
export async function readCredential(config: ServerConfig, wallMs: Clock): Promise<CredentialParts> {
  const { clientId, clientSecretFile, privateKeyFile, assertionFile } = config;
  if (clientSecretFile !== undefined) return basic(clientId, await readSecret(clientSecretFile));
  if (assertionFile !== undefined) return assertion(clientId, await readAssertion(assertionFile));
  return assertion(clientId, await signAssertion(config, privateKeyFile as string, wallMs));
}

/** RFC 6749 §2.3.1: both are form-encoded before they are joined. */
function basic(clientId: string, secret: string): CredentialParts {
  const pair = `${formEncoded(clientId)}:${formEncoded(secret)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}`, parameters: {} };
}

const formEncoded = (text: string) => new URLSearchParams({ '': text }).toString().slice(1);

const assertion = (clientId: string, jwt: string): CredentialParts => ({
  authorization: null,
  parameters: { client_id: clientId, client_assertion_type: JWT_BEARER, client_assertion: jwt },
});

async function signAssertion(
  { clientId, keyId, assertionAudience, tokenUrl }: ServerConfig,
  path: string,
  wallMs: Clock,
): Promise<string> {
  const key = await readPrivateKey(path);
  const iatSec = Math.floor(wallMs() / 1_000);
  return new SignJWT()
    .setProtectedHeader({ alg: algorithmOf(key, path), typ: 'JWT', ...(keyId !== undefined && { kid: keyId }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(assertionAudience ?? tokenUrl)
    .setJti(randomUUID())
    .setIssuedAt(iatSec)
    .setExpirationTime(iatSec + ASSERTION_LIFETIME_SEC)
    .sign(key);
}

async function readPrivateKey(path: string): Promise<KeyObject> {
  const pem = await readText(path);
  try {
    return createPrivateKey(pem);
  } catch (cause) {
    throw new ConfigFault(`${path} is not a private key in PEM`, { cause });
  }
}

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' };

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, path: string): string {
  if (asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (asymmetricKeyType === 'rsa') {
    if ((asymmetricKeyDetails?.modulusLength ?? 0) >= MIN_RSA_BITS) return 'RS256';
    throw new ConfigFault(`${path} is an RSA key under ${MIN_RSA_BITS} bits`);
  }
  const algorithm = CURVES[asymmetricKeyDetails?.namedCurve ?? ''];
  if (asymmetricKeyType === 'ec' && algorithm !== undefined) return algorithm;
  throw new ConfigFault(`${path} is not a key of P-256, P-384, P-521, Ed25519 or RSA`);
}

async function readAssertion(path: string): Promise<string> {
  const jwt = await readTokenFile(path);
  if (!COMPACT.test(jwt)) throw new ConfigFault(`${path} is not a JWT`);
  return jwt;
}
