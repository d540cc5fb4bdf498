/**
 * http: the grammar of HTTP headers and their values, read one way everywhere.
 *
 * This file reads the schemes of an Authorization header that carry one secret. Bearer (RFC 6750 §2.1): the scheme is
 * case-insensitive (RFC 9110 §11.1), exactly one space follows, then one token. And the password of Basic (RFC 7617).
 */

import type { Secret } from '../brand.ts';

/** A token that can be sent as a Bearer token. A secret: anyone who has it can use it. It need not be valid. */
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
 * Everything after the Bearer scheme and one space: for secrets that are compared, not parsed.
 *
 * @param authorization  value of an Authorization header, untrusted
 * @returns `null` when the value has another scheme
 */
export function bearerCredential(authorization: string): string | null {
  return SCHEME.test(authorization) ? authorization.slice(SCHEME_LENGTH) : null;
}

/**
 * The password of a Basic credential (RFC 7617 §2), for any user: for secrets that are compared.
 *
 * @param authorization  value of an Authorization header, untrusted
 * @returns `null` when the value has another scheme, or no password
 */
export function basicPassword(authorization: string): string | null {
  const written = /^basic ([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1];
  if (written === undefined) return null;
  const pair = Buffer.from(written, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon === -1 ? null : pair.slice(colon + 1);
}

/** Whether a text can be sent as a Bearer token. */
export function isBearerToken(text: string): text is CompactToken {
  return TOKEN.test(text);
}
