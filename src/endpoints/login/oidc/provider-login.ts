/** What a session keeps of the login at an identity provider: for logout there, and for routes that ask how the user logged in. */

import type { ProviderLogin } from '../../../store/session-record.ts';
import type { ProviderClaims } from './user/claim-path.ts';

/** Longest text of the provider's that is kept, such as a `sid`. */
export const MAX_KEPT_LENGTH = 255;
/** Most methods that are kept. */
const MAX_METHODS = 8;

/**
 * Reads it from an ID token. A claim that is not in the form of the specification counts as missing.
 *
 * @param subject  at the provider
 * @param claims   of the verified ID token; `null` without one
 */
export function providerLogin(provider: string, subject: string, claims: ProviderClaims | null): ProviderLogin {
  const { sid, auth_time: authTime, acr, amr } = claims ?? {};
  return {
    provider,
    subject,
    sid: shortText(sid),
    authTimeMs:
      typeof authTime === 'number' && Number.isSafeInteger(authTime) && authTime >= 0 ? authTime * 1_000 : null,
    acr: shortText(acr),
    amr: Array.isArray(amr) ? amr.flatMap((method) => shortText(method) ?? []).slice(0, MAX_METHODS) : [],
  };
}

const shortText = (value: unknown): string | null =>
  typeof value === 'string' && value !== '' && value.length <= MAX_KEPT_LENGTH ? value : null;
