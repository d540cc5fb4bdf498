/** Step-up logins: to the provider and back to the page, once, and never as another user. */

import { decodeJwt } from 'jose';
import { describe, expect, test } from 'vitest';
import { CALLBACK, OidcStage } from '../../../attack/oidc-stage.ts';
import { TestClocks } from '../../../support/clocks.ts';
import { rawRequest, requestHead } from '../../../support/raw-client.ts';
import { PASSWORD } from '../fixture.ts';
import { ProviderStage, PUBLIC_ORIGIN } from './stage.ts';

const GOLD = 'urn:example:gold';
const ROUTES = [
  { id: 'payouts', match: { path: '/payouts' }, credential: 'session', require: { acr: [GOLD], maxAge: '5m' } },
  { id: 'keys', match: { path: '/keys' }, credential: 'session', require: { amr: ['otp'] } },
  { id: 'account', match: { path: '/account' }, credential: 'session', require: { maxAge: '5m' } },
  { id: 'app', match: { path: '/' }, credential: 'session' },
];

const start = (options: Parameters<typeof ProviderStage.start>[0] = {}) =>
  ProviderStage.start({ routes: ROUTES, idp: { acrValues: [GOLD] }, ...options });

const cookieOf = (browser: ReturnType<ProviderStage['browser']>) =>
  browser.cookies.headerFor(new URL(PUBLIC_ORIGIN), { method: 'GET', initiator: new URL(PUBLIC_ORIGIN) });

describe('a request for a route that requires a stronger login', () => {
  test('goes to the session’s provider with the requirements and back to the page', async () => {
    await using stage = await start();
    const browser = stage.browser();
    await stage.logIn(browser, '/orders');
    const before = cookieOf(browser);
    const shown = await browser.open(`${PUBLIC_ORIGIN}/payouts?to=bob&n=1`);
    expect(stage.idp.shows(shown)).toBe(true);
    const asked = stage.idp.calls.findLast(({ route }) => route === 'pushed_authorization_request');
    expect(asked?.parameters).toMatchObject({ acr_values: GOLD, max_age: '300' });
    const page = await stage.idp.logIn(browser, shown);
    expect([page.status, page.url.href]).toEqual([200, `${PUBLIC_ORIGIN}/payouts?to=bob&n=1`]);
    const token = stage.upstream.last.values('authorization')[0]?.replace('Bearer ', '') ?? '';
    expect(decodeJwt(token)).toMatchObject({
      sub: 'corporate|ada',
      acr: GOLD,
      amr: ['pwd', 'otp'],
      auth_time: expect.any(Number),
    });
    // SES-01: a new id, and the old one opens nothing.
    expect(cookieOf(browser)).not.toBe(before);
    const old = await rawRequest(
      stage.gateway.port,
      requestHead('GET', '/orders', ['Host: shop.example.com', `Cookie: ${before}`]),
    );
    expect(old.status).toBe(401);
    expect(stage.lastEvent('login')).toMatchObject({ subject: 'corporate|ada', replaced: expect.any(String) });
    // It satisfies the other routes, too.
    expect((await browser.open(`${PUBLIC_ORIGIN}/payouts/2`)).status).toBe(200);
    expect((await browser.open(`${PUBLIC_ORIGIN}/keys`)).status).toBe(200);
  });

  test('ends after one round if the provider cannot meet it, and keeps the session', async () => {
    await using stage = await start({ idp: { acrValues: [] } });
    const browser = stage.browser();
    await stage.logIn(browser);
    const before = await stage.who(browser);
    const pushed = stage.idp.countOf('pushed_authorization_request');
    const page = await stage.idp.logIn(browser, await browser.open(`${PUBLIC_ORIGIN}/payouts`));
    expect([page.status, page.url.pathname]).toEqual([403, '/auth/callback/corporate']);
    expect(page.body).toContain('Login not sufficient');
    expect(page.body).toContain('href="/auth/step-up?return_to=%2Fpayouts&amp;route=payouts"');
    expect(stage.idp.countOf('pushed_authorization_request')).toBe(pushed + 1);
    expect(stage.lastEvent('login_failed')).toMatchObject({ reason: 'step_up_insufficient', account: 'corporate' });
    expect(await stage.who(browser)).toMatchObject({ createdAt: before?.['createdAt'], subject: 'corporate|ada' });
    expect((await browser.open(`${PUBLIC_ORIGIN}/orders`)).status).toBe(200);
  });

  test('does not replace the session when another user logs in', async () => {
    await using stage = await start();
    const browser = stage.browser();
    await stage.logIn(browser);
    const page = await stage.idp.logIn(browser, await browser.open(`${PUBLIC_ORIGIN}/payouts`), 'grace');
    expect(page.status).toBe(403);
    expect(page.body).toContain('Another account');
    expect(page.body).toContain('href="/auth/step-up?return_to=%2Fpayouts&amp;route=payouts&amp;switch=1"');
    expect(await stage.who(browser)).toMatchObject({ subject: 'corporate|ada' });
    expect(stage.lastEvent('login_failed')).toMatchObject({ reason: 'step_up_other_account' });
  });

  test('sends prompt=login where only amr is required', async () => {
    await using stage = await start();
    const browser = stage.browser();
    await stage.logIn(browser);
    const shown = await browser.open(`${PUBLIC_ORIGIN}/keys`);
    expect(stage.idp.calls.findLast(({ route }) => route === 'pushed_authorization_request')?.parameters).toMatchObject(
      {
        prompt: 'login',
      },
    );
    const person = stage.idp.people['ada'];
    if (person !== undefined) Object.assign(person, { amr: ['pwd', 'otp'] });
    expect((await stage.idp.logIn(browser, shown)).url.pathname).toBe('/keys');
  });

  test('works without the login cookie, and after the session has ended', async () => {
    await using stage = await start();
    const browser = stage.browser();
    await stage.logIn(browser);
    const cookie =
      cookieOf(browser)
        .split('; ')
        .find((part) => part.startsWith('__Host-sid=')) ?? '';
    const get = (path: string) =>
      rawRequest(
        stage.gateway.port,
        requestHead('GET', path, ['Host: shop.example.com', `Cookie: ${cookie}`, 'Sec-Fetch-Mode: navigate']),
      );
    expect((await get('/payouts')).headers.get('location')).toBe(
      `${PUBLIC_ORIGIN}/auth/step-up?return_to=%2Fpayouts&route=payouts`,
    );
    expect((await get('/auth/step-up?return_to=%2Fpayouts&route=payouts')).headers.get('location')).toBe(
      '/auth/step-up?return_to=%2Fpayouts&route=payouts&cookie=1',
    );
    await stage.gateway.gateway.sessions.endAll('corporate|ada', 'operator');
    expect((await get('/auth/step-up?return_to=%2Fpayouts&route=payouts')).headers.get('location')).toBe(
      '/auth/login?return_to=%2Fpayouts&ended=1',
    );
  });

  test('by a form gets a page whose login leads back to the form', async () => {
    await using stage = await start();
    const browser = stage.browser();
    await stage.logIn(browser);
    const answer = await rawRequest(
      stage.gateway.port,
      requestHead('POST', '/payouts', [
        'Host: shop.example.com',
        `Cookie: ${cookieOf(browser)}`,
        'Sec-Fetch-Mode: navigate',
        `Origin: ${PUBLIC_ORIGIN}`,
        `Referer: ${PUBLIC_ORIGIN}/orders/new`,
        'Content-Length: 0',
      ]),
    );
    expect(answer.status).toBe(401);
    expect(`${answer.body}`).toContain('href="/auth/step-up?return_to=%2Forders%2Fnew&amp;route=payouts"');
    expect(`${answer.body}`).toContain('send it again');
  });

  test('by a script gets a challenge instead of a redirect', async () => {
    await using stage = await start();
    const browser = stage.browser();
    await stage.logIn(browser);
    const { status, headers } = await browser.fetch(`${PUBLIC_ORIGIN}/payouts`);
    expect(status).toBe(401);
    expect(headers['www-authenticate']).toContain(`acr_values="${GOLD}", max_age="300"`);
    expect(headers['hx-redirect']).toBe(undefined);
    const htmx = await browser.fetch(`${PUBLIC_ORIGIN}/payouts`, {
      'hx-request': 'true',
      referer: `${PUBLIC_ORIGIN}/orders`,
    });
    expect([htmx.status, htmx.headers['hx-redirect']]).toEqual([
      401,
      '/auth/step-up?return_to=%2Forders&route=payouts',
    ]);
  });
});

test('a step-up that the route does not require never reaches the provider', async () => {
  await using stage = await start();
  const browser = stage.browser();
  await stage.logIn(browser);
  expect((await browser.open(`${PUBLIC_ORIGIN}/auth/step-up?route=app`)).status).toBe(400);
  const met = await browser.step(`${PUBLIC_ORIGIN}/auth/step-up?route=account&return_to=//evil.example`);
  expect([met.status, met.headers.location]).toEqual([303, '/']);
});

test('a session of a removed provider gets a page instead of a redirect', async () => {
  await using stage = await start();
  const login = { provider: 'gone', subject: 'ada', sid: null, authTimeMs: null, acr: null, amr: [] };
  const { sessionId } = await stage.gateway.gateway.sessions.open({
    subject: 'gone|ada',
    user: {},
    method: 'oidc',
    device: 'test',
    login,
  });
  const answer = await rawRequest(
    stage.gateway.port,
    requestHead('GET', '/auth/step-up?return_to=%2Fpayouts&route=payouts', [
      'Host: shop.example.com',
      `Cookie: __Host-sid=${sessionId}`,
      'Sec-Fetch-Mode: navigate',
    ]),
  );
  expect(answer.status).toBe(401);
  expect(`${answer.body}`).toContain('href="/auth/login?return_to=%2Fpayouts&amp;switch=1"');
});

test('a password login that is too old must be repeated', async () => {
  const clocks = new TestClocks();
  await using stage = await start({ withPasswords: true, clocks });
  const browser = stage.browser();
  const credentials = { username: 'alice', password: PASSWORD };
  await browser.submit(await browser.open(`${PUBLIC_ORIGIN}/orders`), credentials);
  expect((await browser.open(`${PUBLIC_ORIGIN}/account`)).status).toBe(200);
  clocks.advance(301_000);
  const refused = await browser.open(`${PUBLIC_ORIGIN}/account`);
  expect(refused.status).toBe(401);
  const link = /href="([^"]*switch=1[^"]*)"/.exec(refused.body)?.[1]?.replaceAll('&amp;', '&') ?? '';
  const again = await browser.submit(await browser.open(new URL(link, PUBLIC_ORIGIN), refused), credentials);
  expect([again.status, again.url.pathname]).toEqual([200, '/account']);
});

describe('a provider that does not meet the requirements', () => {
  test.each([
    ['OIDC Core §3.1.2.1', 'acr-wrong'],
    ['OIDC Core §5.5.1.1', 'acr-missing'],
    ['OIDC Core §2', 'auth-time-missing'],
    ['OIDC Core §3.1.3.7', 'auth-time-old'],
  ] as const)('%s: %s is refused, and the session is unchanged', async (_clause, misbehaviour) => {
    await using stage = await OidcStage.start({ routes: ROUTES });
    const browser = stage.browser();
    await browser.open(`${PUBLIC_ORIGIN}/orders`);
    // This provider shows no login page and answers at once with what was requested.
    stage.provider.misbehave('acr-wrong');
    await browser.open(`${PUBLIC_ORIGIN}/payouts`);
    stage.provider.misbehave(misbehaviour);
    const authorized = stage.provider.countOf('authorize');
    const page = await browser.open(`${PUBLIC_ORIGIN}/payouts`);
    expect([page.status, `${page.url.origin}${page.url.pathname}`]).toEqual([403, CALLBACK]);
    expect(stage.provider.countOf('authorize')).toBe(authorized + 1);
    expect(stage.gateway.audit.records.at(-1)).toMatchObject({ event: 'login_failed', reason: 'step_up_insufficient' });
    expect((await browser.open(`${PUBLIC_ORIGIN}/orders`)).status).toBe(200);
    stage.provider.reform();
    expect((await browser.open(`${PUBLIC_ORIGIN}/payouts`)).status).toBe(200);
  });
});
