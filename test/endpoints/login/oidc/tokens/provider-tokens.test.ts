import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { newSessionId } from '../../../../../src/authentication/session/session-id.ts';
import {
  openTokens,
  type ProviderTokens,
  sealTokens,
  tokensIn,
} from '../../../../../src/endpoints/login/oidc/tokens/provider-tokens.ts';

const SOURCE = { issuer: 'https://id.example.com', endpoints: null, clientId: 'shop' };
const ALL = { refresh: true, access: true, id: true };
const NOW_MS = 1_700_000_000_000;

const answer = (members: Record<string, unknown> = {}) =>
  ({ access_token: 'access', token_type: 'bearer', ...members }) as never;

const text = () => fc.option(fc.string({ unit: 'grapheme', maxLength: 2_000 }));
const anyTokens = (): fc.Arbitrary<ProviderTokens> =>
  fc.record({
    refreshToken: text(),
    idToken: text(),
    accessToken: text(),
    accessUntilMs: fc.option(fc.integer({ min: 0, max: NOW_MS * 2 })),
    nonce: text(),
    confirmedBeforeMs: fc.nat(),
  });

describe('sealed tokens of a provider', () => {
  test('open unchanged with the session id and provider, and never seal to the same text twice', () => {
    fc.assert(
      fc.property(anyTokens(), (tokens) => {
        const id = newSessionId();
        const sealed = sealTokens(tokens, id, SOURCE);
        expect(openTokens(sealed, id, SOURCE)).toEqual(tokens);
        expect(sealTokens(tokens, id, SOURCE)).not.toBe(sealed);
      }),
      { numRuns: 50 },
    );
  });

  const tokens = { ...tokensIn(answer(), ALL, null, NOW_MS), refreshToken: 'refresh' } as ProviderTokens;

  test.each([
    ['another session', newSessionId(), SOURCE],
    ['another issuer', null, { ...SOURCE, issuer: 'https://other.example.com' }],
    ['another client', null, { ...SOURCE, clientId: 'other' }],
  ])('do not open with %s', (_what, otherId, source) => {
    const id = newSessionId();
    expect(openTokens(sealTokens(tokens, id, SOURCE), otherId ?? id, source)).toBeNull();
  });

  test('open by the token endpoint where the provider has no issuer', () => {
    const id = newSessionId();
    const source = { ...SOURCE, issuer: null, endpoints: { token: SOURCE.issuer } as never };
    expect(openTokens(sealTokens(tokens, id, SOURCE), id, source)).toEqual(tokens);
  });

  test('do not open when any byte is changed or missing', () => {
    const id = newSessionId();
    const sealed = Buffer.from(sealTokens(tokens, id, SOURCE), 'base64url');
    for (let at = 0; at < sealed.byteLength; at += 1) {
      const changed = Buffer.from(sealed);
      changed[at] = (changed[at] as number) ^ 1;
      expect(openTokens(changed.toString('base64url'), id, SOURCE)).toBeNull();
      expect(openTokens(sealed.subarray(0, at).toString('base64url'), id, SOURCE)).toBeNull();
    }
    expect(openTokens('', id, SOURCE)).toBeNull();
  });

  test('add 28 bytes to the plaintext and reveal nothing of it', () => {
    const sealed = Buffer.from(sealTokens(tokens, newSessionId(), SOURCE), 'base64url');
    const written = [0, tokens.refreshToken, null, null, tokens.accessToken];
    expect(sealed.byteLength).toBe(JSON.stringify(written).length + 28);
    for (const secret of ['refresh', 'access']) expect(sealed.includes(secret)).toBe(false);
  });
});

describe('the tokens kept from a token response', () => {
  test('are only those that the gateway needs', () => {
    const given = answer({ refresh_token: 'refresh', id_token: 'id', expires_in: 60 });
    const none = {
      refreshToken: null,
      idToken: null,
      accessToken: null,
      accessUntilMs: null,
      nonce: null,
      confirmedBeforeMs: 0,
    };
    const kept = (which: Partial<typeof ALL>) =>
      tokensIn(given, { refresh: false, access: false, id: false, ...which }, null, NOW_MS);
    expect(kept({})).toEqual(none);
    expect(kept({ id: true })).toEqual({ ...none, idToken: 'id' });
    expect(kept({ refresh: true })).toEqual({ ...none, refreshToken: 'refresh' });
    expect(kept({ access: true })).toEqual({ ...none, accessToken: 'access', accessUntilMs: NOW_MS + 54_000 });
  });

  test('REF-14: include the previous refresh token unless the response has a new one', () => {
    const before = tokensIn(answer({ refresh_token: 'first', id_token: 'id' }), ALL, null, NOW_MS);
    expect(tokensIn(answer(), ALL, before, NOW_MS)).toMatchObject({ refreshToken: 'first', idToken: 'id' });
    const rotated = answer({ refresh_token: 'second', id_token: 'newer' });
    expect(tokensIn(rotated, ALL, before, NOW_MS)).toMatchObject({ refreshToken: 'second', idToken: 'newer' });
  });

  test('omit an overlong ID token; any other overlong token is refused', () => {
    expect(tokensIn(answer({ id_token: 'x'.repeat(3_001) }), ALL, null, NOW_MS)).toMatchObject({ idToken: null });
    expect(tokensIn(answer({ id_token: 'x'.repeat(3_000) }), ALL, null, NOW_MS)?.idToken).toHaveLength(3_000);
    expect(tokensIn(answer({ refresh_token: 'x'.repeat(16_385) }), ALL, null, NOW_MS)).toBeNull();
    expect(tokensIn(answer({ access_token: 'x'.repeat(16_385) }), ALL, null, NOW_MS)).toBeNull();
    expect(tokensIn(answer({ refresh_token: 'x'.repeat(16_384) }), ALL, null, NOW_MS)).not.toBeNull();
  });
});
