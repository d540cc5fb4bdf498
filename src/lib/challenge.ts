/** Challenges: the values of WWW-Authenticate (RFC 9110 §11.6.1). */

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
