/** Who a user is, and whether they may log in, by the claims of their provider. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PRESET_NAMES } from '../../../../src/endpoints/login/oidc/presets.ts';
import type { ProviderConfig } from '../../../../src/endpoints/login/oidc/section.ts';
import { withPreset } from '../../../../src/endpoints/login/oidc/settings.ts';
import { allowProblem } from '../../../../src/endpoints/login/oidc/user/allow.ts';
import { claimAt, textsAt } from '../../../../src/endpoints/login/oidc/user/claim-path.ts';
import { mapUser, type ProviderUser } from '../../../../src/endpoints/login/oidc/user/mapping.ts';
import { verifiedEmail } from '../../../../src/endpoints/login/oidc/user/verified-email.ts';
import { Denial } from '../../../../src/errors.ts';

type Claims = Record<string, unknown>;

const settings = (keys: Partial<ProviderConfig> = {}) =>
  withPreset({
    name: 'corporate',
    issuer: 'https://id.example.com',
    clientId: 'shop',
    responseMode: 'query',
    pushedAuthorizationRequests: 'auto',
    authorizationParameters: {},
    trustEmail: false,
    logoutAtProvider: false,
    frontchannelLogout: false,
    clockSkew: 30_000,
    timeout: 10_000,
    refreshEvery: 600_000,
    outageGrace: 3_600_000,
    ...keys,
  });

const map = (idToken: Claims, keys: Partial<ProviderConfig> = {}, userinfo: Claims | null = null) =>
  mapUser({ idToken, userinfo }, settings(keys));

function userOf(idToken: Claims, keys: Partial<ProviderConfig> = {}, userinfo: Claims | null = null): ProviderUser {
  const user = map(idToken, keys, userinfo);
  if (user instanceof Denial) throw new Error(user.note);
  return user;
}

const json = fc.jsonValue({ maxDepth: 3 });
/** Claim names that no object inherits. */
const claimName = fc.stringMatching(/^[a-z_:]{1,12}$/).filter((name) => !(name in {}));
const verified = (email: string) => ({ sub: 'x', email, email_verified: true });

describe('a claim path', () => {
  test('prefers a claim with that exact name, dots included, to a nested one', () => {
    const claims = { 'https://example.com/roles': ['a'], 'a.b': 1, a: { b: 2, c: { d: 3 } } };
    expect(claimAt(claims, 'https://example.com/roles')).toEqual(['a']);
    expect(claimAt(claims, 'a.b')).toBe(1);
    expect(claimAt(claims, 'a.c.d')).toBe(3);
  });

  test('descends into lists only where it says so', () => {
    const claims = { orgs: [{ login: 'a', teams: [{ id: 1 }] }, { login: 'b' }, null, 'c'] };
    expect(claimAt(claims, 'orgs[].login')).toEqual(['a', 'b']);
    expect(claimAt(claims, 'orgs[].teams[].id')).toEqual([1]);
    expect(claimAt(claims, 'orgs.login')).toBeUndefined();
    expect(claimAt(claims, 'orgs.0')).toBeUndefined();
  });

  test('never finds inherited properties and never throws', () => {
    fc.assert(
      fc.property(fc.dictionary(claimName, json), fc.stringMatching(/^[!-~]{1,30}$/), (claims, path) => {
        claimAt(claims, path);
        textsAt(claims, path);
      }),
    );
    for (const path of ['__proto__', 'constructor', 'toString', 'a.constructor.name', 'a.__proto__'])
      expect([path, claimAt({ a: {} }, path)]).toEqual([path, undefined]);
  });

  test('finds a nested claim by its names joined with dots', () => {
    fc.assert(
      fc.property(fc.array(claimName, { minLength: 1, maxLength: 4 }), json, (names, value) => {
        const claims = names.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as Claims;
        expect(claimAt(claims, names.join('.'))).toEqual(value);
      }),
    );
  });

  test('yields the strings of a claim or its list, and nothing else', () => {
    fc.assert(
      fc.property(json, (value) => {
        const texts = textsAt({ groups: value }, 'groups');
        const listed = Array.isArray(value) ? value : [value];
        expect(texts).toEqual(listed.filter((it) => typeof it === 'string' && it !== ''));
      }),
    );
  });
});

describe('a user', () => {
  test('ASVS 10.3.3: has a subject that no other provider can produce', () => {
    const providerName = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,8}[a-z0-9])?$/);
    const sub = fc.stringMatching(/^[!-~](?:[ -~]{0,20}[!-~])?$/);
    fc.assert(
      fc.property(providerName, sub, providerName, sub, (name, one, other, another) => {
        const first = userOf({ sub: one }, { name }).subject;
        const second = userOf({ sub: another }, { name: other }).subject;
        expect(first === second).toBe(name === other && one === another);
      }),
    );
  });

  test.each([
    [undefined],
    [null],
    [''],
    [' ada'],
    ['ada\n'],
    ['a\u0000b'],
    ['\u0430da'],
    ['x'.repeat(256)],
    [1.5],
    [2 ** 53],
    [true],
    [['ada']],
    [{}],
  ])('without a usable subject is refused: %j', (sub) => {
    expect(map({ sub })).toMatchObject({ reason: 'login_response_invalid' });
  });

  test('has the mapped attributes, from the ID token first, without missing ones', () => {
    const user = userOf(
      { sub: 'ada', name: 'Ada', department: null },
      { attributes: { name: 'name', tenant: 'org.id', department: 'department', missing: 'nothing' } },
      { sub: 'ada', name: 'Somebody', org: { id: 7 } },
    );
    expect(user.attributes).toEqual({ name: 'Ada', tenant: 7 });
  });

  test('never has an unverified email attribute, whatever it is mapped from', () => {
    fc.assert(
      fc.property(json, json, (email, isVerified) => {
        const user = userOf({ sub: 'x', mail: email, email_verified: isVerified }, { attributes: { email: 'mail' } });
        if (isVerified !== true && isVerified !== 'true') expect(user.attributes).toEqual({});
        else expect(user.attributes['email'] ?? null).toBe(user.email);
      }),
    );
  });

  test('in too many groups for a session is refused, unless allow names the relevant ones', () => {
    const groups = Array.from({ length: 300 }, (_, index) => `group-${index}`);
    expect(map({ sub: 'x', groups }, { groups: 'groups' })).toMatchObject({ reason: 'login_attributes_too_large' });
    const kept = userOf({ sub: 'x', groups }, { groups: 'groups', allow: { groups: ['group-7', 'other'] } });
    expect(kept.attributes['groups']).toEqual(['group-7']);
  });

  test('from Entra is refused where groups count but the token omits them', () => {
    const overage = { sub: 'x', _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: 'https://x' } } };
    expect(map(overage, { preset: 'entra' })).toMatchObject({ reason: 'login_groups_missing' });
    expect(map({ sub: 'x', hasgroups: true }, { preset: 'entra' })).toMatchObject({ reason: 'login_groups_missing' });
    expect(map(overage)).not.toBeInstanceOf(Denial);
  });
});

describe('OIDC-17: an email address', () => {
  const emailOf = (idToken: Claims | null, userinfo: Claims | null = null, keys: Partial<ProviderConfig> = {}) =>
    verifiedEmail({ idToken, userinfo }, settings(keys));

  test('counts when the same document says that it is verified', () => {
    expect(emailOf(verified('ada@example.com'))).toBe('ada@example.com');
    expect(emailOf({ email: 'ada@example.com', email_verified: 'true' })).toBe('ada@example.com');
    expect(emailOf({ email: 'eve@example.com' }, verified('ada@example.com'))).toBeNull();
    expect(emailOf({ sub: 'x' }, verified('ada@example.com'))).toBe('ada@example.com');
    expect(emailOf({ email_verified: true }, { email: 'ada@example.com' })).toBeNull();
  });

  test('is not verified by other values; for Entra only xms_edov counts', () => {
    for (const value of [false, 'false', 1, '1', 'yes', [true], { a: 1 }, null]) {
      expect([value, emailOf({ email: 'ada@example.com', email_verified: value })]).toEqual([value, null]);
    }
    expect(emailOf({ email: 'ada@example.com', xms_edov: 1 }, null, { preset: 'entra' })).toBe('ada@example.com');
    expect(emailOf(verified('ada@example.com'), null, { preset: 'entra' })).toBeNull();
  });

  test('in a list counts only if the configuration names its document', () => {
    const emails = [{ email: 'admin@example.com', primary: true, verified: true }];
    const endpoints = {
      authorization: 'https://code.example.com/authorize',
      token: 'https://code.example.com/token',
      userinfo: 'https://code.example.com/user',
    };
    const documents = { emails: 'https://code.example.com/emails', orgs: 'https://code.example.com/orgs' };
    expect(emailOf(null, { emails }, { endpoints: { ...endpoints, documents } })).toBe('admin@example.com');
    expect(emailOf(null, { emails }, { endpoints: { ...endpoints, documents: { orgs: documents.orgs } } })).toBeNull();
    expect(emailOf(null, { emails }, { endpoints })).toBeNull();
    expect(emailOf(verified('eve@example.com'), { emails })).toBe('eve@example.com');
    expect(emailOf({ sub: 'x' }, { emails })).toBeNull();
  });

  test.each([
    ['mallory@evil.example@example.com'],
    ['"mallory@evil.example"@example.com'],
    ['mallory@evil.example(@example.com'],
    ['mallory@ex\u0430mple.com'],
    ['mallory@\uff45xample.com'],
    ['mallory@example.com\u0000'],
    ['mallory@evil.example\n@example.com'],
    ['mallory@example.com.'],
    ['mallory@'],
    ['@example.com'],
    ['example.com'],
    ['mallory@localhost'],
    [`${'x'.repeat(250)}@example.com`],
    [['mallory@example.com']],
  ])('is ignored unless its form is plain: %j', (email) => {
    expect(emailOf(verified(email as string))).toBeNull();
  });

  test('admits by its exact domain, regardless of case', () => {
    const allow = { emailDomains: ['example.com'] };
    const problemOf = (email: string) => {
      const idToken = verified(email);
      return allowProblem(userOf(idToken), { idToken, userinfo: null }, allow);
    };
    expect(problemOf('Ada@EXAMPLE.Com')).toBeNull();
    fc.assert(
      fc.property(fc.string({ maxLength: 30 }), fc.string({ maxLength: 30 }), (local, domain) => {
        const email = `${local}@${domain}`;
        const isOurs = /^[\w.!#$%&'*+/=?^`{|}~-]+$/.test(local) && domain.toLowerCase() === 'example.com';
        expect(problemOf(email) === null).toBe(isOurs);
      }),
    );
    for (const domain of ['evil-example.com', 'sub.example.com', 'example.com.evil.example', 'example.co'])
      expect([domain, problemOf(`a@${domain}`)]).toEqual([domain, 'allow.emailDomains: address of another domain']);
  });
});

describe('allow', () => {
  const problemOf = (idToken: Claims, allow: ProviderConfig['allow'], keys: Partial<ProviderConfig> = {}) =>
    allowProblem(userOf(idToken, { allow, ...keys }), { idToken, userinfo: null }, allow);

  test('requires every key to match, with one entry of each list', () => {
    const allow = { groups: ['staff', 'admins'], claims: { tid: ['t1', 't2'], 'a.b': true } };
    const claims = { sub: 'x', groups: ['admins'], tid: 't2', a: { b: true } };
    const keys = { groups: 'groups' };
    expect(problemOf(claims, allow, keys)).toBeNull();
    expect(problemOf({ ...claims, groups: [] }, allow, keys)).toBe('allow.groups: in none of them');
    expect(problemOf({ ...claims, tid: 't3' }, allow, keys)).toBe('allow.claims: a claim has another value');
    expect(problemOf({ ...claims, a: { b: 'true' } }, allow, keys)).toBe('allow.claims: a claim has another value');
    expect(problemOf({ ...claims, tid: ['t3', 't1'] }, allow, keys)).toBeNull();
  });

  test('takes hosted domains only from the signed token', () => {
    const allow = { hostedDomains: ['example.com'] };
    expect(problemOf({ sub: 'x', hd: 'Example.com' }, allow)).toBeNull();
    expect(problemOf({ sub: 'x', hd: 'example.org' }, allow)).toBe('allow.hostedDomains: no account of the domain');
    const userinfo = { sub: 'x', hd: 'example.com' };
    expect(allowProblem(userOf({ sub: 'x' }), { idToken: { sub: 'x' }, userinfo }, allow)).not.toBeNull();
  });

  test('treats a missing claim as having no value', () => {
    fc.assert(
      fc.property(claimName, json, (name, value) => {
        expect(problemOf({ sub: 'x' }, { claims: { [name]: 'wanted' } })).not.toBeNull();
        if (name !== 'sub') expect(problemOf({ sub: 'x', [name]: value }, undefined)).toBeNull();
      }),
    );
  });
});

describe('a preset', () => {
  test.each(PRESET_NAMES)('%s fills in defaults, and configured keys win', (preset) => {
    const written = {
      preset,
      issuer: 'https://id.example.com',
      label: 'Ours',
      scopes: ['openid', 'x'],
      subject: 'oid',
    };
    expect(settings(written)).toMatchObject({
      issuer: 'https://id.example.com',
      endpoints: null,
      label: 'Ours',
      scopes: ['openid', 'x'],
      subject: 'oid',
    });
    expect(settings({ preset }).label).toMatch(/^[A-Z]/);
  });

  test('for Google requests accounts of the admitted domain', () => {
    const google = (hostedDomains: string[]) =>
      settings({ preset: 'google', issuer: undefined, allow: { hostedDomains } }).authorizationParameters;
    expect(google(['example.com'])).toEqual({ hd: 'example.com' });
    expect(google(['example.com', 'example.org'])).toEqual({ hd: '*' });
  });

  test('for Keycloak, Cognito and Entra knows where roles and groups are', () => {
    const keycloak = userOf({ sub: 'x', realm_access: { roles: ['a', 'b'] } }, { preset: 'keycloak' });
    expect(keycloak.attributes['roles']).toEqual(['a', 'b']);
    const cognito = userOf({ sub: 'x', 'cognito:groups': ['g'], 'cognito:username': 'ada' }, { preset: 'cognito' });
    expect(cognito.attributes).toMatchObject({ groups: ['g'], username: 'ada' });
    expect(userOf({ sub: 'x', roles: ['r'], groups: ['g'] }, { preset: 'entra' }).attributes).toMatchObject({
      roles: ['r'],
      groups: ['g'],
    });
  });
});
