/**
 * The email address of a user, if their provider has verified it. Nothing else is ever taken for an address: an unverified
 * one can be another person's (OIDC-17).
 */

import { isJsonObject } from '../../../../lib/text/json.ts';
import type { ProviderSettings } from '../settings.ts';
import { type ClaimDocuments, claimAt, type ProviderClaims } from './claim-path.ts';

/**
 * One `@`, ASCII on both sides. Quoted local parts, comments, and names in other scripts, which can look like Latin ones, are
 * refused.
 */
const ADDRESS = /^(?<local>[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})@(?<domain>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)$/;
/** RFC 5321 §4.5.3.1.3. */
const MAX_LENGTH = 254;

type EmailSettings = Pick<ProviderSettings, 'endpoints' | 'attributes' | 'emailVerified' | 'trustEmail'>;

/** The verified address, as the provider writes it; `null` where there is none. */
export function verifiedEmail({ idToken, userinfo }: ClaimDocuments, settings: EmailSettings): string | null {
  const { endpoints, attributes, emailVerified, trustEmail } = settings;
  // Only the document that the configuration names: a claim of that name may be what users say about themselves.
  const listed = endpoints?.documents?.['emails'] === undefined ? null : listedAddress(userinfo);
  if (listed !== null) return listed;
  const path = attributes['email'] ?? 'email';
  // What says that the address is verified has to be in the document that has the address.
  const source = [idToken, userinfo].find((document) => document !== null && claimAt(document, path) !== undefined);
  if (source == null || !(trustEmail || isTrue(claimAt(source, emailVerified), emailVerified))) return null;
  return readAddress(claimAt(source, path));
}

/** The domain of a verified address, in lower case. */
export const emailDomainOf = (email: string): string => email.slice(email.lastIndexOf('@') + 1).toLowerCase();

/** The primary verified address of a list in GitHub's format (`GET /user/emails`). */
function listedAddress(userinfo: ProviderClaims | null): string | null {
  const list = userinfo?.['emails'];
  if (!Array.isArray(list)) return null;
  const primary: unknown = list.find(
    (entry: unknown) => isJsonObject(entry) && entry['primary'] === true && entry['verified'] === true,
  );
  return isJsonObject(primary) ? readAddress(primary['email']) : null;
}

/** Cognito writes "true", and Entra writes its own claim as 1, too. */
const isTrue = (value: unknown, claim: string): boolean =>
  value === true || value === 'true' || (claim === 'xms_edov' && (value === 1 || value === '1'));

const readAddress = (value: unknown): string | null =>
  typeof value === 'string' && value.length <= MAX_LENGTH && ADDRESS.test(value) ? value : null;
