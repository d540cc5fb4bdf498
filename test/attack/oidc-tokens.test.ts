/**
 * §2.11 of the attack catalogue: what the provider sends. ID tokens, metadata, answers of the token endpoint and of userinfo,
 * and claims about people.
 */

import { describe, expect, test } from 'vitest';
import { PUBLIC_ORIGIN } from '../support/gateway.ts';
import { acceptances, OidcStage, refusals } from './oidc-stage.ts';

const INVALID = 'login_response_invalid';
const UNAVAILABLE = 'provider_unavailable';
const USERINFO = { provider: { userinfo: true } };
/** For rows in which the provider does not answer at all. */
const IMPATIENT = { provider: { timeout: '2s', userinfo: true } };

describe('OIDC-10: ID tokens', () => {
  refusals([
    ['OIDC-10', 'iss-wrong', INVALID, /iss/],
    ['OIDC-10', 'iss-with-slash', INVALID, /iss/],
    ['OIDC-10', 'iss-missing', INVALID, /iss/],
    ['OIDC-10', 'sub-missing', INVALID, /sub/],
    ['OIDC-10', 'sub-empty', INVALID],
    ['OIDC-10', 'sub-not-a-string', INVALID],
    ['OIDC-10', 'sub-too-long', INVALID],
    ['OIDC-10', 'aud-wrong', INVALID, /aud/],
    ['OIDC-10', 'aud-missing', INVALID, /aud/],
    ['OIDC-10', 'aud-prefix', INVALID, /aud/],
    ['OIDC-10', 'aud-several-without-azp', INVALID, /az|aud/],
    ['OIDC-10', 'azp-wrong', INVALID, /azp/],
    ['OIDC-10', 'azp-wrong-single-aud', INVALID, /azp/],
    ['OIDC-10', 'exp-past', 'login_clock_skew'],
    ['OIDC-10', 'exp-missing', INVALID, /exp/],
    ['OIDC-10', 'exp-a-string', INVALID],
    ['OIDC-10', 'iat-missing', INVALID, /iat/],
    ['OIDC-10', 'iat-future', 'login_clock_skew'],
    ['OIDC-10', 'nbf-future', 'login_clock_skew'],
    ['OIDC-10', 'at-hash-wrong', INVALID, /at_hash/],
    ['OIDC-10', 'alg-none', INVALID],
    ['OIDC-10', 'alg-none-mixed-case', INVALID],
    ['OIDC-10', 'alg-none-with-signature', INVALID],
    ['OIDC-10', 'hs256-with-client-secret', INVALID],
    ['OIDC-10', 'hs256-with-public-key', INVALID],
    ['OIDC-10', 'signature-wrong', INVALID, /signature/],
    ['OIDC-10', 'signature-empty', INVALID],
    ['OIDC-10', 'signature-of-other-claims', INVALID, /signature/],
    ['OIDC-10', 'kid-unknown', INVALID],
    ['OIDC-10', 'kid-of-strange-key', INVALID],
    ['OIDC-10', 'key-in-header', INVALID],
    ['OIDC-10', 'jku-in-header', INVALID],
    ['OIDC-10', 'crit-unknown', INVALID],
    ['OIDC-10', 'duplicate-claims', INVALID],
    ['OIDC-10', 'claims-not-an-object', INVALID],
    ['OIDC-10', 'id-token-of-four-parts', INVALID],
    ['OIDC-10', 'id-token-with-whitespace', INVALID],
    ['OIDC-10', 'id-token-not-a-jwt', INVALID],
    ['OIDC-10', 'id-token-not-a-string', INVALID],
    ['OIDC-10', 'id-token-missing', INVALID],
    ['OIDC-10', 'id-token-huge', UNAVAILABLE],
    ['OIDC-10', 'auth-time-a-string', INVALID],
    ['OIDC-10', 'key-for-encryption', UNAVAILABLE],
  ]);
  acceptances([
    ['OIDC-10', 'kid-missing-one-key'],
    ['OIDC-10', 'auth-time-missing'],
    ['OIDC-10', 'key-set-with-strange-keys'],
  ]);

  test('OIDC-10: a key URL in a token header is never fetched', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'jku-in-header' });
    await stage.logIn(stage.browser());
    expect(stage.provider.countOf('keys-of-the-attacker')).toBe(0);
  });
});

describe('OIDC-11: metadata', () => {
  refusals([
    ['OIDC-11', 'discovery-issuer-other', UNAVAILABLE],
    ['OIDC-11', 'discovery-issuer-with-slash', UNAVAILABLE],
    ['OIDC-11', 'discovery-issuer-missing', UNAVAILABLE],
    ['OIDC-11', 'discovery-authorization-endpoint-http', UNAVAILABLE],
    ['OIDC-11', 'discovery-authorization-endpoint-javascript', UNAVAILABLE],
    ['OIDC-11', 'discovery-authorization-endpoint-with-fragment', UNAVAILABLE],
    ['OIDC-11', 'discovery-authorization-endpoint-with-user', UNAVAILABLE],
    ['OIDC-11', 'discovery-authorization-endpoint-missing', UNAVAILABLE],
    ['OIDC-11', 'discovery-token-endpoint-http', UNAVAILABLE],
    ['OIDC-11', 'discovery-token-endpoint-metadata-service', UNAVAILABLE],
    ['OIDC-11', 'discovery-token-endpoint-missing', UNAVAILABLE],
    ['OIDC-11', 'discovery-token-endpoint-not-a-url', UNAVAILABLE],
    ['OIDC-11', 'discovery-userinfo-endpoint-http', UNAVAILABLE],
    ['OIDC-11', 'discovery-jwks-uri-http', UNAVAILABLE],
    ['OIDC-11', 'discovery-jwks-uri-missing', UNAVAILABLE],
    ['OIDC-11', 'discovery-jwks-uri-file', UNAVAILABLE],
    ['OIDC-11', 'discovery-no-code', UNAVAILABLE],
    ['OIDC-11', 'discovery-html', UNAVAILABLE],
    ['OIDC-11', 'discovery-not-json', UNAVAILABLE],
    ['OIDC-11', 'discovery-a-list', UNAVAILABLE],
    ['OIDC-11', 'discovery-404', UNAVAILABLE],
    ['OIDC-11', 'discovery-500', UNAVAILABLE],
    ['OIDC-11', 'discovery-ten-megabytes', UNAVAILABLE],
    ['OIDC-11', 'discovery-endless', UNAVAILABLE],
    ['OIDC-11', 'discovery-redirects', UNAVAILABLE],
    ['OIDC-11', 'key-set-empty', UNAVAILABLE],
    ['OIDC-11', 'key-set-html', UNAVAILABLE],
    ['OIDC-11', 'key-set-500', UNAVAILABLE],
    ['OIDC-11', 'key-set-endless', UNAVAILABLE],
    ['OIDC-11', 'key-set-not-a-set', UNAVAILABLE],
    ['OIDC-11', 'key-set-with-secret', UNAVAILABLE],
  ]);
  refusals([['OIDC-11', 'discovery-silent', UNAVAILABLE]], IMPATIENT);
  acceptances([
    ['OIDC-11', 'discovery-lists-not-lists'],
    ['OIDC-11', 'discovery-prototype'],
  ]);

  test('OIDC-11: the log says what is wrong with the metadata', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'discovery-issuer-with-slash' });
    await stage.logIn(stage.browser());
    expect(stage.gateway.log.text).toMatch(/metadata whose issuer differs in the slash at its end/);
  });

  test('OIDC-11: a redirect of the metadata request is not followed', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'discovery-redirects' });
    await stage.logIn(stage.browser());
    expect(stage.provider.countOf('elsewhere')).toBe(0);
  });
});

describe('OIDC-12: token endpoint', () => {
  refusals([
    ['OIDC-12', 'token-html', INVALID],
    ['OIDC-12', 'token-html-with-json-type', INVALID],
    ['OIDC-12', 'token-ten-megabytes', UNAVAILABLE],
    ['OIDC-12', 'token-endless', UNAVAILABLE],
    ['OIDC-12', 'token-broken-connection', UNAVAILABLE],
    ['OIDC-12', 'token-not-json', INVALID],
    ['OIDC-12', 'token-a-list', INVALID],
    ['OIDC-12', 'token-null', INVALID],
    ['OIDC-12', 'token-redirects', INVALID],
    ['OIDC-12', 'token-redirects-inside', INVALID],
    ['OIDC-12', 'token-500', UNAVAILABLE],
    ['OIDC-12', 'token-503', UNAVAILABLE],
    ['OIDC-12', 'token-429', UNAVAILABLE],
    ['OIDC-12', 'token-invalid-grant', 'login_expired', /invalid_grant/],
    ['OIDC-12', 'token-invalid-client', UNAVAILABLE],
    ['OIDC-12', 'token-error-not-a-string', INVALID],
    ['OIDC-12', 'token-200-with-error', INVALID],
    ['OIDC-12', 'token-type-mac', INVALID, /token.type|parse/],
    ['OIDC-12', 'token-type-missing', INVALID],
    ['OIDC-12', 'expires-in-negative', INVALID],
    ['OIDC-12', 'expires-in-nonsense', INVALID],
    ['OIDC-12', 'access-token-missing', INVALID],
    ['OIDC-12', 'access-token-not-a-string', INVALID],
    ['OIDC-12', 'refresh-token-not-a-string', INVALID],
  ]);
  refusals(
    [
      ['OIDC-12', 'token-silent', UNAVAILABLE, /no whole answer within 2000 ms/],
      ['OIDC-12', 'token-stalled', UNAVAILABLE, /no whole answer within 2000 ms/],
    ],
    IMPATIENT,
  );
  acceptances([
    ['OIDC-12', 'token-type-lower-case'],
    ['OIDC-12', 'expires-in-zero'],
    ['OIDC-12', 'expires-in-huge'],
    ['OIDC-12', 'expires-in-beyond-numbers'],
    ['OIDC-12', 'expires-in-a-string'],
    ['OIDC-12', 'expires-in-missing'],
    ['OIDC-12', 'refresh-token-missing'],
  ]);

  test('OIDC-12: a redirect of the token endpoint is not followed, so the code and the secret do not leak', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'token-redirects' });
    await stage.logIn(stage.browser());
    expect(stage.provider.countOf('token-elsewhere')).toBe(0);
  });

  test('OIDC-12: JSON nested 20,000 deep does not crash the process', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'token-deeply-nested' });
    const browser = stage.browser();
    expect((await stage.logIn(browser)).status).toBe(400);
    await stage.isLoggedOut(browser);
  });
});

describe('OIDC-13: userinfo', () => {
  refusals(
    [
      ['OIDC-13', 'userinfo-sub-wrong', INVALID, /^userinfo: /],
      ['OIDC-13', 'userinfo-sub-missing', INVALID, /^userinfo: /],
      ['OIDC-13', 'userinfo-html', INVALID, /^userinfo: /],
      ['OIDC-13', 'userinfo-a-list', INVALID, /^userinfo: /],
      ['OIDC-13', 'userinfo-401', INVALID, /^userinfo: /],
      ['OIDC-13', 'userinfo-redirects', INVALID, /^userinfo: /],
      ['OIDC-13', 'userinfo-500', UNAVAILABLE],
      ['OIDC-13', 'userinfo-ten-megabytes', UNAVAILABLE],
      ['OIDC-13', 'userinfo-unsigned-jwt', UNAVAILABLE],
    ],
    USERINFO,
  );
  refusals([['OIDC-13', 'userinfo-silent', UNAVAILABLE]], IMPATIENT);

  test('OIDC-13: userinfo does not override the ID token', async () => {
    const attributes = { context: 'acr', issuer: 'iss' };
    await using stage = await OidcStage.start({
      misbehaviour: 'userinfo-other-iss',
      provider: { userinfo: true, attributes },
    });
    const browser = stage.browser();
    await stage.isLoggedIn(browser, await stage.logIn(browser));
    const { user } = JSON.parse((await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`)).body) as { user: object };
    expect(user).toMatchObject({ issuer: stage.provider.issuer });
  });
});

describe('OIDC-17: identity claims', () => {
  const ALLOW = { provider: { allow: { emailDomains: ['example.com'] } } };
  refusals(
    (
      [
        'email-unverified',
        'email-verified-unsaid',
        'email-of-other-domain',
        'email-two-ats',
        'email-quoted-at',
        'email-with-comment',
        'email-of-sub-domain',
        'email-of-longer-domain',
        'email-domain-as-suffix',
        'email-homoglyph',
        'email-full-width',
        'email-kelvin-sign',
        'email-with-newline',
        'email-with-nul',
        'email-a-list',
        'email-an-object',
        'email-missing',
        'email-without-local-part',
      ] as const
    ).map((name) => ['OIDC-17', name, 'login_not_allowed', /^allow\.emailDomains: /] as const),
    ALLOW,
  );
  acceptances([['OIDC-17', 'email-upper-case-domain']], ALLOW);

  test('OIDC-17: an unverified email address does not reach the session', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'email-unverified' });
    const browser = stage.browser();
    await stage.isLoggedIn(browser, await stage.logIn(browser));
    const { user } = JSON.parse((await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`)).body) as { user: object };
    expect(user).not.toHaveProperty('email');
  });

  const GROUPS = { provider: { groups: 'groups', allow: { groups: ['admins'] } } };
  refusals(
    [
      ['OIDC-17', 'groups-a-string', 'login_not_allowed', /allow\.groups/],
      ['OIDC-17', 'groups-with-objects', 'login_not_allowed', /allow\.groups/],
      ['OIDC-17', 'groups-overage', 'login_groups_missing'],
      ['OIDC-17', 'groups-by-thousands', UNAVAILABLE],
    ],
    GROUPS,
  );
  refusals([
    ['OIDC-17', 'sub-with-controls', INVALID],
    ['OIDC-17', 'sub-not-ascii', INVALID],
  ]);

  test.each([
    ['sub-of-local-user', 'corporate|demo'],
    ['sub-with-separator', 'corporate|other|admin'],
  ] as const)('ASVS 10.3.3: %s is prefixed with the name of its provider', async (misbehaviour, subject) => {
    await using stage = await OidcStage.start({ misbehaviour });
    const browser = stage.browser();
    await stage.logIn(browser);
    const who = JSON.parse((await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`)).body) as object;
    expect(who).toMatchObject({ subject });
  });

  test('OIDC-17: unmapped claims do not become attributes, roles or scopes', async () => {
    await using stage = await OidcStage.start({ misbehaviour: 'claims-of-the-gateway', ...USERINFO });
    const browser = stage.browser();
    await stage.logIn(browser);
    const { user } = JSON.parse((await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`)).body) as { user: object };
    expect(Object.keys(user).toSorted()).toEqual(['email', 'name']);
  });
});
