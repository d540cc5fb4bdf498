/** The challenge for a client of the token endpoint (RFC 9110 §11.6.1). What routes accept has its own in `authentication/`. */

import { bearerCredential } from '../lib/http/bearer.ts';
import { bearerChallenge, challenge } from '../lib/http/challenge.ts';

const CLIENT = challenge('Basic', { realm: 'sallyport', charset: 'UTF-8' });

/**
 * The challenge for a client that failed to authenticate: in the scheme that it used, Basic if it used neither (RFC 6749 §5.2).
 *
 * @param authorization  value of the Authorization header, untrusted
 */
export function clientChallenge(authorization: string | null): string {
  return authorization !== null && bearerCredential(authorization) !== null ? bearerChallenge('invalid_token') : CLIENT;
}
