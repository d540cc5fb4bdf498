/** Whether a user whom an identity provider has authenticated may log in here: `allow` of the provider. */

import { Denial } from '../../../../errors.ts';
import type { ProviderSettings } from '../settings.ts';
import { type ClaimDocuments, claimAt, mergedClaims } from './claim-path.ts';
import { mapUser, type ProviderUser } from './mapping.ts';
import { emailDomainOf } from './verified-email.ts';

/** The user whom documents describe, if they may log in; else a Denial `login_not_allowed`, or one of the mapping. */
export function admittedUser(documents: ClaimDocuments, settings: ProviderSettings): ProviderUser | Denial {
  const user = mapUser(documents, settings);
  if (user instanceof Denial) return user;
  const problem = allowProblem(user, documents, settings.allow);
  return problem === null ? user : new Denial('login_not_allowed', problem);
}

/**
 * Which rule keeps a user out.
 *
 * @param allow  every key must hold; `undefined` admits everybody
 * @returns fixed words for the audit stream; `null` when they may log in
 */
export function allowProblem(
  user: ProviderUser,
  documents: ClaimDocuments,
  allow: ProviderSettings['allow'],
): string | null {
  if (allow === undefined) return null;
  const { emailDomains, hostedDomains, groups, claims } = allow;
  if (emailDomains !== undefined) {
    if (user.email === null) return 'allow.emailDomains: no verified email address';
    if (!emailDomains.includes(emailDomainOf(user.email))) return 'allow.emailDomains: address of another domain';
  }
  // A hint in userinfo would do as well, but Google puts it into the signed token.
  if (hostedDomains !== undefined && !isOneOf(documents.idToken?.['hd'], hostedDomains))
    return 'allow.hostedDomains: no account of the domain';
  if (groups !== undefined && !user.groups.some((group) => groups.includes(group)))
    return 'allow.groups: in none of them';
  const all = mergedClaims(documents);
  const isMet = ([path, wanted]: [string, string | boolean | readonly string[]]) =>
    hasValue(claimAt(all, path), wanted);
  return Object.entries(claims ?? {}).every(isMet) ? null : 'allow.claims: a claim has another value';
}

const isOneOf = (value: unknown, wanted: readonly string[]): boolean =>
  typeof value === 'string' && wanted.includes(value.toLowerCase());

/** A claim that is a list has each of its entries. Types have to match: the text "true" is not the value true. */
function hasValue(value: unknown, wanted: string | boolean | readonly string[]): boolean {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return [wanted].flat().some((one) => values.includes(one));
}
