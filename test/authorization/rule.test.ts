/** The `allow` rule: it requires exactly what it states, and accepts nothing that only looks similar. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JSONType } from 'zod';
import { SERVICE_TOKEN } from '../../src/authentication/service-token/kind.ts';
import { SESSION } from '../../src/authentication/session/kind.ts';
import { compileRule } from '../../src/authorization/rule.ts';
import type { AllowConfig } from '../../src/authorization/section.ts';
import type { CredentialTraits, KnownPrincipal, ServicePrincipal, UserPrincipal } from '../../src/principal.ts';
import { parseTestConfig } from '../support/gateway.ts';

const parseAllow = (allow: unknown): AllowConfig => {
  const routes = [{ id: 'app', match: { path: '/' }, credential: 'session', allow }];
  const config = parseTestConfig({ routes });
  return config.routes[0]?.allow as AllowConfig;
};

const judge = (allow: unknown, principal: KnownPrincipal) =>
  compileRule(parseAllow(allow), principal.standsFor === 'service' ? 'service' : 'user')(principal);

const credential = (kind: CredentialTraits) =>
  ({
    kind,
    endsAtMs: Number.POSITIVE_INFINITY,
    streamsEndAtMs: Number.POSITIVE_INFINITY,
    presentedIssuer: null,
    sid: null,
    compact: null,
    claims: null,
  }) as const;

interface Held {
  readonly roles?: readonly string[];
  readonly scopes?: readonly string[];
  readonly subject?: string;
  readonly claims?: Readonly<Record<string, JSONType>>;
}

const user = ({ roles = [], scopes = [], subject = 'alice', claims = {} }: Held): UserPrincipal => ({
  kind: 'user',
  standsFor: 'user',
  issuer: null,
  subject,
  roles: new Set(roles),
  scopes: new Set(scopes),
  claims,
  act: null,
  serviceAccount: null,
  credential: credential(SESSION),
  session: {} as UserPrincipal['session'],
  standing: null,
  tokens: new Map(),
});

const service = ({ roles = [], scopes = [], subject = 'cart', claims = {} }: Held): ServicePrincipal => ({
  kind: 'service',
  issuer: 'cluster',
  tokenIssuer: 'https://cluster.example',
  standsFor: 'service',
  session: null,
  subject,
  roles: new Set(roles),
  scopes: new Set(scopes),
  claims,
  act: null,
  serviceAccount: null,
  credential: credential(SERVICE_TOKEN),
  tokens: new Map(),
});

describe('a rule', () => {
  test.each<[what: string, allow: object, held: Held, verdict: string | null]>([
    ['one of the roles is enough', { roles: ['a', 'b'] }, { roles: ['b'] }, null],
    ['none of the roles', { roles: ['a', 'b'] }, { roles: ['c'] }, 'role'],
    ['no roles at all', { roles: ['a'] }, {}, 'role'],
    ['any: one is enough', { roles: { any: ['a', 'b'] } }, { roles: ['a'] }, null],
    ['all: every one is needed', { roles: { all: ['a', 'b'] } }, { roles: ['a'] }, 'role'],
    ['all: every one is present', { roles: { all: ['a', 'b'] } }, { roles: ['a', 'b', 'c'] }, null],
    [
      'JWT-52: a scope is compared as a whole',
      { scopes: ['read'] },
      { scopes: ['readwrite', 'READ', 'read '] },
      'scope',
    ],
    ['all scopes', { scopes: { all: ['r', 'w'] } }, { scopes: ['w'] }, 'scope'],
    ['a subject that is listed', { subjects: ['alice', 'bob'] }, { subject: 'bob' }, null],
    ['a subject that is not listed', { subjects: ['alice', 'bob'] }, { subject: 'carol' }, 'subject'],
    ['a claim with the value', { claims: { mfa: true } }, { claims: { mfa: true } }, null],
    ['a claim with another value', { claims: { mfa: true } }, { claims: { mfa: false } }, 'claim'],
    ['a claim with the value as a string', { claims: { mfa: true } }, { claims: { mfa: 'true' } }, 'claim'],
    ['a missing claim', { claims: { mfa: true } }, {}, 'claim'],
    ['one of the values is enough', { claims: { tenant: ['a', 'b'] } }, { claims: { tenant: 'b' } }, null],
    ['none of the values', { claims: { tenant: ['a', 'b'] } }, { claims: { tenant: 'c' } }, 'claim'],
    [
      'a claim that is a list, with the value in it',
      { claims: { groups: 'a' } },
      { claims: { groups: ['b', 'a'] } },
      null,
    ],
    ['a claim that is a list, without it', { claims: { groups: 'a' } }, { claims: { groups: ['b', 'aa'] } }, 'claim'],
    ['an empty list', { claims: { groups: 'a' } }, { claims: { groups: [] } }, 'claim'],
    ['JWT-17: a member of Object.prototype', { claims: { constructor: 'x' } }, {}, 'claim'],
    ['every key must match', { roles: ['a'], subjects: ['bob'] }, { roles: ['a'], subject: 'alice' }, 'subject'],
    ['any of several rules', { any: [{ roles: ['a'] }, { subjects: ['bob'] }] }, { subject: 'bob' }, null],
    [
      'none of several rules: the first gives the reason',
      { any: [{ roles: ['a'] }, { subjects: ['bob'] }] },
      {},
      'role',
    ],
    ['all of several rules', { all: [{ roles: ['a'] }, { claims: { mfa: true } }] }, { roles: ['a'] }, 'claim'],
    ['a rule beside any', { roles: ['a'], any: [{ subjects: ['alice'] }] }, { subject: 'alice' }, 'role'],
  ])('%s', (_what, allow, held, verdict) => {
    expect(judge(allow, user(held))).toBe(verdict);
    expect(judge(allow, service(held))).toBe(verdict);
  });

  test('permits exactly those who have what it requires', () => {
    const name = fc.constantFrom('a', 'b', 'c', 'd');
    const names = fc.uniqueArray(name, { minLength: 1 });
    const list = fc.oneof(
      names,
      names.map((any) => ({ any })),
      names.map((all) => ({ all })),
    );
    const has = (wanted: string[] | { any: string[] } | { all: string[] }, held: readonly string[]) =>
      'all' in wanted
        ? wanted.all.every((item) => held.includes(item))
        : ('any' in wanted ? wanted.any : wanted).some((item) => held.includes(item));
    fc.assert(
      fc.property(list, list, fc.uniqueArray(name), fc.uniqueArray(name), (roles, scopes, heldRoles, heldScopes) => {
        const verdict = judge({ roles, scopes }, user({ roles: heldRoles, scopes: heldScopes }));
        const expected = has(roles, heldRoles) ? (has(scopes, heldScopes) ? null : 'scope') : 'role';
        expect(verdict).toBe(expected);
      }),
    );
  });
});

describe('S3: a user and a service with the same name are never confused', () => {
  const at = (issuer: string, over: Partial<ServicePrincipal> = {}): ServicePrincipal => ({
    ...service({ subject: 'cart' }),
    issuer,
    ...over,
  });
  const cart = at('cluster');
  const carts = {
    user: user({ subject: 'cart' }),
    service: cart,
    elsewhere: at('billing'),
    'user of cluster': at('cluster', { standsFor: 'user' }),
    'passed on by cluster': at('cluster', { standsFor: 'other' }),
  };
  const passing = (allow: object, plain: 'user' | 'service') =>
    Object.entries(carts).flatMap(([who, principal]) =>
      compileRule(allow as AllowConfig, plain)(principal) === null ? [who] : [],
    );

  test.each<[entry: unknown, plain: 'user' | 'service', who: string[]]>([
    ['cart', 'user', ['user']],
    ['cart', 'service', ['service', 'elsewhere']],
    [{ user: 'cart' }, 'service', ['user']],
    [{ service: 'cart' }, 'user', ['service', 'elsewhere']],
    [{ service: 'cart', issuer: 'cluster' }, 'service', ['service']],
    [{ user: 'cart', issuer: 'cluster' }, 'service', ['user of cluster']],
    [{ user: 'cart', issuer: 'billing' }, 'service', []],
  ])('%j where a plain name is a %s', (entry, plain, who) => {
    expect(passing({ subjects: [entry] }, plain)).toEqual(who);
    expect(passing({ any: [{ subjects: ['x', entry] }] }, plain)).toEqual(who);
    expect(passing({ all: [{ subjects: [entry, 'x'] }] }, plain)).toEqual(who);
  });
});
