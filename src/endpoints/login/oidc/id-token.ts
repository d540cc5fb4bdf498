/**
 * ID tokens (OpenID Connect Core §3.1.3.7). The protocol library checks the claims of one that comes from the token endpoint,
 * but not its signature. Here it is judged again, by the verifier of the gateway: strict form, pinned algorithms, the
 * signature by the provider's own keys, `azp` and `at_hash`.
 */

import { createHash } from 'node:crypto';
import { type DecodedToken, decodeCompact } from '../../../jwt/compact.ts';
import type { KeySet } from '../../../jwt/key-set.ts';
import type { Claims } from '../../../jwt/names.ts';
import { idTokenProfile } from '../../../jwt/profiles.ts';
import { verifyDecoded } from '../../../jwt/verify.ts';
import { TENANT_PLACEHOLDER } from './metadata.ts';

/** What every token of a provider has to fit. */
export interface ExpectedToken {
  /** Of the metadata; may be the template of all Entra tenants. */
  readonly issuer: string;
  readonly clientId: string;
  readonly algorithms: readonly string[];
  readonly clockSkewMs: number;
}

/** What an ID token has to fit. */
interface ExpectedIdToken extends ExpectedToken {
  /** `null` where none is expected: in the answer to a refresh. */
  readonly nonce: string | null;
  /** The access token that came with it. */
  readonly accessToken: string;
}

/** Longest that is read: one with 200 groups of Entra has 11 KB, and other providers have no such limit. */
const MAX_LENGTH = 128 * 1024;

const TENANT_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Verifies an ID token.
 *
 * @param token  untrusted
 * @param nowMs  wall clock
 * @returns its claims, or fixed words that name the rule that it breaks
 * @throws DependencyFault `provider_unavailable`, as a rejection, when there are no keys
 */
export async function verifyIdToken(
  token: string,
  keys: KeySet,
  expected: ExpectedIdToken,
  nowMs: number,
): Promise<Claims | string> {
  const decoded = decodeCompact(token, MAX_LENGTH);
  if (decoded === null) return 'ID token: malformed';
  const issuer = issuerOf(expected.issuer, decoded);
  if (issuer === null) return 'ID token: tid is not a tenant id';
  const profile = idTokenProfile({ ...expected, issuer });
  const verdict = await verifyDecoded(token, decoded, keys, profile, nowMs);
  if (typeof verdict === 'string') return `ID token: ${verdict}`;
  const { claims } = verdict;
  if (expected.nonce !== null && claims['nonce'] !== expected.nonce) return 'ID token: nonce';
  if (!namesUs(claims, expected.clientId)) return 'ID token: azp';
  return fitsAccessToken(claims['at_hash'], decoded, expected.accessToken) ? claims : 'ID token: at_hash';
}

/** The issuer of a tenant (Entra): the template with the tenant that the token itself names; `null` where it names none. */
export function issuerOf(issuer: string, { payload: { tid } }: DecodedToken): string | null {
  if (!issuer.includes(TENANT_PLACEHOLDER)) return issuer;
  return typeof tid === 'string' && TENANT_ID.test(tid) ? issuer.replace(TENANT_PLACEHOLDER, tid) : null;
}

/** A token for several audiences has to name this client in `azp`; one that names another client is refused. */
function namesUs({ aud, azp }: Claims, clientId: string): boolean {
  const isForOthers = Array.isArray(aud) && aud.length > 1;
  return azp === undefined ? !isForOthers : azp === clientId;
}

/** OpenID Connect Core §3.1.3.6: the left half of the hash of the access token; optional here. */
function fitsAccessToken(atHash: unknown, { header }: DecodedToken, accessToken: string): boolean {
  if (atHash === undefined) return true;
  const algorithm = header['alg'] as string;
  const bits = algorithm === 'EdDSA' ? '512' : algorithm.slice(2);
  const digest = createHash(`sha${bits}`).update(accessToken).digest();
  return atHash === digest.subarray(0, digest.byteLength / 2).toString('base64url');
}
