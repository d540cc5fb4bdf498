/** Challenges: the values of WWW-Authenticate (RFC 9110 §11.6.1). */

import { bearerCredential } from './bearer.ts';

/**
 * Writes one challenge.
 *
 * @param parameters  names and values, in this order; the values are quoted as they are, so they must not contain `"` or `\`
 */
export function challenge(
  scheme: 'Basic' | 'Bearer' | 'Session',
  parameters: Readonly<Record<string, string>> = {},
): string {
  const pairs = Object.entries(parameters).map(([name, value]) => `${name}="${value}"`);
  return pairs.length === 0 ? scheme : `${scheme} ${pairs.join(', ')}`;
}

const realm = 'sallyport';

/** A session cookie. The scheme is not registered: it names what is missing and makes no browser ask for a password. */
export const SESSION_CHALLENGE = challenge('Session', { realm });

/**
 * A bearer token of the gateway's realm (RFC 6750 §3.1).
 *
 * @param error  `invalid_token`: the presented one is not accepted, whatever is wrong with it; `insufficient_scope`: it is
 *   valid but lacks a scope; `null`: none was presented
 */
export const bearerChallenge = (error: 'invalid_token' | 'insufficient_scope' | null): string =>
  challenge('Bearer', error === null ? { realm } : { realm, error });

const CLIENT = challenge('Basic', { realm, charset: 'UTF-8' });

/**
 * The challenge for a client that failed to authenticate: in the scheme that it used, Basic if it used neither (RFC 6749 §5.2).
 *
 * @param authorization  value of the Authorization header, untrusted
 */
export function clientChallenge(authorization: string | null): string {
  return authorization !== null && bearerCredential(authorization) !== null ? bearerChallenge('invalid_token') : CLIENT;
}

/** What a route requires of an authentication, as far as a challenge can say it. */
interface RequiredAuthentication {
  /** Joined with spaces; `null` for any. */
  readonly acrValues: string | null;
  /** Whole seconds; `null` for any age. */
  readonly maxAgeSec: number | null;
  /** For people who read it. Printable ASCII without `"` and `\`. */
  readonly description: string;
}

/** The credential is valid, but its user has to authenticate more strongly or more recently (RFC 9470 §3). */
export const stepUpChallenge = (
  scheme: 'Bearer' | 'Session',
  { acrValues, maxAgeSec, description }: RequiredAuthentication,
): string =>
  challenge(scheme, {
    realm,
    error: 'insufficient_user_authentication',
    error_description: description,
    ...(acrValues !== null && { acr_values: acrValues }),
    ...(maxAgeSec !== null && { max_age: String(maxAgeSec) }),
  });
