/**
 * The Bearer scheme of an Authorization header (RFC 6750 §2.1), read one way everywhere: the scheme is case-insensitive
 * (RFC 9110 §11.1), exactly one space follows, then one token.
 */

import type { Secret } from './brand.ts';

/** A token that can be sent as a Bearer token. Who has it can use it: it is a secret. Nothing says that it is valid. */
export type CompactToken = Secret<'CompactToken'>;

const SCHEME = /^bearer /i;
/** `b64token`: what an access token may consist of. */
const TOKEN = /^[A-Za-z0-9._~+/-]+=*$/;
const SCHEME_LENGTH = 'Bearer '.length;

/**
 * The token of a Bearer credential.
 *
 * @param authorization  value of an Authorization header, untrusted
 * @returns `null` unless the value is exactly one Bearer token
 */
export function bearerToken(authorization: string): CompactToken | null {
  const credential = bearerCredential(authorization);
  return credential !== null && isBearerToken(credential) ? credential : null;
}

/**
 * Whatever follows the Bearer scheme and one space: for secrets that are compared, not parsed.
 *
 * @param authorization  value of an Authorization header, untrusted
 * @returns `null` when the value has another scheme
 */
export function bearerCredential(authorization: string): string | null {
  return SCHEME.test(authorization) ? authorization.slice(SCHEME_LENGTH) : null;
}

/** Whether a text can be sent as a Bearer token. */
export function isBearerToken(text: string): text is CompactToken {
  return TOKEN.test(text);
}
