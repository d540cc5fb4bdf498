/** Several origins and an identity provider that knows only the login origin. */

import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PlainBrowser } from '../../../support/browsers/plain-browser.ts';
import { ProviderStage } from '../oidc/stage.ts';
import { ADMIN, LOGIN, ORIGINS, SHOP } from './stage.ts';

const GOLD = 'urn:example:gold';

let stage: ProviderStage;

beforeAll(async () => {
  stage = await ProviderStage.start({
    idp: {
      redirectUris: [`${LOGIN}/auth/callback/corporate`],
      client: { post_logout_redirect_uris: ORIGINS.map((origin) => `${origin}/auth/logged-out`) },
      acrValues: [GOLD],
    },
    provider: { logoutAtProvider: true },
    withPasswords: true,
    login: { origin: LOGIN },
    routes: [
      {
        id: 'payouts',
        match: { path: '/payouts' },
        credential: 'session',
        require: { acr: [GOLD] },
        login: 'corporate',
      },
      { id: 'direct', match: { path: '/direct' }, credential: 'session', login: 'corporate' },
      { id: 'api', match: { path: '/api' }, credential: 'session', providerToken: 'X-Provider-Token' },
      { id: 'app', match: { path: '/' }, credential: 'session' },
    ],
    config: { publicOrigin: ORIGINS, session: { remember: {} } },
  });
});

afterAll(() => stage[Symbol.asyncDispose]());

const newBrowser = () =>
  new PlainBrowser({ origins: Object.fromEntries(ORIGINS.map((origin) => [origin, stage.gateway.port])) });

const tokenSeen = () => decodeJwt(stage.upstream.last.values('authorization')[0]?.replace('Bearer ', '') ?? '');

test('on another origin, a route that names a provider leads straight to it and back', async () => {
  const browser = newBrowser();
  const shown = await browser.open(`${SHOP}/direct?x=1`);
  expect(stage.idp.shows(shown)).toBe(true);
  const page = await stage.idp.logIn(browser, shown);
  expect([page.status, page.url.href]).toEqual([200, `${SHOP}/direct?x=1`]);
  expect(tokenSeen()).toMatchObject({ sub: 'corporate|ada' });
  const callbacks = browser.hops.filter(({ url }) => url.pathname === '/auth/callback/corporate');
  expect(callbacks.map(({ url }) => url.origin)).toEqual([LOGIN]);
});

test('RFC 9470: a step-up for a route on another origin happens at the login origin, once', async () => {
  const browser = newBrowser();
  await stage.idp.logIn(browser, await browser.open(`${SHOP}/direct`));
  const { sid } = tokenSeen();
  const shown = await browser.open(`${SHOP}/payouts?to=bob`);
  expect(stage.idp.shows(shown)).toBe(true);
  const page = await stage.idp.logIn(browser, shown);
  expect([page.status, page.url.href]).toEqual([200, `${SHOP}/payouts?to=bob`]);
  expect(tokenSeen()).toMatchObject({ sub: 'corporate|ada', acr: GOLD });
  expect(tokenSeen()['sid']).not.toBe(sid);
  // The other origins follow, without another login.
  const other = await browser.open(`${ADMIN}/payouts`);
  expect([other.status, other.url.href]).toEqual([200, `${ADMIN}/payouts`]);
});

test('the provider’s tokens, sealed under the session id, are also available on another origin', async () => {
  const browser = newBrowser();
  await stage.idp.logIn(browser, await browser.open(`${SHOP}/direct`));
  const tokenAt = async (origin: string) => {
    await browser.open(`${origin}/api/things`);
    return stage.upstream.last.values('x-provider-token');
  };
  const there = await tokenAt(LOGIN);
  expect(there).toEqual([expect.stringMatching(/^[\w.-]{20,}$/)]);
  expect(await tokenAt(SHOP)).toEqual(there);
});

test('RP-Initiated Logout §2: a logout on another origin continues at the provider and returns to that origin', async () => {
  const browser = newBrowser();
  await stage.idp.logIn(browser, await browser.open(`${SHOP}/direct`));
  const page = await browser.submit(await browser.open(`${SHOP}/auth/logout`), {}, '/auth/logout');
  const next = new URL(String(page.headers['refresh']).replace('0; url=', ''));
  expect(next.origin).toBe(stage.idp.issuer);
  expect(next.searchParams.get('post_logout_redirect_uri')).toBe(`${SHOP}/auth/logged-out`);
  const [, payload = ''] = (next.searchParams.get('id_token_hint') ?? '').split('.');
  expect(JSON.parse(Buffer.from(payload, 'base64url').toString())).toMatchObject({ sub: 'ada' });
});
