/**
 * The `allow` rule of a route, compiled into one function. All keys of a rule must hold; within a list one is enough
 * unless it says `all`. Values are compared whole: `read` does not match `readwrite` (JWT-52).
 */

import type { CredentialRule } from '../authentication/kinds.ts';
import type { KeyPath } from '../config/findings/problem.ts';
import type { JSONType } from '../lib/text/json.ts';
import { claimOf, type KnownPrincipal } from '../principal.ts';
import type { AllowConfig } from './section.ts';

/** Why a rule does not hold; `null` when it does. */
type RuleResult = 'role' | 'scope' | 'subject' | 'claim' | null;
/** Judges a principal that has presented a credential: nobody is refused before a rule is asked. */
export type Rule = (principal: KnownPrincipal) => RuleResult;

type Leaf = Omit<AllowConfig, 'any' | 'all'>;

/** What a plain name in `subjects` names. */
type PlainSubject = 'user' | 'service';

/** What plain names mean on a route: users where people can log in for it, else services. */
export const plainSubjectsOf = ({ accepts }: CredentialRule): PlainSubject =>
  accepts.some(({ kind }) => kind.comesFromLogin) ? 'user' : 'service';

/** Compiles a rule. */
export function compileRule(config: AllowConfig, plain: PlainSubject): Rule {
  const leaf = (part: Leaf) => allOf(leafRules(part, plain));
  const rules = [...leafRules(config, plain), ...(config.all ?? []).map(leaf)];
  if (config.any !== undefined) rules.push(anyOf(config.any.map(leaf)));
  return allOf(rules);
}

function allOf(rules: readonly Rule[]): Rule {
  return (principal) => {
    for (const rule of rules) {
      const result = rule(principal);
      if (result !== null) return result;
    }
    return null;
  };
}

function anyOf(rules: readonly Rule[]): Rule {
  return (principal) => {
    let first: RuleResult = null;
    for (const rule of rules) {
      const result = rule(principal);
      if (result === null) return null;
      first ??= result;
    }
    return first;
  };
}

function leafRules(config: Leaf, plain: PlainSubject): Rule[] {
  const rules: Rule[] = [];
  const { roles, scopes, subjects, serviceAccounts, claims } = config;
  if (roles !== undefined) {
    const has = compileList(roles);
    rules.push((principal) => (has(principal.roles) ? null : 'role'));
  }
  if (scopes !== undefined) {
    const has = compileList(scopes);
    rules.push((principal) => (has(principal.scopes) ? null : 'scope'));
  }
  if (subjects !== undefined) {
    const allows = compileSubjects(subjects, plain);
    rules.push((principal) => (allows(principal) ? null : 'subject'));
  }
  if (serviceAccounts !== undefined) {
    const allowed = compileServiceAccounts(serviceAccounts);
    rules.push(({ serviceAccount }) => (serviceAccount !== null && allowed(serviceAccount) ? null : 'subject'));
  }
  for (const [name, wanted] of Object.entries(claims ?? {})) {
    const accepted = new Set<JSONType>(Array.isArray(wanted) ? wanted : [wanted]);
    rules.push((principal) => (claimHolds(claimOf(principal, name), accepted) ? null : 'claim'));
  }
  return rules;
}

type List = readonly string[] | { readonly any: readonly string[] } | { readonly all: readonly string[] };

/** Compiles a list of criteria: any one suffices, or all must hold. */
export function compileList(list: List): (present: ReadonlySet<string>) => boolean {
  if ('all' in list) return (present) => list.all.every((item) => present.has(item));
  const items = 'any' in list ? list.any : list;
  return (present) => items.some((item) => present.has(item));
}

/**
 * A credential that stands for a user satisfies only a rule about that user, one that stands for a service only a
 * rule about that service (RFC 9700 §4.15), and one that was passed on satisfies neither.
 */
function compileSubjects(
  subjects: NonNullable<Leaf['subjects']>,
  plain: PlainSubject,
): (principal: KnownPrincipal) => boolean {
  const entries = subjects.map((entry) => subjectOf(entry, plain));
  /** By sort and name: the issuers that it may be of; `null` is the only one that there can be. */
  const allowed = { user: new Map<string, readonly (string | null)[]>(), service: new Map(), other: new Map() };
  for (const { sort, name, issuer } of entries) {
    allowed[sort].set(name, [...(allowed[sort].get(name) ?? []), issuer]);
  }
  return ({ standsFor, subject, issuer }) => {
    const issuers = allowed[standsFor].get(subject);
    return issuers !== undefined && (issuers.includes(issuer) || (standsFor === 'service' && issuers.includes(null)));
  };
}

/** An entry of `subjects`. */
export type SubjectEntry = NonNullable<Leaf['subjects']>[number];

/** A rule, and those in its `any` and `all`, with where they are in it. */
export const leavesOf = (allow: AllowConfig): { readonly path: KeyPath; readonly leaf: Leaf }[] => [
  { path: [], leaf: allow },
  ...(['any', 'all'] as const).flatMap((key) =>
    (allow[key] ?? []).map((leaf, index) => ({ path: [key, index], leaf })),
  ),
];

/** The entries of `subjects` in a rule, with where they are in it. */
export const subjectEntries = (allow: AllowConfig): { readonly path: KeyPath; readonly entry: SubjectEntry }[] =>
  leavesOf(allow).flatMap(({ path, leaf: { subjects = [] } }) =>
    subjects.map((entry, index) => ({ path: [...path, 'subjects', index], entry })),
  );

/** An entry of `subjects`, with what it names. `issuer` is `null` for a user of this gateway, and where only one issuer can be meant. */
export function subjectOf(
  entry: SubjectEntry,
  plain: PlainSubject,
): { readonly sort: PlainSubject; readonly name: string; readonly issuer: string | null } {
  if (typeof entry === 'string') return { sort: plain, name: entry, issuer: null };
  const { issuer = null } = entry;
  return 'user' in entry
    ? { sort: 'user', name: entry.user, issuer }
    : { sort: 'service', name: entry.service, issuer };
}

/** `namespace/name`, or `namespace/*` for all of a namespace. */
function compileServiceAccounts(patterns: readonly string[]): (account: string) => boolean {
  const accounts = new Set(patterns.filter((pattern) => !pattern.endsWith('/*')));
  const namespaces = new Set(
    patterns.filter((pattern) => pattern.endsWith('/*')).map((pattern) => pattern.slice(0, -2)),
  );
  return (account) => accounts.has(account) || namespaces.has(account.slice(0, account.indexOf('/')));
}

const claimHolds = (value: JSONType | undefined, accepted: ReadonlySet<JSONType>): boolean =>
  value !== undefined && (Array.isArray(value) ? value.some((item) => accepted.has(item)) : accepted.has(value));
