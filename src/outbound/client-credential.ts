/**
 * How the workload authenticates to an authorization server: with a secret, with a JWT that it signs, or with one
 * that another party signed for it. Files are read for each request, so that a replaced file is used from the next one on.
 */

import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose/jwt/sign';
import { readPrivateKey } from '../config/files/private-key.ts';
import { readSecret, readTokenFile } from '../config/files/secret-file.ts';
import { ConfigFault } from '../errors.ts';
import { hasCompactForm } from '../jwt/compact.ts';
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
  const { key, algorithms } = await readPrivateKey(path);
  const iatSec = Math.floor(wallMs() / 1_000);
  return new SignJWT()
    .setProtectedHeader({ alg: algorithms[0], typ: 'JWT', ...(keyId !== undefined && { kid: keyId }) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(assertionAudience ?? tokenUrl)
    .setJti(randomUUID())
    .setIssuedAt(iatSec)
    .setExpirationTime(iatSec + ASSERTION_LIFETIME_SEC)
    .sign(key);
}

async function readAssertion(path: string): Promise<string> {
  const jwt = await readTokenFile(path);
  if (!hasCompactForm(jwt, Number.POSITIVE_INFINITY)) throw new ConfigFault(`${path} is not a JWT`);
  return jwt;
}
