import { createLocalJWKSet, jwtVerify } from 'jose';
import { describe, expect, test } from 'vitest';
import { Keyring } from '../../src/token/keyring.ts';
import { generatePrivateJwk, importPrivateJwk } from '../../src/token/signing-key.ts';
import { type MintRequest, TokenIssuer } from '../../src/token/token-issuer.ts';
import { TestClocks } from '../support/clocks.ts';
import { asHandle } from '../support/names.ts';

async function issuer() {
  const clocks = new TestClocks();
  const signing = await importPrivateJwk(await generatePrivateJwk('ES256'), 'ES256');
  const keyring = new Keyring([{ signing, activatesAtMs: 0, createdAtMs: 0 }], 300_000, clocks.wallMs);
  const tokens = new TokenIssuer('https://shop.example.com', keyring, clocks.wallMs);
  const claimsOf = async (compact: string) =>
    jwtVerify(compact, createLocalJWKSet({ keys: [...keyring.published().keys] }), {
      currentDate: new Date(clocks.wallMs()),
    });
  return { clocks, keyring, tokens, signing, claimsOf };
}

const request = (over: Partial<MintRequest> = {}): MintRequest => ({
  subject: 'bob',
  presentedIssuer: null,
  audience: 'stock',
  scopes: new Set(['stock:read', 'stock:write']),
  actor: { sub: 'orders', act: { sub: 'edge' } },
  sid: asHandle('h1'),
  lifetimeMs: 60_000,
  notAfterMs: Number.POSITIVE_INFINITY,
  claims: {},
  typ: 'at+jwt',
  ...over,
});

describe('token issuer', () => {
  test('RFC 8693 §4.1, §4.2: signs subject, audience, scope and the chain of actors', async () => {
    const { tokens, signing, claimsOf } = await issuer();
    const issued = await tokens.issue(request());
    const { payload, protectedHeader } = await claimsOf(issued.compact);
    expect(protectedHeader).toEqual({ alg: 'ES256', kid: signing.kid, typ: 'at+jwt' });
    expect(payload).toMatchObject({
      iss: 'https://shop.example.com',
      sub: 'bob',
      aud: 'stock',
      scope: 'stock:read stock:write',
      act: { sub: 'orders', act: { sub: 'edge' } },
      sid: asHandle('h1'),
      jti: issued.jti,
    });
    expect(payload.exp! - payload.iat!).toBe(60);
    expect(issued).toMatchObject({ expiresAtMs: payload.exp! * 1_000, kid: signing.kid });
  });

  test('omits null values, and lets no mapped claim replace a registered one', async () => {
    const { tokens, claimsOf } = await issuer();
    const forged = {
      presented_iss: 'x',
      sub: 'root',
      aud: 'all',
      iss: 'x',
      exp: 1,
      act: { sub: 'root' },
      sid: 'h9',
      nbf: 1,
      jti: '1',
    };
    const bare = request({
      scopes: new Set(),
      actor: null,
      sid: null,
      claims: { ...forged, scope: 'all', tier: 'gold' },
    });
    const { payload } = await claimsOf((await tokens.issue(bare)).compact);
    expect(payload).toMatchObject({ sub: 'bob', aud: 'stock', iss: 'https://shop.example.com', tier: 'gold' });
    expect(Object.keys(payload).toSorted()).toEqual(['aud', 'exp', 'iat', 'iss', 'jti', 'sub', 'tier']);
  });

  test('does not let a token outlive the bound of its caller', async () => {
    const { clocks, tokens } = await issuer();
    const nowMs = clocks.wallMs();
    const { expiresAtMs } = await tokens.issue(request({ notAfterMs: nowMs + 20_500 }));
    expect(expiresAtMs).toBeLessThanOrEqual(nowMs + 20_500);
    expect(expiresAtMs).toBeGreaterThan(nowMs + 19_000);
  });

  test('no active key is a fault (503)', async () => {
    const { keyring, tokens } = await issuer();
    keyring.replace([]);
    expect(() => tokens.issue(request())).toThrow(expect.objectContaining({ reason: 'signing_key_unavailable' }));
  });
});
