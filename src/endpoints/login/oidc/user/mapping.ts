/**
 * user: who the user is, and whether they may log in: the claims of an identity provider in, subject and attributes of a
 * session out.
 *
 * The claims were verified, but may have any form. Never throws.
 */

import { Denial } from '../../../../errors.ts';
import type { JSONType } from '../../../../lib/text/json.ts';
import type { UserAttributes } from '../../../../store/session-record.ts';
import { areTooLarge } from '../../user-attributes.ts';
import type { ProviderSettings } from '../settings.ts';
import { type ClaimDocuments, claimAt, mergedClaims, type ProviderClaims, textsAt } from './claim-path.ts';
import { verifiedEmail } from './verified-email.ts';

/** A user whom a provider has authenticated, as the gateway sees them. */
export interface ProviderUser {
  /** At the provider. */
  readonly providerSubject: string;
  /** Here: no two providers, and no user of the gateway's own, can have the same. */
  readonly subject: string;
  readonly attributes: UserAttributes;
  /** Every group that the provider states. */
  readonly groups: readonly string[];
  /** `null` unless it is verified. */
  readonly email: string | null;
}

type MappingSettings = Pick<
  ProviderSettings,
  | 'name'
  | 'preset'
  | 'endpoints'
  | 'subject'
  | 'attributes'
  | 'roles'
  | 'groups'
  | 'emailVerified'
  | 'trustEmail'
  | 'allow'
>;

/** OpenID Connect Core §2: at most 255 ASCII characters. */
const MAX_SUBJECT_LENGTH = 255;
/** Without white space around it. */
const SUBJECT = /^[!-~](?:[ -~]*[!-~])?$/;

const invalid = (note: string) => new Denial('login_response_invalid', note);
const NO_SUBJECT = invalid('no usable claim for the subject');
const TOO_LARGE = new Denial('login_attributes_too_large', 'attributes of the user exceed 2,048 bytes');
const OVERAGE = new Denial('login_groups_missing', 'Entra left the groups out of the token, as there are too many');

/**
 * Maps claims to a user.
 *
 * @returns the user, or a Denial `login_response_invalid` | `login_attributes_too_large` | `login_groups_missing`
 */
export function mapUser(documents: ClaimDocuments, settings: MappingSettings): ProviderUser | Denial {
  const claims = mergedClaims(documents);
  const providerSubject = subjectOf(claimAt(claims, settings.subject));
  if (providerSubject === null) return NO_SUBJECT;
  if (lacksGroups(claims, settings)) return OVERAGE;
  const groups = settings.groups === null ? [] : textsAt(claims, settings.groups);
  const email = verifiedEmail(documents, settings);
  const attributes = {
    ...mappedAttributes(claims, settings.attributes),
    ...(settings.attributes['email'] !== undefined && email !== null && { email }),
    ...(settings.roles !== null && { roles: [...new Set(textsAt(claims, settings.roles))] }),
    ...(settings.groups !== null && { groups: keptGroups(groups, settings) }),
  };
  if (areTooLarge(attributes)) return TOO_LARGE;
  return { providerSubject, subject: `${settings.name}|${providerSubject}`, attributes, groups, email };
}

/** Printable ASCII (OpenID Connect Core §2), or a whole number, as GitHub sends it. */
function subjectOf(value: unknown): string | null {
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  return typeof text === 'string' && text.length <= MAX_SUBJECT_LENGTH && SUBJECT.test(text) ? text : null;
}

/** Claims that are not there are left out, and so is `email`, which only {@link verifiedEmail} gives. */
function mappedAttributes(claims: ProviderClaims, paths: Readonly<Record<string, string>>): Record<string, JSONType> {
  const found = Object.entries(paths).flatMap(([name, path]): [string, JSONType][] => {
    const value = name === 'email' ? undefined : claimAt(claims, path);
    return value === undefined || value === null ? [] : [[name, value as JSONType]];
  });
  return Object.fromEntries(found);
}

/** A user may be in hundreds of groups: where the configuration names those that matter, only those are kept. */
function keptGroups(groups: readonly string[], { allow }: MappingSettings): string[] {
  const named = allow?.groups;
  return [...new Set(named === undefined ? groups : groups.filter((group) => named.includes(group)))];
}

/**
 * Entra replaces more than 200 groups by a pointer to Microsoft Graph (`_claim_names`). A user who is in a group must not
 * be treated as if they were not.
 */
function lacksGroups(claims: ProviderClaims, { groups, roles }: MappingSettings): boolean {
  const names = claims['_claim_names'];
  const isDistributed = (path: string | null) =>
    path !== null && typeof names === 'object' && names !== null && Object.hasOwn(names, path);
  return isDistributed(groups) || isDistributed(roles) || (groups === 'groups' && claims['hasgroups'] === true);
}
