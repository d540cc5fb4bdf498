/** The tokens of a third-party provider, oidc-provider, whose refresh tokens rotate. */

import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestClocks } from '../../../../support/clocks.ts';
import { until } from '../../../../support/until.ts';
import { ProviderStage, PUBLIC_ORIGIN } from '../stage.ts';

const EVERY_MS = 300_000;
const clocks = TestClocks.atNow();
let stage: ProviderStage;

beforeAll(async () => {
  stage = await ProviderStage.start({
    clocks,
    idp: { claimsIn: 'idToken', client: { post_logout_redirect_uris: [`${PUBLIC_ORIGIN}/auth/logged-out`] } },
    provider: { revalidate: '5m', roles: 'roles', scopes: ['openid', 'profile', 'email', 'roles'] },
    config: { session: { idleTimeout: '3h' } },
    routes: [
      { id: 'app', match: { path: '/' }, credential: 'session', providerToken: 'X-Provider-Token' },
      { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { roles: ['admin'] } },
    ],
  });
});
afterAll(() => stage[Symbol.asyncDispose]());

const refreshes = () => stage.idp.calls.filter(({ parameters }) => parameters['grant_type'] === 'refresh_token').length;
const rolesOf = async (browser: ReturnType<ProviderStage['browser']>) =>
  ((await stage.who(browser)) as { user: { roles: string[] } } | null)?.user.roles ?? null;

test('roles follow the provider, and a user deactivated there is logged out here', async () => {
  const browser = stage.browser();
  await stage.logIn(browser);
  const ada = stage.idp.people['ada'];
  if (ada === undefined) throw new Error('nobody is called ada');
  expect(await rolesOf(browser)).toEqual(['customer', 'admin']);
  for (const roles of [['customer'], ['customer', 'admin'], ['customer']]) {
    ada.claims = { ...ada.claims, roles };
    clocks.advance(EVERY_MS);
    await browser.fetch(`${PUBLIC_ORIGIN}/`);
    await until(async () => (await rolesOf(browser))?.length === roles.length, 'the roles have followed');
    expect((await browser.fetch(`${PUBLIC_ORIGIN}/admin`)).status).toBe(roles.length === 2 ? 200 : 403);
  }
  expect(refreshes()).toBe(3);
  ada.isActive = false;
  clocks.advance(EVERY_MS);
  await browser.fetch(`${PUBLIC_ORIGIN}/`);
  await until(async () => (await stage.who(browser)) === null, 'the session has ended');
  expect(stage.lastEvent('revalidation_refused')).toMatchObject({ subject: 'corporate|ada' });
  ada.isActive = true;
});

test('the upstream’s access token works at userinfo until the user logs out', async () => {
  const browser = stage.browser();
  await stage.logIn(browser, '/', 'grace');
  stage.upstream.reset();
  await browser.fetch(`${PUBLIC_ORIGIN}/`);
  const [token] = stage.upstream.requests[0]?.values('x-provider-token') ?? [];
  const userinfo = () => fetch(`${stage.idp.issuer}/me`, { headers: { authorization: `Bearer ${token}` } });
  expect(await (await userinfo()).json()).toMatchObject({ sub: 'grace' });
  await browser.submit(await browser.open(`${PUBLIC_ORIGIN}/auth/logout`), {}, '/auth/logout');
  await until(() => stage.idp.calls.some(({ route }) => route === 'revocation'), 'the provider is told');
  await until(async () => (await userinfo()).status === 401, 'what was given is gone');
});
