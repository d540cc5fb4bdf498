import { describe, expect, test } from 'vitest';
import { TestClocks } from '../../../support/clocks.ts';
import { ProviderStage, PUBLIC_ORIGIN } from './stage.ts';

const AT_LOGIN = `${PUBLIC_ORIGIN}/auth/login`;

describe('a login with an identity provider', () => {
  test('leads from a deep link straight to the provider and back', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    const page = await stage.logIn(browser, '/orders?page=2&q=a%26b');
    expect(page.status).toBe(200);
    expect(page.url.href).toBe(`${PUBLIC_ORIGIN}/orders?page=2&q=a%26b`);
    expect(await stage.who(browser)).toMatchObject({
      subject: 'corporate|ada',
      user: { email: 'ada@example.com', name: 'Ada Lovelace' },
    });
    expect(stage.lastEvent('login')).toMatchObject({ method: 'oidc', account: 'corporate', subject: 'corporate|ada' });
  });

  test('sends PKCE (S256), state, nonce and the exact redirect URI in a pushed request', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    await stage.logIn(browser);
    const [pushed] = stage.idp.calls.filter(({ route }) => route === 'pushed_authorization_request');
    expect(pushed?.parameters).toMatchObject({
      response_type: 'code',
      client_id: 'shop',
      redirect_uri: `${PUBLIC_ORIGIN}/auth/callback/corporate`,
      scope: 'openid profile email',
      code_challenge_method: 'S256',
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
    });
    const atProvider = browser.hops.find(({ url }) => url.pathname === '/authorize' || url.pathname === '/auth');
    expect([...(atProvider?.url.searchParams.keys() ?? [])].toSorted()).toEqual(['client_id', 'request_uri']);
  });

  test('returns to the configured callback path only', async () => {
    await using stage = await ProviderStage.start({
      idp: { redirectUris: [`${PUBLIC_ORIGIN}/oauth2/callback`] },
      provider: { callbackPath: '/callback' },
      config: { basePath: '/oauth2' },
    });
    const browser = stage.browser();
    const page = await stage.logIn(browser, '/orders');
    expect([page.status, page.url.pathname]).toEqual([200, '/orders']);
    expect(browser.hops.map(({ url }) => url.pathname)).toContain('/oauth2/callback');
    const { status } = await browser.step(`${PUBLIC_ORIGIN}/oauth2/callback/corporate`);
    expect(status).toBe(404);
  });

  test.each([
    ['client_secret_basic', {}],
    ['client_secret_post', {}],
    ['client_secret_basic', { pushedAuthorizationRequests: 'never' }],
  ] as const)('authenticates with %s %o', async (clientAuthentication, provider) => {
    await using stage = await ProviderStage.start({
      idp: { clientAuthentication },
      provider: {
        ...provider,
        ...(clientAuthentication === 'client_secret_post' && { clientAuthentication: 'post' }),
      },
    });
    const browser = stage.browser();
    await stage.logIn(browser);
    expect(await stage.who(browser)).toMatchObject({ subject: 'corporate|ada' });
  });

  test('works in twenty tabs at once, with one cookie', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    const tabs = [];
    for (let tab = 0; tab < 20; tab += 1) tabs.push(await browser.open(`${PUBLIC_ORIGIN}/tab/${tab}`));
    const lines = browser.hops.flatMap(({ setCookies }) => setCookies.filter((it) => it.startsWith('__Host-login-')));
    expect(new Set(lines.map((line) => line.split(';')[0]))).toHaveLength(1);
    // It lasts half an hour at first, and a day once it is used.
    expect(lines[0]).toMatch(/; Max-Age=1800$/);
    expect(lines.at(-1)).toMatch(
      /^__Host-login-([\w-]{4})=\1[\w-]{39}; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=86400$/,
    );
    const [first, ...others] = tabs;
    const back = await stage.idp.logIn(browser, first as never);
    expect(back.url.pathname).toBe('/tab/0');
    for (const [index, tab] of others.entries()) {
      const shown = await stage.idp.logIn(browser, tab);
      expect([shown.status, shown.url.pathname]).toEqual([200, `/tab/${index + 1}`]);
    }
  });

  test('tells a browser without cookies before it leaves, and keeps its target', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    let page = await browser.step(`${AT_LOGIN}?return_to=%2Forders`);
    expect(page.headers.location).toContain('cookie=1');
    const other = stage.browser();
    page = await other.step(new URL(page.headers.location ?? '', AT_LOGIN));
    expect(page.status).toBe(400);
    expect(page.body).toContain('Cookie missing');
    expect(page.body).toContain('/auth/login?return_to=%2Forders&amp;provider=corporate');
    expect(stage.idp.countOf('pushed_authorization_request')).toBe(0);
    expect(stage.lastEvent('login_failed')).toMatchObject({ reason: 'login_cookie_missing', account: 'corporate' });
  });

  test('OIDC-02: opens no session when the answer comes from another browser', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    const shown = await browser.open(`${PUBLIC_ORIGIN}/orders`);
    const callback = await stage.answerOf(browser, shown);
    const other = stage.browser();
    await other.open(`${AT_LOGIN}?return_to=%2Fother`);
    const page = await other.open(callback);
    expect(page.status).toBe(400);
    expect(page.body).toContain('Login expired');
    expect(await stage.who(other)).toBe(null);
    expect(stage.idp.countOf('token')).toBe(0);
    // The login itself is not lost.
    expect((await browser.open(callback)).url.pathname).toBe('/orders');
  });

  test('OIDC-08: repeating the answer sends logged-in users on and asks others to start over', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    const shown = await browser.open(`${PUBLIC_ORIGIN}/orders?page=2`);
    const callback = await stage.answerOf(browser, shown);
    expect((await browser.open(callback)).url.pathname).toBe('/orders');
    const again = await browser.open(callback);
    expect([again.status, again.url.pathname]).toEqual([200, '/orders']);
    await stage.gateway.gateway.sessions.endAll('corporate|ada', 'operator');
    const ended = await browser.open(callback);
    expect(ended.status).toBe(400);
    expect(ended.body).toContain('/auth/login?return_to=%2Forders%3Fpage%3D2&amp;provider=corporate');
    expect(stage.idp.countOf('token')).toBe(1);
  });

  test('expires after ten minutes and keeps its target', async () => {
    const clocks = new TestClocks();
    await using stage = await ProviderStage.start({ clocks });
    const browser = stage.browser();
    const callback = await stage.answerOf(browser, await browser.open(`${PUBLIC_ORIGIN}/orders`));
    clocks.advance(10 * 60_000 + 1);
    const page = await browser.open(callback);
    expect(page.status).toBe(400);
    expect(page.body).toContain('Login expired');
    expect(page.body).toContain('return_to=%2Forders');
    expect(stage.lastEvent('login_failed')).toMatchObject({ note: 'the login took over 10 minutes' });
  });

  test('gets 503 with Retry-After while the provider is down; existing sessions continue', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    await stage.logIn(browser);
    await stage.idp.pause();
    const other = stage.browser();
    const page = await other.open(`${PUBLIC_ORIGIN}/orders`);
    expect(page.status).toBe(503);
    expect(page.headers['retry-after']).toMatch(/^\d+$/);
    expect(page.body).toContain('/auth/login?return_to=%2Forders&amp;provider=corporate');
    expect(await stage.who(browser)).toMatchObject({ subject: 'corporate|ada' });
    expect((await browser.open(`${PUBLIC_ORIGIN}/orders`)).status).toBe(200);
    expect(stage.lastEvent('login_failed')).toMatchObject({ reason: 'provider_unavailable', account: 'corporate' });
    await stage.idp.resume();
    expect((await stage.logIn(other)).status).toBe(200);
  });

  test('that is cancelled gets a page to try again with the same target', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    const page = await stage.idp.cancel(browser, await browser.open(`${PUBLIC_ORIGIN}/orders`));
    expect(page.status).toBe(403);
    expect(page.url.pathname).toBe('/auth/callback/corporate');
    expect(page.body).toContain('/auth/login?return_to=%2Forders&amp;provider=corporate');
    expect(stage.lastEvent('login_failed')).toMatchObject({
      reason: 'login_declined',
      note: 'provider: access_denied',
    });
    expect(await stage.who(browser)).toBe(null);
  });

  test('is offered beside the password form, or chosen by a route', async () => {
    const routes = [
      { id: 'app', match: { path: '/' }, credential: 'session' },
      { id: 'team', match: { path: '/team' }, credential: 'session', login: 'corporate' },
    ];
    await using stage = await ProviderStage.start({ routes, withPasswords: true });
    const browser = stage.browser();
    const page = await browser.open(`${PUBLIC_ORIGIN}/orders`);
    expect(page.url.pathname).toBe('/auth/login');
    expect(page.body).toContain('autocomplete="current-password"');
    expect(page.body).toContain('href="/auth/login?return_to=%2Forders&amp;provider=corporate"');
    expect(stage.idp.shows(await browser.open(`${PUBLIC_ORIGIN}/team/a`))).toBe(true);
  });
});
