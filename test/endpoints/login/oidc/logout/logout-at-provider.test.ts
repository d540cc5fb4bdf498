/** Logouts that continue at the provider (OpenID Connect RP-Initiated Logout 1.0). */

import { describe, expect, test } from 'vitest';
import { logoutUrl } from '../../../../../src/endpoints/login/oidc/logout/logout-at-provider.ts';
import type { Page, PlainBrowser } from '../../../../support/browsers/plain-browser.ts';
import { HOST, parseTestConfig } from '../../../../support/gateway.ts';
import { rawRequest, requestHead } from '../../../../support/raw-client.ts';
import { ProviderStage, PUBLIC_ORIGIN } from '../stage.ts';

const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const LOGGED_OUT = `${PUBLIC_ORIGIN}/auth/logged-out`;

const start = (provider: Record<string, unknown> = { logoutAtProvider: true }) =>
  ProviderStage.start({ provider, idp: { client: { post_logout_redirect_uris: [LOGGED_OUT] } } });

/** Presses the button on the gateway's logout page. */
async function logOut(browser: PlainBrowser, action = '/auth/logout'): Promise<Page> {
  return browser.submit(await browser.open(`${PUBLIC_ORIGIN}/auth/logout`), {}, action);
}

const nextOf = ({ headers }: Page): URL => new URL(`${headers['refresh'] as string}`.replace('0; url=', ''));

const steps = async ({ gateway }: ProviderStage) => {
  const text = await gateway.metrics.text();
  return ['begun', 'returned'].map((step) =>
    Number(text.split(`provider_logouts_total{provider="corporate",step="${step}"} `)[1]?.split('\n')[0]),
  );
};

describe('a logout that continues at the provider', () => {
  test.each(['/auth/logout', '/auth/logout/all'])(
    'RP-Initiated Logout §2: %s ends the session here, then at the provider, and returns',
    async (action) => {
      await using stage = await start();
      const browser = stage.browser();
      await stage.logIn(browser);
      const page = await logOut(browser, action);
      expect(page.status).toBe(200);
      expect(await stage.who(browser)).toBeNull();
      const next = nextOf(page);
      expect(next.origin).toBe(stage.idp.issuer);
      expect(Object.fromEntries(next.searchParams)).toEqual({
        client_id: 'shop',
        id_token_hint: expect.stringMatching(JWT),
        post_logout_redirect_uri: LOGGED_OUT,
        state: expect.stringMatching(/^[\w-]{43}$/),
      });
      expect(page.body).toContain('You may still be logged in at corporate.');
      const done = await stage.idp.confirmLogout(browser, await browser.open(next));
      expect(`${done.url.origin}${done.url.pathname}`).toBe(LOGGED_OUT);
      expect(done.body).toContain('You are logged out');
      expect(await steps(stage)).toEqual([1, 1]);
      // The provider asks for the password again.
      expect((await browser.open(`${PUBLIC_ORIGIN}/`)).body).toContain('name="password"');
    },
  );

  test('RP-Initiated Logout §3: counts a state once, and only in the browser that began', async () => {
    await using stage = await start();
    const browser = stage.browser();
    await stage.logIn(browser);
    const state = nextOf(await logOut(browser)).searchParams.get('state');
    for (const value of ['', 'x', 'A'.repeat(43)]) await browser.open(`${LOGGED_OUT}?state=${value}`);
    await stage.browser().open(`${LOGGED_OUT}?state=${state}`);
    expect(await steps(stage)).toEqual([1, 0]);
    for (let count = 0; count < 2; count += 1)
      expect((await browser.open(`${LOGGED_OUT}?state=${state}`)).body).toContain('You are logged out');
    expect(await steps(stage)).toEqual([1, 1]);
  });

  test('ends the session here even while the provider is down', async () => {
    await using stage = await start();
    const browser = stage.browser();
    await stage.logIn(browser);
    await stage.idp.pause();
    expect((await logOut(browser)).status).toBe(200);
    expect(await stage.who(browser)).toBeNull();
  });

  test('RP-Initiated Logout §2: sends the ID token as a hint, and continues without one', async () => {
    await using stage = await start();
    const browser = stage.browser();
    await stage.logIn(browser);
    const [, payload = ''] = (nextOf(await logOut(browser)).searchParams.get('id_token_hint') ?? '').split('.');
    expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({ sub: 'ada', aud: 'shop' });

    const other = stage.browser();
    await stage.logIn(other);
    const { store, sessions } = stage.gateway.gateway.longLived;
    const [session] = await sessions.list('corporate|ada');
    await store.sealedTokens.put(session?.handle as never, 'what nobody can open');
    const next = nextOf(await logOut(other));
    expect(next.searchParams.has('id_token_hint')).toBe(false);
    expect(next.searchParams.has('state')).toBe(true);
  });

  test('is skipped for programs, which get 204', async () => {
    await using stage = await start();
    const browser = stage.browser();
    await stage.logIn(browser);
    const cookie = `Cookie: __Host-sid=${browser.cookies.of('shop.example.com')['__Host-sid']}`;
    const lines = [HOST, cookie, `Origin: ${PUBLIC_ORIGIN}`, 'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: cors'];
    const head = requestHead('POST', '/auth/logout', [...lines, 'Content-Length: 0']);
    expect((await rawRequest(stage.gateway.port, head)).status).toBe(204);
    expect(await stage.who(browser)).toBeNull();
    expect(await steps(stage)).toEqual([0, 0]);
  });

  test('is skipped where it is not configured', async () => {
    await using stage = await start({});
    const browser = stage.browser();
    await stage.logIn(browser);
    const page = await logOut(browser);
    expect(page.url.href).toBe(LOGGED_OUT);
    expect(await stage.who(browser)).toBeNull();
    expect(stage.idp.countOf('end_session')).toBe(0);
  });
});

describe('the logout URL', () => {
  const ISSUER = 'https://acme.auth0.com/';
  const settings = { preset: null, clientId: 'shop', issuer: ISSUER };

  test.each([
    [null, 'https://id.example.com/end?a=b', `https://id.example.com/end?a=b&client_id=shop&post_logout_redirect_uri=`],
    [
      'cognito',
      'https://acme.auth.example.com/logout',
      'https://acme.auth.example.com/logout?client_id=shop&logout_uri=',
    ],
    ['auth0', 'https://acme.auth0.com/oidc/logout', `${ISSUER}oidc/logout?client_id=shop&post_logout_redirect_uri=`],
    ['auth0', null, `${ISSUER}v2/logout?client_id=shop&returnTo=`],
  ] as const)('has the parameters of preset %s for end_session_endpoint %s', (preset, endSessionEndpoint, expected) => {
    const url = logoutUrl({ ...settings, preset }, { endSessionEndpoint }, LOGGED_OUT);
    expect(url?.href).toBe(expected + encodeURIComponent(LOGGED_OUT));
  });

  test('is null where the provider offers none', () => {
    expect(logoutUrl(settings, { endSessionEndpoint: null }, LOGGED_OUT)).toBeNull();
  });

  test('cannot be configured without an issuer', () => {
    const entry = { name: 'corporate', clientId: 'shop', logoutAtProvider: true, preset: 'github' };
    expect(() => parseTestConfig({ config: { login: { oidc: [entry] } } })).toThrow(
      /needs issuer instead of endpoints/,
    );
  });
});
