/**
 * The `allow` rule of a route, compiled into one function. All keys of a rule must hold; within a list one is enough
 * unless it says `all`. Values are compared whole: `read` does not match `readwrite` (JWT-52).
 */

import type { JSONType } from '../lib/json.ts';
import { claimOf, type KnownPrincipal } from '../principal.ts';
import type { AllowConfig } from './section.ts';

/** Why a rule does not hold; `null` when it does. */
type RuleResult = 'role' | 'scope' | 'subject' | 'claim' | null;
/** Judges a principal that has presented a credential: nobody is refused before a rule is asked. */
export type Rule = (principal: KnownPrincipal) => RuleResult;

type Leaf = Omit<AllowConfig, 'any' | 'all'>;

/** Compiles a rule. */
export function compileRule(config: AllowConfig): Rule {
  const rules = [...leafRules(config), ...(config.all ?? []).map((leaf) => allOf(leafRules(leaf)))];
  if (config.any !== undefined) rules.push(anyOf(config.any.map((leaf) => allOf(leafRules(leaf)))));
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

function leafRules(config: Leaf): Rule[] {
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
    const allowed = new Set(subjects);
    rules.push((principal) => (allowed.has(principal.subject) ? null : 'subject'));
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

function compileList(list: List): (present: ReadonlySet<string>) => boolean {
  if ('all' in list) return (present) => list.all.every((item) => present.has(item));
  const items = 'any' in list ? list.any : list;
  return (present) => items.some((item) => present.has(item));
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
