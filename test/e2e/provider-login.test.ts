/**
 * People who log in with an identity provider, in a real Chromium: the gateway on http://localhost, the provider on
 * http://127.0.0.1, which is another site.
 */

import { decodeJwt } from 'jose';
import type { ConsoleMessage, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ProviderStage } from '../endpoints/login/oidc/stage.ts';
import { TestBrowser } from '../support/browsers/browser.ts';
import { freePort } from '../support/ports.ts';

let browser: TestBrowser;

beforeAll(async () => {
  browser = await TestBrowser.share();
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
});

interface Origin {
  readonly origin: string;
  readonly stage: ProviderStage;
}

async function start(
  provider: Record<string, unknown>,
  sameSite: string,
  withPasswords = false,
  routes?: Record<string, unknown>[],
): Promise<Origin> {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const stage = await ProviderStage.start({
    idp: {
      redirectUris: [`${origin}/auth/callback/corporate`],
      client: { post_logout_redirect_uris: [`${origin}/auth/logged-out`] },
      acrValues: ['gold'],
    },
    ...(routes !== undefined && { routes }),
    provider,
    withPasswords,
    config: {
      publicOrigin: origin,
      session: { cookie: { sameSite } },
      listeners: { public: { address: `127.0.0.1:${port}` }, admin: { address: '127.0.0.1:0' } },
    },
  });
  return { origin, stage };
}

/** Logs in at the provider's own page. */
async function logInThere(page: Page, { stage }: Origin): Promise<void> {
  expect(new URL(page.url()).origin).toBe(stage.idp.issuer);
  await page.fill('input[name="username"]', 'ada');
  await page.fill('input[name="password"]', stage.idp.people['ada']?.password ?? '');
  await page.click('form[action*="log-in"] button[type="submit"], form[action*="log-in"] button');
}

const who = async (page: Page, origin: string): Promise<unknown> => {
  const response = await page.request.get(`${origin}/auth/session`);
  return response.ok() ? response.json() : response.status();
};

describe.each([
  ['query', 'lax'],
  ['query', 'strict'],
  ['formPost', 'lax'],
  ['formPost', 'strict'],
])('with responseMode %s and a session cookie SameSite=%s', (responseMode, sameSite) => {
  test('a deep link leads through the provider and back, logged in', async () => {
    const shop = await start({ responseMode }, sameSite);
    await using _stage = shop.stage;
    const { page } = await browser.emptyProfile();
    await page.goto(`${shop.origin}/orders?page=2&q=a%26b`);
    await logInThere(page, shop);
    await page.waitForURL(`${shop.origin}/orders?page=2&q=a%26b`);
    expect(await who(page, shop.origin)).toMatchObject({ subject: 'corporate|ada' });
    // The page itself was requested with the session, too: without one, nothing reaches the service.
    expect(shop.stage.upstream.requests.map(({ head }) => head.split(' HTTP/')[0])).toContain(
      'GET /orders?page=2&q=a%26b',
    );
  });
});

test.each([
  ['query', 'lax'],
  ['formPost', 'strict'],
])(
  'with responseMode %s and SameSite=%s, a step-up leads through the provider once and back',
  async (responseMode, sameSite) => {
    const shop = await start({ responseMode }, sameSite, false, [
      { id: 'payouts', match: { path: '/payouts' }, credential: 'session', require: { acr: ['gold'], maxAge: '5m' } },
      { id: 'app', match: { path: '/' }, credential: 'session' },
    ]);
    await using _stage = shop.stage;
    const { page } = await browser.emptyProfile();
    await page.goto(`${shop.origin}/orders`);
    await logInThere(page, shop);
    await page.waitForURL(`${shop.origin}/orders`);
    await page.goto(`${shop.origin}/payouts?to=bob`);
    await logInThere(page, shop);
    await page.waitForURL(`${shop.origin}/payouts?to=bob`);
    const last = shop.stage.upstream.requests.findLast(({ head }) => head.startsWith('GET /payouts?to=bob '));
    const token = last?.values('authorization')[0]?.replace('Bearer ', '') ?? '';
    expect(decodeJwt(token)).toMatchObject({ sub: 'corporate|ada', acr: 'gold', amr: ['pwd', 'otp'] });
  },
);

test('a login page with a form and a button: its policy blocks nothing, and going back works', async () => {
  const shop = await start({}, 'lax', true);
  await using _stage = shop.stage;
  const { page } = await browser.emptyProfile();
  const complaints: string[] = [];
  page.on('console', (message: ConsoleMessage) => complaints.push(message.text()));
  await page.goto(`${shop.origin}/orders`);
  await page.getByRole('link', { name: /corporate/ }).click();
  await logInThere(page, shop);
  await page.waitForURL(`${shop.origin}/orders`);
  await page.goBack();
  await page.goto(`${shop.origin}/auth/login`);
  await expect.poll(() => page.textContent('h1')).toBe('You are logged in');
  expect(complaints.filter((text) => /Content Security Policy|Refused/i.test(text))).toEqual([]);
});

test('RP-Initiated Logout §2: the logout form redirects to the provider, which the page policy allows', async () => {
  const shop = await start({ logoutAtProvider: true }, 'strict');
  await using _stage = shop.stage;
  const { page } = await browser.emptyProfile();
  const complaints: string[] = [];
  page.on('console', (message: ConsoleMessage) => complaints.push(message.text()));
  await page.goto(`${shop.origin}/orders`);
  await logInThere(page, shop);
  await page.waitForURL(`${shop.origin}/orders`);
  await page.goto(`${shop.origin}/auth/logout`);
  await page.click('form[action="/auth/logout"] button');
  await page.waitForURL(`${shop.stage.idp.issuer}/session/end?**`);
  expect(await who(page, shop.origin)).toBe(401);
  await page.click('button[name="logout"]');
  await page.waitForURL(`${shop.origin}/auth/logged-out?state=*`);
  expect(await page.textContent('h1')).toBe('You are logged out');
  expect(complaints.filter((text) => /Content Security Policy/i.test(text))).toEqual([]);
});
