import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import { describe, expect, test, vi } from 'vitest';
import { compileCredential } from '../../src/authentication/credential.ts';
import { userPrincipal } from '../../src/authentication/session/sessions.ts';
import { Permit } from '../../src/authorization/permit.ts';
import { ANONYMOUS, type UserPrincipal } from '../../src/principal.ts';
import { compileRoutes } from '../../src/routing/route.ts';
import type { UserAttributes } from '../../src/store/session-record.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { Keyring } from '../../src/token/keyring.ts';
import { TokenSeries } from '../../src/token/series.ts';
import {
  generatePrivateJwk,
  importPrivateJwk,
  type SigningAlgorithm,
  secretSigningKey,
} from '../../src/token/signing-key.ts';
import { UpstreamTokens } from '../../src/token/upstream-token.ts';
import { TestClocks } from '../support/clocks.ts';
import { parseTestConfig } from '../support/gateway.ts';
import { asHandle } from '../support/names.ts';

const LIFETIME_MS = 120_000;

const routes = compileRoutes(
  parseTestConfig({
    routes: [
      { id: 'orders', match: { path: '/orders' }, credential: 'session', audience: 'orders' },
      { id: 'cart', match: { path: '/cart' }, credential: 'session', audience: 'cart' },
      { id: 'plain', match: { path: '/plain' }, credential: 'session', upstreamToken: 'none' },
    ],
  }),
  compileCredential,
).entries.map(({ route }) => route);
const routeOf = (id: string) => routes.find((route) => route.id === id)!;

function user(clocks: TestClocks, handle: string, subject: string, attributes: UserAttributes = {}): UserPrincipal {
  const nowMs = clocks.wallMs();
  return userPrincipal({
    handle: asHandle(handle),
    subject,
    user: attributes,
    method: 'password',
    version: 1,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + 12 * 3_600_000,
    lastSeenAtMs: nowMs,
    device: '',
    remembered: false,
    login: null,
  });
}

async function issuer(algorithm: SigningAlgorithm = 'ES256', claims = {}) {
  const clocks = new TestClocks();
  const signing =
    algorithm === 'HS256'
      ? secretSigningKey(Buffer.alloc(32, 7))
      : await importPrivateJwk(await generatePrivateJwk(algorithm), algorithm);
  const keyring = new Keyring([{ signing, activatesAtMs: 0, createdAtMs: 0 }], LIFETIME_MS, clocks.wallMs);
  const series = new TokenSeries(new MetricRegistry());
  const minted = vi.spyOn(series, 'minted');
  const revoked = new Set<unknown>();
  const tokens = new UpstreamTokens(
    { issuer: 'https://shop.example.com', lifetimeMs: LIFETIME_MS, claims },
    keyring,
    { isKnown: ({ jti }) => revoked.has(jti) },
    clocks,
    series,
  );
  return { clocks, keyring, tokens, signing, minted: () => minted.mock.calls.length, revoked };
}

describe('upstream tokens', () => {
  test.each(['ES256', 'EdDSA', 'RS256', 'PS256', 'HS256'] as const)(
    '%s: verify with the published key, name one subject and one audience, and live two minutes',
    async (algorithm) => {
      const { clocks, keyring, tokens, signing } = await issuer(algorithm);
      const token = (await tokens.forPermit(Permit.grant(user(clocks, 'h1', 'bob'), routeOf('orders')))) ?? '';
      const options = {
        currentDate: new Date(clocks.wallMs()),
        audience: 'orders',
        issuer: 'https://shop.example.com',
        algorithms: [algorithm],
      };
      const { payload, protectedHeader } =
        signing.publicJwk === null
          ? await jwtVerify(token, signing.key, options)
          : await jwtVerify(token, createLocalJWKSet({ keys: [...keyring.published().keys] }), options);
      expect(payload).toMatchObject({ sub: 'bob', aud: 'orders', sid: 'h1' });
      expect(payload.exp! - payload.iat!).toBe(120);
      expect(payload.jti).toMatch(/^[0-9a-f-]{36}$/);
      expect(protectedHeader).toEqual({ alg: algorithm, kid: signing.kid, typ: 'JWT' });
      expect(token).not.toContain('=');
    },
  );

  test('are reused for three quarters of their life, then reissued', async () => {
    const { clocks, tokens, minted } = await issuer();
    const permit = Permit.grant(user(clocks, 'h1', 'bob'), routeOf('orders'));
    const first = await tokens.forPermit(permit);
    clocks.advance(89_000);
    expect(tokens.forPermit(permit)).toBe(first);
    clocks.advance(1_001);
    expect(await tokens.forPermit(permit)).not.toBe(first);
    expect(minted()).toBe(2);
  });

  test('S8: from the future are not reused after the clock steps back, unless from the same second', async () => {
    const { clocks, tokens } = await issuer();
    const permit = Permit.grant(user(clocks, 'h1', 'bob'), routeOf('orders'));
    clocks.stepWall(999 - (clocks.wallMs() % 1_000));
    const first = (await tokens.forPermit(permit)) ?? '';
    clocks.stepWall(-999);
    expect(tokens.forPermit(permit)).toBe(first);
    clocks.stepWall(-60_000);
    const second = (await tokens.forPermit(permit)) ?? '';
    expect(second).not.toBe(first);
    expect(decodeJwt(second).iat! * 1_000).toBeLessThanOrEqual(clocks.wallMs());
    expect(tokens.forPermit(permit)).toBe(second);
  });

  test('are not reused once revoked', async () => {
    const { tokens, clocks, revoked } = await issuer();
    const permit = Permit.grant(user(clocks, 'h1', 'bob'), routeOf('orders'));
    const first = (await tokens.forPermit(permit)) ?? '';
    expect(tokens.forPermit(permit)).toBe(first);
    revoked.add(decodeJwt(first).jti);
    const second = (await tokens.forPermit(permit)) ?? '';
    expect(decodeJwt(second).jti).not.toBe(decodeJwt(first).jti);
    expect(tokens.forPermit(permit)).toBe(second);
  });

  test('are kept with the claims by which they can be revoked', async () => {
    const { tokens, clocks } = await issuer();
    const principal = user(clocks, 'h1', 'bob');
    const claims = decodeJwt((await tokens.forPermit(Permit.grant(principal, routeOf('orders')))) ?? '');
    const { iss, sub, iat, jti, sid } = claims;
    expect(principal.tokens.get('orders')?.identity).toEqual({ iss, sub, iat, jti, sid, act: null });
  });

  test('are separate for each audience', async () => {
    const { clocks, tokens } = await issuer();
    const principal = user(clocks, 'h1', 'bob');
    const orders = decodeJwt((await tokens.forPermit(Permit.grant(principal, routeOf('orders')))) ?? '');
    const cart = decodeJwt((await tokens.forPermit(Permit.grant(principal, routeOf('cart')))) ?? '');
    expect([orders.aud, cart.aud]).toEqual(['orders', 'cart']);
    expect(orders.jti).not.toBe(cart.jti);
  });

  test.each(['ES256', 'EdDSA', 'HS256'] as const)(
    '%s: the first token of a user is signed synchronously, and the next request reuses it',
    async (algorithm) => {
      const { clocks, tokens, minted } = await issuer(algorithm);
      const permit = Permit.grant(user(clocks, 'h1', 'bob'), routeOf('orders'));
      const first = tokens.forPermit(permit);
      expect(first).toBeTypeOf('string');
      expect([tokens.forPermit(permit), minted()]).toEqual([first, 1]);
    },
  );

  test.each([
    ['ES256', 100],
    ['RS256', 10],
  ] as const)(
    'SES-15: parallel first requests of many users each get their own user’s one token: %s',
    async (algorithm, users) => {
      const { clocks, tokens, minted } = await issuer(algorithm);
      // Subjects and handles chosen so that naive concatenation of key parts would collide.
      const principals = Array.from({ length: users }, (_, index) =>
        user(clocks, `h${index % 10}`.repeat((index % 3) + 1) + index, `u|${index}`),
      );
      const answers = await Promise.all(
        principals.flatMap((principal) =>
          Array.from({ length: 10 }, async () => [
            principal.subject,
            decodeJwt((await tokens.forPermit(Permit.grant(principal, routeOf('orders')))) ?? '').sub,
          ]),
        ),
      );
      expect(answers.filter(([asked, got]) => asked !== got)).toEqual([]);
      expect(minted()).toBe(users);
    },
  );

  test('never outlive their session', async () => {
    const { clocks, tokens } = await issuer();
    const principal = user(clocks, 'h1', 'bob');
    const ending: UserPrincipal = {
      ...principal,
      credential: { ...principal.credential, endsAtMs: clocks.wallMs() + 30_000 },
    };
    const claims = decodeJwt((await tokens.forPermit(Permit.grant(ending, routeOf('orders')))) ?? '');
    expect(claims.exp! - claims.iat!).toBe(30);
  });

  test('are not minted for a route without a token, or for an anonymous principal', async () => {
    const { clocks, tokens } = await issuer();
    expect(tokens.forPermit(Permit.grant(user(clocks, 'h1', 'bob'), routeOf('plain')))).toBeNull();
    expect(tokens.forPermit(Permit.grant(ANONYMOUS, routeOf('orders')))).toBeNull();
  });

  test('JWT-53: contain user attributes only as data, which cannot add or change a claim', async () => {
    const { clocks, tokens } = await issuer('ES256', {
      email: 'user.email',
      roles: 'user.roles',
      tier: { value: 'gold' },
      nothing: 'user.constructor',
    });
    const principal = user(clocks, 'h1', 'bob","admin":true,"x":"', { email: 'a","sub":"root', roles: ['customer'] });
    const claims = decodeJwt((await tokens.forPermit(Permit.grant(principal, routeOf('orders')))) ?? '');
    expect(claims).toMatchObject({
      sub: 'bob","admin":true,"x":"',
      email: 'a","sub":"root',
      roles: ['customer'],
      tier: 'gold',
    });
    expect(claims).not.toHaveProperty('admin');
    expect(claims).not.toHaveProperty('nothing');
  });

  test('no active key is a fault (503), not a request without a token', async () => {
    const { clocks, keyring, tokens } = await issuer();
    keyring.replace([]);
    expect(() => tokens.forPermit(Permit.grant(user(clocks, 'h1', 'bob'), routeOf('orders')))).toThrow(
      expect.objectContaining({ reason: 'signing_key_unavailable' }),
    );
  });
});
