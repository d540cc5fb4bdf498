/** The identity provider's access token in a header of a route (`providerToken`). */

import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { OidcStage } from '../../../../attack/oidc-stage.ts';
import type { PlainBrowser } from '../../../../support/browsers/plain-browser.ts';
import { TestClocks } from '../../../../support/clocks.ts';
import { PUBLIC_ORIGIN } from '../../../../support/gateway.ts';
import { until } from '../../../../support/until.ts';

const clocks = new TestClocks();
let stage: OidcStage;

beforeAll(async () => {
  stage = await OidcStage.start({
    clocks,
    provider: { refreshEvery: '1d' },
    config: { session: { idleTimeout: '10h', absoluteTimeout: '12h' } },
    routes: [
      { id: 'mail', match: { path: '/mail' }, credential: 'session', providerToken: 'X-Provider-Token' },
      {
        id: 'graph',
        match: { path: '/graph' },
        credential: 'session',
        providerToken: 'Authorization',
        tokenHeader: 'X-Gateway-Token',
      },
      { id: 'app', match: { path: '/' }, credential: { session: 'optional' } },
    ],
  });
});
afterAll(() => stage[Symbol.asyncDispose]());
beforeEach(() => {
  stage.provider.reform();
  clocks.advance(30_000);
});

async function loggedIn(): Promise<PlainBrowser> {
  const browser = stage.browser();
  expect((await browser.open(`${PUBLIC_ORIGIN}/auth/login?provider=corporate&return_to=%2F`)).status).toBe(200);
  return browser;
}

/** Requests a path. Returns the status, and the values of a header that the upstream got. */
async function sent(browser: PlainBrowser, path: string, header: string, headers: Record<string, string> = {}) {
  stage.upstream.reset();
  const { status } = await browser.fetch(`${PUBLIC_ORIGIN}${path}`, headers);
  return [status, ...(stage.upstream.requests[0]?.values(header) ?? [])];
}

const refreshes = () =>
  stage.provider.calls.filter(({ parameters }) => parameters.get('grant_type') === 'refresh_token').length;
const isGiven = (token: unknown) => stage.provider.secrets.includes(String(token));

/** How often `work` reads tokens from the store. */
async function reads(work: () => Promise<unknown>): Promise<number> {
  const { sealedTokens } = stage.gateway.gateway.longLived.store;
  const original = sealedTokens.get;
  let count = 0;
  sealedTokens.get = (handle) => {
    count += 1;
    return original.call(sealedTokens, handle);
  };
  await work();
  sealedTokens.get = original;
  return count;
}

describe('the access token of the provider', () => {
  test('is sent in the header that the route configures, and in no other', async () => {
    const browser = await loggedIn();
    const [status, token, ...more] = await sent(browser, '/mail', 'x-provider-token');
    expect([status, isGiven(token), more]).toEqual([200, true, []]);
    expect(await sent(browser, '/graph', 'authorization')).toEqual([200, `Bearer ${token}`]);
    expect((await sent(browser, '/graph', 'x-gateway-token'))[1]).toMatch(/^ey/);
    expect(await sent(browser, '/', 'x-provider-token')).toEqual([200]);
    expect((await sent(browser, '/', 'authorization'))[1]).not.toContain(token);
  });

  test('HDR-07: never comes from the client, on any route, in any spelling', async () => {
    const browser = await loggedIn();
    for (const name of ['X-Provider-Token', 'x_provider.token']) {
      const forged = { [name]: 'forged' };
      for (const path of ['/mail', '/']) {
        await sent(browser, path, 'x-provider-token', forged);
        expect(stage.upstream.requests[0]?.head).not.toContain('forged');
      }
    }
  });

  test('is read from the store once, and only on routes that use it', async () => {
    const browser = await loggedIn();
    expect(await reads(() => sent(browser, '/', 'x'))).toBe(0);
    expect(await reads(() => sent(browser, '/mail', 'x'))).toBe(1);
    expect(await reads(() => sent(browser, '/mail', 'x'))).toBe(0);
    expect(await reads(() => sent(browser, '/graph', 'x'))).toBe(0);
  });

  test('is renewed before it expires, once for all requests that need it', async () => {
    const browser = await loggedIn();
    const [, first] = await sent(browser, '/mail', 'x-provider-token');
    // It lives for 300 s.
    clocks.advance(269_000);
    expect((await sent(browser, '/mail', 'x-provider-token'))[1]).toBe(first);
    clocks.advance(2_000);
    const before = refreshes();
    stage.upstream.reset();
    await Promise.all(Array.from({ length: 5 }, () => browser.fetch(`${PUBLIC_ORIGIN}/mail`)));
    const tokens = new Set(stage.upstream.requests.flatMap(({ values }) => values('x-provider-token')));
    expect(tokens).toHaveLength(1);
    expect([tokens.has(String(first)), isGiven([...tokens][0]), refreshes()]).toEqual([false, true, before + 1]);
  });

  test('REF-12: is renewed at most once a second, even if it expires at once', async () => {
    const browser = await loggedIn();
    clocks.advance(300_000);
    stage.provider.misbehave('refresh-expires-at-once');
    const before = refreshes();
    for (let count = 0; count < 5; count += 1) await sent(browser, '/mail', 'x');
    expect(refreshes()).toBe(before + 1);
  });

  test('that cannot be renewed leads to a 503 and logs nobody out', async () => {
    const browser = await loggedIn();
    clocks.advance(300_000);
    stage.provider.misbehave('refresh-500');
    expect(await sent(browser, '/mail', 'x-provider-token')).toEqual([503]);
    expect((await sent(browser, '/', 'x'))[0]).toBe(200);
    stage.provider.reform();
    clocks.advance(10_000);
    const [status, token] = await sent(browser, '/mail', 'x-provider-token');
    expect([status, isGiven(token)]).toEqual([200, true]);
  });

  test('is omitted when the provider refuses to renew it, and the session continues', async () => {
    const browser = await loggedIn();
    clocks.advance(300_000);
    stage.provider.misbehave('refresh-invalid-grant');
    expect(await sent(browser, '/mail', 'x-provider-token')).toEqual([200]);
    const before = refreshes();
    expect(await sent(browser, '/mail', 'x-provider-token')).toEqual([200]);
    expect(refreshes()).toBe(before);
  });

  test('is omitted for users who logged in without the provider', async () => {
    const browser = stage.browser();
    browser.cookies.put('shop.example.com', '__Host-sid', await stage.gateway.sessionId());
    expect(await sent(browser, '/mail', 'x-provider-token')).toEqual([200]);
  });
});

describe('RFC 7009: a logout', () => {
  const revoked = () => stage.provider.calls.filter(({ endpoint }) => endpoint === 'revoke');

  /** Logs out as a program does. */
  const logOut = (browser: PlainBrowser) => browser.submit({ ...blank, body: LOGOUT_FORM });
  const LOGOUT_FORM = '<form method="post" action="/auth/logout"></form>';
  const blank = { url: new URL(`${PUBLIC_ORIGIN}/auth/logout`), status: 200, headers: {}, setCookies: [] };

  test('revokes the refresh token at the provider, in the background', async () => {
    const browser = await loggedIn();
    const before = revoked().length;
    await logOut(browser);
    await until(() => revoked().length > before, 'it is revoked');
    const [call] = revoked().slice(-1);
    expect(call?.parameters.get('token_type_hint')).toBe('refresh_token');
    expect(isGiven(call?.parameters.get('token'))).toBe(true);
    expect(call?.headers.authorization).toMatch(/^Basic /);
    const text = 'provider_token_revocations_total{provider="corporate",outcome="revoked"} 1';
    await until(async () => (await stage.gateway.metrics.text()).includes(text), 'it is counted');
  });
});

test('no provider token is in a log, metric, error, page or the store', async () => {
  const browser = await loggedIn();
  await sent(browser, '/mail', 'x-provider-token');
  const { sealedTokens, sessions } = stage.gateway.gateway.longLived.store;
  const [record] = (await sessions.list('corporate|mallory-1')).slice(-1);
  const sealed = (await sealedTokens.get(record?.handle as never))?.value ?? '';
  expect(sealed.length).toBeGreaterThan(100);
  // What people and programs are shown, while the provider is up and while it is down.
  const shown = [
    await browser.open(`${PUBLIC_ORIGIN}/auth/sessions`),
    await browser.open(`${PUBLIC_ORIGIN}/auth/session`),
  ];
  clocks.advance(300_000);
  stage.provider.misbehave('refresh-500');
  shown.push(await browser.open(`${PUBLIC_ORIGIN}/mail`), await browser.fetch(`${PUBLIC_ORIGIN}/mail`));
  expect(shown.map(({ status }) => status)).toEqual([200, 200, 503, 503]);
  const seen = [
    ...shown.map(({ headers, body }) => JSON.stringify([headers, body])),
    stage.gateway.log.text,
    stage.gateway.audit.text,
    await stage.gateway.metrics.text(),
    sealed,
    Buffer.from(sealed, 'base64url').toString('latin1'),
    JSON.stringify(record),
  ].join('\n');
  expect(stage.provider.secrets.filter((secret) => seen.includes(secret))).toEqual([]);
});
