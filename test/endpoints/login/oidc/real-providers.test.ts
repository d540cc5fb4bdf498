/**
 * Logins with third-party identity providers, in the settings in which providers differ: `oidc-provider` in all of
 * them, and an OpenID Provider in Go. A few tests use a real browser, the rest plain requests.
 */

import { describe, expect, test } from 'vitest';
import { type Clocks, systemClocks } from '../../../../src/lib/clock.ts';
import { TestBrowser } from '../../../support/browsers/browser.ts';
import { PlainBrowser } from '../../../support/browsers/plain-browser.ts';
import { TestClocks } from '../../../support/clocks.ts';
import { startGateway } from '../../../support/gateway.ts';
import { freePort } from '../../../support/ports.ts';
import { IdentityProvider } from '../../../support/providers/identity-provider.ts';
import type { IdentityProviderOptions } from '../../../support/providers/identity-provider-settings.ts';
import { ZitadelProvider, zitadelMissing } from '../../../support/providers/zitadel-provider.ts';
import { RecordingUpstream } from '../../../support/recording-upstream.ts';
import { until } from '../../../support/until.ts';
import { Files } from '../fixture.ts';
import { ProviderStage, PUBLIC_ORIGIN } from './stage.ts';

const TARGET = '/orders?page=2&q=a%26b';

interface Setting {
  readonly what: string;
  /** Of the provider. */
  readonly idp?: IdentityProviderOptions;
  /** Of the gateway. */
  readonly gateway?: Record<string, unknown>;
  /** How often endpoints of the provider must be called. */
  readonly calls?: Readonly<Record<string, number>>;
}

const SETTINGS: readonly Setting[] = [
  { what: 'the defaults of both', calls: { pushed_authorization_request: 1, token: 1, userinfo: 1 } },
  { what: 'ID tokens signed with PS256', idp: { idTokenAlgorithm: 'PS256' } },
  { what: 'ID tokens signed with ES256', idp: { idTokenAlgorithm: 'ES256' } },
  { what: 'ID tokens signed with EdDSA', idp: { idTokenAlgorithm: 'EdDSA' } },
  { what: 'answers by POST', gateway: { responseMode: 'formPost' } },
  {
    what: 'no pushed requests offered',
    idp: { pushedAuthorizationRequests: 'off' },
    calls: { pushed_authorization_request: 0 },
  },
  {
    what: 'pushed requests required',
    idp: { pushedAuthorizationRequests: 'required' },
    calls: { pushed_authorization_request: 1 },
  },
  {
    what: 'pushed requests offered but not used',
    gateway: { pushedAuthorizationRequests: 'never' },
    calls: { pushed_authorization_request: 0 },
  },
  {
    what: 'pushed requests required, answers by POST',
    idp: { pushedAuthorizationRequests: 'required' },
    gateway: { responseMode: 'formPost', pushedAuthorizationRequests: 'always' },
    calls: { pushed_authorization_request: 1 },
  },
  {
    what: 'a client secret in the body',
    idp: { clientAuthentication: 'client_secret_post' },
    gateway: { clientAuthentication: 'post' },
  },
  { what: 'answers without iss', idp: { issParameter: false } },
  {
    what: 'claims in the ID token, and no userinfo',
    idp: { claimsIn: 'idToken', userinfo: false },
    gateway: { userinfo: false },
    calls: { userinfo: 0 },
  },
  { what: 'no refresh tokens', idp: { refreshTokens: 'never' } },
  {
    what: 'a consent page, for offline access',
    idp: { refreshTokens: 'offlineAccess' },
    gateway: {
      scopes: ['openid', 'profile', 'email', 'offline_access'],
      authorizationParameters: { prompt: 'consent' },
    },
  },
  { what: 'no PKCE required', idp: { requirePkce: false } },
  {
    what: 'no logout, revocation or device flow',
    idp: { rpInitiatedLogout: false, revocation: false, deviceFlow: false },
  },
  {
    what: 'PS256, POST, no iss, no pushed requests',
    idp: { idTokenAlgorithm: 'PS256', issParameter: false, pushedAuthorizationRequests: 'off' },
    gateway: { responseMode: 'formPost' },
  },
];

const sessionOf = async (browser: PlainBrowser) =>
  JSON.parse((await browser.fetch(`${PUBLIC_ORIGIN}/auth/session`)).body) as Record<string, unknown>;

describe('oidc-provider', () => {
  test.each(SETTINGS)('a login works with $what', async ({ idp = {}, gateway = {}, calls = {} }) => {
    await using stage = await ProviderStage.start({ idp, provider: gateway });
    const browser = stage.browser();
    const page = await stage.logIn(browser, TARGET);
    expect(`${page.status} ${page.url.href}`).toBe(`200 ${PUBLIC_ORIGIN}${TARGET}`);
    expect(await sessionOf(browser)).toMatchObject({
      subject: 'corporate|ada',
      user: { email: 'ada@example.com', name: 'Ada Lovelace' },
    });
    const counts = Object.keys(calls).map((route) => [route, stage.idp.countOf(route)]);
    expect(Object.fromEntries(counts)).toEqual(calls);
  });

  test('a login works with a key instead of a secret (private_key_jwt)', async () => {
    await using files = new Files();
    await using idp = await IdentityProvider.start({ clientAuthentication: 'private_key_jwt' });
    const pem = idp.clientKey.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const clientAssertion = { keyFile: await files.write('key.pem', pem), keyId: 'client-key' };
    await logsInWith(idp, { clientAssertion });
  });

  test('a login works with a public client (none)', async () => {
    await using idp = await IdentityProvider.start({ clientAuthentication: 'none' });
    await logsInWith(idp, {});
  });

  /** Starts a gateway with its own settings of the provider, and logs in. */
  async function logsInWith(idp: IdentityProvider, keys: Record<string, unknown>): Promise<void> {
    await using upstream = await RecordingUpstream.start();
    const corporate = { name: 'corporate', issuer: idp.issuer, clientId: idp.clientId, userinfo: true, ...keys };
    await using gateway = await startGateway({ upstream: upstream.origin, config: { login: { oidc: [corporate] } } });
    const browser = new PlainBrowser({ origins: { [PUBLIC_ORIGIN]: gateway.port } });
    await idp.logIn(browser, await browser.open(`${PUBLIC_ORIGIN}${TARGET}`));
    expect(await sessionOf(browser)).toMatchObject({ subject: 'corporate|ada' });
  }

  test('roles and groups come from the configured claims', async () => {
    await using stage = await ProviderStage.start({
      idp: { claimsIn: 'idToken' },
      provider: { scopes: ['openid', 'groups', 'roles'], roles: 'realm_access.roles', groups: 'groups' },
    });
    const browser = stage.browser();
    await stage.logIn(browser);
    expect(await sessionOf(browser)).toMatchObject({
      user: { roles: ['customer', 'admin'], groups: ['engineering', 'admins'] },
    });
  });

  test('an unverified email address does not reach the session', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    await stage.logIn(browser, TARGET, 'grace');
    const { user } = (await sessionOf(browser)) as { user: object };
    expect(user).toMatchObject({ name: 'Grace Hopper' });
    expect(user).not.toHaveProperty('email');
  });

  test('a person who cancels is told so and can retry with the same target', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    const told = await stage.idp.cancel(browser, await browser.open(`${PUBLIC_ORIGIN}${TARGET}`));
    expect(told.status).toBe(403);
    const [, again = ''] = /href="(\/auth\/login[^"]*)"/.exec(told.body) ?? [];
    const form = await browser.open(new URL(again.replaceAll('&amp;', '&'), PUBLIC_ORIGIN), told);
    const page = await stage.idp.logIn(browser, form);
    expect(page.url.href).toBe(`${PUBLIC_ORIGIN}${TARGET}`);
  });

  test('twenty tabs at once all reach their targets', async () => {
    await using stage = await ProviderStage.start();
    const browser = stage.browser();
    // The provider keeps a login page and a cookie for each tab.
    const pages = await Promise.all(
      Array.from({ length: 20 }, (_, tab) => browser.open(`${PUBLIC_ORIGIN}/orders?tab=${tab}`)),
    );
    for (const [tab, page] of pages.entries()) {
      const done = await stage.idp.logIn(browser, page);
      expect(done.url.href).toBe(`${PUBLIC_ORIGIN}/orders?tab=${tab}`);
    }
  });

  test('while it is down, logins get 503 and existing sessions continue; afterwards logins work again', async () => {
    await using stage = await ProviderStage.start();
    const [early, late] = [stage.browser(), stage.browser()];
    await stage.logIn(early, TARGET);
    const form = await late.open(`${PUBLIC_ORIGIN}${TARGET}`);
    const { url } = form;
    await stage.idp.pause();
    expect((await early.open(`${PUBLIC_ORIGIN}${TARGET}`)).status).toBe(200);
    const down = await stage.browser().open(`${PUBLIC_ORIGIN}${TARGET}`);
    expect([down.status, down.headers['retry-after']]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    await stage.idp.resume();
    const page = await stage.idp.logIn(late, { ...form, url });
    expect(page.status).toBe(200);
  });

  test('userinfo as a signed JWT is not supported: 503, and the audit stream says so', async () => {
    await using stage = await ProviderStage.start({ idp: { userinfoAlgorithm: 'RS256' } });
    const page = await stage.logIn(stage.browser());
    expect(page.status).toBe(503);
    expect(stage.lastEvent('login_failed')?.['note']).toMatch(/a JWT, which is not supported/);
  });
});

describe('zitadel/oidc, in Go', () => {
  /** The provider, and a gateway as its confidential or public client. */
  async function start(files: Files, keys: Record<string, unknown>, clocks: Clocks = systemClocks) {
    await using stack = new AsyncDisposableStack();
    const provider = stack.use(await ZitadelProvider.start([`${PUBLIC_ORIGIN}/auth/callback/corporate`]));
    const upstream = stack.use(await RecordingUpstream.start());
    const client =
      keys['clientAuthentication'] === 'none'
        ? { clientId: 'native' }
        : { clientId: provider.clientId, clientSecretFile: await files.write('secret', provider.clientSecret) };
    const corporate = { name: 'corporate', issuer: provider.issuer, userinfo: true, ...client, ...keys };
    const config = { login: { oidc: [corporate] } };
    const gateway = stack.use(await startGateway({ upstream: upstream.origin, clocks, config }));
    const browser = new PlainBrowser({ origins: { [PUBLIC_ORIGIN]: gateway.port } });
    const started = stack.move();
    return { provider, gateway, browser, [Symbol.asyncDispose]: () => started.disposeAsync() };
  }

  test.for(['basic', 'post', 'none'])('a login works with client authentication %s', async (how, { skip }) => {
    const missing = zitadelMissing();
    if (missing !== null) return skip(missing);
    await using files = new Files();
    await using it = await start(files, { clientAuthentication: how });
    const { provider, browser } = it;
    const refused = await provider.logIn(browser, await browser.open(`${PUBLIC_ORIGIN}${TARGET}`), 'wrong');
    const page = await provider.logIn(browser, refused);
    expect(`${page.status} ${page.url.href}`).toBe(`200 ${PUBLIC_ORIGIN}${TARGET}`);
    expect(await sessionOf(browser)).toMatchObject({
      subject: 'corporate|id-ada',
      user: { email: 'ada@example.com', name: 'Ada Lovelace' },
    });
  });

  test('its refresh tokens keep a session alive until a logout revokes them', async ({ skip }) => {
    const missing = zitadelMissing();
    if (missing !== null) return skip(missing);
    await using files = new Files();
    const clocks = TestClocks.atNow();
    await using it = await start(files, { revalidate: '10s' }, clocks);
    const { provider, gateway, browser } = it;
    await provider.logIn(browser, await browser.open(`${PUBLIC_ORIGIN}${TARGET}`));
    const counted = async (text: string) => (await gateway.metrics.text()).includes(text);
    for (const round of [1, 2, 3]) {
      clocks.advance(10_000);
      expect((await browser.fetch(`${PUBLIC_ORIGIN}${TARGET}`)).status).toBe(200);
      const confirmed = `sallyport_provider_refreshes_total{provider="corporate",outcome="confirmed"} ${round}\n`;
      await until(() => counted(confirmed), 'the provider has confirmed the session');
    }
    await browser.submit(await browser.open(`${PUBLIC_ORIGIN}/auth/logout`), {}, '/auth/logout');
    const revoked = 'sallyport_provider_token_revocations_total{provider="corporate",outcome="revoked"} 1\n';
    await until(() => counted(revoked), 'the refresh token is revoked');
  });
});

describe('in Chromium', () => {
  /** A gateway at an address that the browser can reach. */
  async function shop(
    files: Files,
    provider: { issuer: string; clientId: string; clientSecret: string },
    port: number,
    keys = {},
  ) {
    const upstream = await RecordingUpstream.start();
    const corporate = {
      name: 'corporate',
      issuer: provider.issuer,
      clientId: provider.clientId,
      clientSecretFile: await files.write('secret', provider.clientSecret),
      userinfo: true,
      ...keys,
    };
    const gateway = await startGateway({
      upstream: upstream.origin,
      config: {
        publicOrigin: `http://localhost:${port}`,
        listeners: { public: { address: `127.0.0.1:${port}` }, admin: { address: '127.0.0.1:0' } },
        login: { oidc: [corporate] },
      },
    });
    return {
      origin: `http://localhost:${port}`,
      async [Symbol.asyncDispose]() {
        await gateway[Symbol.asyncDispose]();
        await upstream[Symbol.asyncDispose]();
      },
    };
  }

  test.each([['query'], ['formPost']])(
    'a person logs in at oidc-provider and returns to the deep link (%s)',
    async (responseMode) => {
      const port = await freePort();
      await using files = new Files();
      await using idp = await IdentityProvider.start({
        redirectUris: [`http://localhost:${port}/auth/callback/corporate`],
      });
      await using at = await shop(files, idp, port, { responseMode });
      await using browser = await TestBrowser.share();
      const { page, context } = await browser.profile();
      await page.goto(`${at.origin}${TARGET}`);
      await page.getByLabel('Name').fill('ada');
      await page.getByLabel('Password').fill(idp.people['ada']?.password ?? '');
      await page.getByRole('button', { name: 'Log in' }).click();
      await page.waitForURL(`${at.origin}${TARGET}`);
      const who = await page.evaluate(async () => (await fetch('/auth/session')).json());
      expect(who).toMatchObject({ subject: 'corporate|ada', user: { name: 'Ada Lovelace' } });
      const cookies = await context.cookies(at.origin);
      expect(cookies.find(({ name }) => name === '__Host-sid')).toMatchObject({ httpOnly: true, secure: true });
    },
  );

  test('a person logs in at zitadel/oidc', async ({ skip }) => {
    const missing = zitadelMissing();
    if (missing !== null) return skip(missing);
    const port = await freePort();
    await using files = new Files();
    await using provider = await ZitadelProvider.start([`http://localhost:${port}/auth/callback/corporate`]);
    await using at = await shop(files, provider, port);
    await using browser = await TestBrowser.share();
    const { page } = await browser.profile();
    await page.goto(`${at.origin}${TARGET}`);
    await page.getByLabel('Username').fill('ada');
    await page.getByLabel('Password').fill(provider.password);
    await page.getByRole('button', { name: 'Login' }).click();
    await page.waitForURL(`${at.origin}${TARGET}`);
    expect(await page.evaluate(async () => (await fetch('/auth/session')).status)).toBe(200);
  });
});
