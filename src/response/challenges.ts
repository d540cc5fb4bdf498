/** The challenges of the gateway (RFC 9110 §11.6.1), one for each kind of credential it accepts. */

import { bearerCredential } from '../lib/bearer.ts';
import { challenge } from '../lib/challenge.ts';

const realm = 'sallyport';

/** A session cookie. The scheme is not registered: it names what is missing and makes no browser ask for a password. */
export const SESSION = challenge('Session', { realm });
/** A service token. */
export const BEARER = challenge('Bearer', { realm });
/** RFC 6750 §3.1: the presented token is not accepted, whatever is wrong with it. */
export const INVALID_TOKEN = challenge('Bearer', { realm, error: 'invalid_token' });
/** RFC 6750 §3.1: the presented token is good but lacks a scope. */
export const INSUFFICIENT_SCOPE = challenge('Bearer', { realm, error: 'insufficient_scope' });

const CLIENT = challenge('Basic', { realm, charset: 'UTF-8' });

/**
 * The challenge for a client that failed to authenticate: in the scheme that it used, Basic if it used neither (RFC 6749 §5.2).
 *
 * @param authorization  value of the Authorization header, untrusted
 */
export function clientChallenge(authorization: string | null): string {
  return authorization !== null && bearerCredential(authorization) !== null ? INVALID_TOKEN : CLIENT;
}
