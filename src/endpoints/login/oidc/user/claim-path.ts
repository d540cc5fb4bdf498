/**
 * Claim paths: how a configuration names a claim of an ID token or of userinfo.
 *
 * A path is the exact name of a claim (`cognito:groups`, `https://example.com/roles`), or, where there is no claim of that
 * name, names joined with dots that lead into objects (`realm_access.roles`). `[]` after a name takes the rest of the path
 * from each entry of a list (`orgs[].login`).
 */

import { isJsonObject } from '../../../../lib/text/json.ts';

/** Claims from outside, of unknown form. */
export type ProviderClaims = Readonly<Record<string, unknown>>;

/** What a provider says about a user, by the document that says it. */
export interface ClaimDocuments {
  /** Of the ID token; `null` without one. */
  readonly idToken: ProviderClaims | null;
  /** Of the userinfo endpoint, with further documents by their names; `null` where it was not asked. */
  readonly userinfo: ProviderClaims | null;
}

/** The claims of all documents as one; where two documents have the same claim, that of the signed ID token counts. */
export const mergedClaims = ({ idToken, userinfo }: ClaimDocuments): ProviderClaims => ({ ...userinfo, ...idToken });

/** The form of a path: printable ASCII without spaces. */
export const CLAIM_PATH = /^[\x21-\x7e]+$/;

/** The value of claims at a path; `undefined` where there is none. Looks at own members only. */
export const claimAt = (claims: ProviderClaims, path: string): unknown =>
  Object.hasOwn(claims, path) ? claims[path] : walk(claims, path.split('.'));

function walk(value: unknown, [part, ...rest]: readonly string[]): unknown {
  if (part === undefined) return value;
  if (!isJsonObject(value)) return undefined;
  const isList = part.endsWith('[]');
  const name = isList ? part.slice(0, -2) : part;
  if (!Object.hasOwn(value, name)) return undefined;
  const found = value[name];
  if (!isList) return walk(found, rest);
  return Array.isArray(found) ? found.flatMap((entry) => walk(entry, rest) ?? []) : undefined;
}

/** The texts at a path, for roles and groups: of a string or a list of strings; other values are skipped. */
export function textsAt(claims: ProviderClaims, path: string): readonly string[] {
  const found = claimAt(claims, path);
  const list = Array.isArray(found) ? found : [found];
  return list.filter((entry) => typeof entry === 'string' && entry !== '') as string[];
}
