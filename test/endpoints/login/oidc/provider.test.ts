/** Provider metadata, and how many logins may begin. */

import { describe, expect, test } from 'vitest';
import { StartThrottle } from '../../../../src/endpoints/login/oidc/flow/start-throttle.ts';
import { readMetadata } from '../../../../src/endpoints/login/oidc/metadata.ts';

const ISSUER = 'https://id.example.com';
const DOCUMENT = {
  issuer: ISSUER,
  authorization_endpoint: `${ISSUER}/authorize`,
  token_endpoint: 'https://token.example.net/token',
  jwks_uri: `${ISSUER}/keys`,
};

describe('metadata', () => {
  test('yields the settings that the gateway uses', () => {
    expect(
      readMetadata(
        {
          ...DOCUMENT,
          id_token_signing_alg_values_supported: ['none', 'HS256', 'ES256', 'RS256'],
          authorization_response_iss_parameter_supported: true,
        },
        ISSUER,
        false,
      ),
    ).toMatchObject({
      issuer: ISSUER,
      tokenEndpoint: 'https://token.example.net/token',
      userinfoEndpoint: null,
      statesIssuer: true,
      idTokenAlgorithms: ['RS256', 'ES256'],
    });
  });

  test.each([
    [{ issuer: 'https://evil.example' }, 'metadata of another issuer'],
    [{ issuer: `${ISSUER}/` }, 'metadata whose issuer differs in the slash at its end'],
    [{ issuer: ['https://id.example.com'] }, 'metadata of another issuer'],
    [{ token_endpoint: 'http://id.example.com/token' }, 'metadata whose token_endpoint is not https'],
    [{ token_endpoint: 'http://127.0.0.1/token' }, 'metadata whose token_endpoint is not https'],
    [{ authorization_endpoint: 'javascript:alert(1)' }, 'metadata whose authorization_endpoint is not https'],
    [{ jwks_uri: 'https://a:b@id.example.com/keys' }, 'metadata whose jwks_uri is not a plain URL'],
    [
      { authorization_endpoint: 'https://id.example.com/#a' },
      'metadata whose authorization_endpoint is not a plain URL',
    ],
    [{ jwks_uri: undefined }, 'metadata without jwks_uri'],
    [{ code_challenge_methods_supported: ['plain'] }, 'metadata of a provider without PKCE by S256'],
    [{ response_types_supported: ['id_token'] }, 'metadata of a provider without response_type=code'],
    [
      { id_token_signing_alg_values_supported: ['HS256', 'none'] },
      'metadata of a provider that signs ID tokens with no public key',
    ],
  ])('OIDC-07, OIDC-11: with %j is refused: %s', (changed, message) => {
    expect(() => readMetadata({ ...DOCUMENT, ...changed }, ISSUER, false)).toThrow(message);
  });

  describe('RFC 8705 §5: endpoint aliases for mutual TLS', () => {
    const aliases = {
      token_endpoint: 'https://mtls.example.com/token',
      userinfo_endpoint: 'https://mtls.example.com/userinfo',
      pushed_authorization_request_endpoint: 'https://mtls.example.com/par',
      revocation_endpoint: 'https://mtls.example.com/revoke',
      authorization_endpoint: 'https://mtls.example.com/authorize',
      jwks_uri: 'https://mtls.example.com/keys',
    };
    const read = (written: unknown, hasCertificate: boolean) =>
      readMetadata({ ...DOCUMENT, mtls_endpoint_aliases: written }, ISSUER, hasCertificate);

    test('replace only the endpoints that the gateway itself calls', () => {
      expect(read(aliases, true)).toMatchObject({
        tokenEndpoint: aliases.token_endpoint,
        userinfoEndpoint: aliases.userinfo_endpoint,
        pushedAuthorizationEndpoint: aliases.pushed_authorization_request_endpoint,
        revocationEndpoint: aliases.revocation_endpoint,
        authorizationEndpoint: DOCUMENT.authorization_endpoint,
        jwksUri: DOCUMENT.jwks_uri,
      });
    });

    test('are not used without a certificate, and endpoints without an alias stay', () => {
      expect(read(aliases, false).tokenEndpoint).toBe(DOCUMENT.token_endpoint);
      expect(read('not looked at', false).tokenEndpoint).toBe(DOCUMENT.token_endpoint);
      expect(read({}, true).tokenEndpoint).toBe(DOCUMENT.token_endpoint);
      expect(read(undefined, true).tokenEndpoint).toBe(DOCUMENT.token_endpoint);
    });

    test.each([
      ['https://mtls.example.com/', 'metadata whose mtls_endpoint_aliases is not an object'],
      [['https://mtls.example.com/'], 'metadata whose mtls_endpoint_aliases is not an object'],
      [{ token_endpoint: 'http://mtls.example.com/token' }, 'metadata whose token_endpoint is not https'],
    ])('OIDC-11: %j are refused: %s', (written, message) => {
      expect(() => read(written, true)).toThrow(message);
    });
  });

  test('may contain an issuer template only for multi-tenant Entra', () => {
    const entra = 'https://login.microsoftonline.com/organizations/v2.0';
    const template = 'https://login.microsoftonline.com/{tenantid}/v2.0';
    expect(readMetadata({ ...DOCUMENT, issuer: template }, entra, false).issuer).toBe(template);
    expect(() => readMetadata({ ...DOCUMENT, issuer: 'https://evil.example/{tenantid}/v2.0' }, entra, false)).toThrow(
      'another',
    );
    expect(() => readMetadata({ ...DOCUMENT, issuer: '{tenantid}' }, ISSUER, false)).toThrow(
      'metadata of another issuer',
    );
  });
});

describe('OIDC-19: login starts', () => {
  const throttle = (clock: { nowMs: number }) => new StartThrottle(3_000, () => clock.nowMs);
  const refusal = { reason: 'rate_limited', headers: ['Retry-After', '1'] };

  test('from one network are limited to those of a large office', () => {
    const clock = { nowMs: 0 };
    const starts = throttle(clock);
    let begun = 0;
    // 1,000 a second, for ten minutes.
    for (let count = 0; count < 600_000; count += 1) {
      clock.nowMs = count;
      if (starts.begin('203.0.113.7') === null) begun += 1;
    }
    expect(begun).toBeGreaterThanOrEqual(5_999);
    expect(begun).toBeLessThanOrEqual(6_001);
    expect(starts.begin('203.0.113.7')).toMatchObject(refusal);
    expect(starts.begin('203.0.113.8')).toBeNull();
  });

  test('from an IPv6 /64 count together, and from a /48 with four times the limit', () => {
    const clock = { nowMs: 0 };
    const starts = throttle(clock);
    const from = (network: number, count: number) =>
      Array.from({ length: count }, (_, index) => starts.begin(`2001:db8:1:${network}::${index.toString(16)}`));
    expect(from(1, 3_000).every((denial) => denial === null)).toBe(true);
    expect(from(1, 1)[0]).toMatchObject(refusal);
    for (const network of [2, 3, 4]) expect(from(network, 3_000).every((denial) => denial === null)).toBe(true);
    expect(from(5, 1)[0]).toMatchObject(refusal);
  });
});
