/**
 * One login for several origins, in a real Chromium: http://login.localhost, another origin of its site, and one of
 * another site. And what happens to the fragment of a deep link during a login.
 */

import type { ConsoleMessage, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PASSWORD } from '../endpoints/login/fixture.ts';
import { ProviderStage } from '../endpoints/login/oidc/stage.ts';
import { TestBrowser } from '../support/browsers/browser.ts';
import { freePort } from '../support/ports.ts';

interface Site {
  readonly stage: ProviderStage;
  readonly login: string;
  /** Of the same site as `login`, and of another one. */
  readonly admin: string;
  readonly shop: string;
}

async function start(sameSite: string): Promise<Site> {
  const port = await freePort();
  const origin = (name: string) => `http://${name}.localhost:${port}`;
  const [login, admin, shop] = [origin('login'), origin('admin.login'), origin('shop')];
  const stage = await ProviderStage.start({
    idp: { redirectUris: [`${login}/auth/callback/corporate`] },
    withPasswords: true,
    login: { origin: login },
    routes: [
      { id: 'direct', match: { path: '/direct' }, credential: 'session', login: 'corporate' },
      { id: 'app', match: { path: '/' }, credential: 'session' },
    ],
    config: {
      publicOrigin: [login, admin, shop],
      session: { cookie: { sameSite } },
      listeners: { public: { address: `127.0.0.1:${port}` }, admin: { address: '127.0.0.1:0' } },
    },
  });
  return { stage, login, admin, shop };
}

let browser: TestBrowser;
const sites: Record<string, Site> = {};

beforeAll(async () => {
  browser = await TestBrowser.share();
  for (const sameSite of ['lax', 'strict']) sites[sameSite] = await start(sameSite);
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  for (const { stage } of Object.values(sites)) await stage[Symbol.asyncDispose]();
});

/** A new profile, and the complaints in the browser's console. */
async function profile() {
  const { context, page } = await browser.profile();
  const complaints: string[] = [];
  page.on('console', (message: ConsoleMessage) => complaints.push(message.text()));
  return { context, page, refusals: () => complaints.filter((text) => /Content Security Policy|Refused/i.test(text)) };
}

async function typePassword(page: Page): Promise<void> {
  await page.fill('#username', 'alice');
  await page.fill('#password', PASSWORD);
  await page.press('#password', 'Enter');
}

async function logInAtProvider(page: Page, { stage }: Site): Promise<void> {
  await page.fill('input[name="username"]', 'ada');
  await page.fill('input[name="password"]', stage.idp.people['ada']?.password ?? '');
  await page.click('form[action*="log-in"] button');
}

describe.each(['lax', 'strict'])('with a session cookie SameSite=%s', (sameSite) => {
  test('a login on one origin counts on all, each with its own cookie, and a logout ends them all', async () => {
    const { login, admin, shop } = sites[sameSite] as Site;
    const { context, page, refusals } = await profile();
    // Fragments survive redirects, and with SameSite=Strict a page of the gateway redirects.
    const kept = (fragment: string) => (sameSite === 'lax' ? fragment : '');
    await page.goto(`${shop}/orders?page=2#item-7`);
    expect(new URL(page.url()).origin).toBe(login);
    await typePassword(page);
    await page.waitForURL(`${shop}/orders?page=2${kept('#item-7')}`);
    await page.goto(`${admin}/people#ada`);
    await page.waitForURL(`${admin}/people${kept('#ada')}`);
    const cookies = (await context.cookies()).filter(({ name }) => name === '__Host-sid');
    expect(cookies.map(({ domain }) => domain).toSorted()).toEqual(
      [login, admin, shop].map((origin) => new URL(origin).hostname).toSorted(),
    );
    expect(new Set(cookies.map(({ value }) => value)).size).toBe(3);

    await page.goto(`${admin}/auth/logout`);
    await page.click('form[action="/auth/logout"] button');
    await page.waitForURL(`${admin}/auth/logged-out`);
    await page.goto(`${shop}/orders`);
    await page.waitForURL(`${login}/auth/login?**`);
    expect(refusals()).toEqual([]);
    await context.close();
  });
});

test('twenty tabs restored at once without a cookie for the origin each return to their own address', async () => {
  const { login, shop } = sites['lax'] as Site;
  const { context, page } = await profile();
  await page.goto(`${login}/`);
  await typePassword(page);
  await page.waitForURL(`${login}/`);
  const urls = Array.from({ length: 20 }, (_, tab) => `${shop}/tab/${tab}#part-${tab}`);
  const tabs = await Promise.all(urls.map(() => context.newPage()));
  await Promise.all(tabs.map((tab, at) => tab.goto(urls[at] as string)));
  expect(tabs.map((tab) => tab.url())).toEqual(urls);
  await context.close();
});

describe('the fragment of a deep link', () => {
  test('survives a wrong password', async () => {
    const { shop } = sites['lax'] as Site;
    const { context, page } = await profile();
    await page.goto(`${shop}/orders#item-7`);
    await page.fill('#username', 'alice');
    await page.fill('#password', 'wrong');
    await page.press('#password', 'Enter');
    await page.waitForSelector('#problem');
    await typePassword(page);
    await page.waitForURL(`${shop}/orders#item-7`);
    await context.close();
  });

  test('survives a login at a provider that knows the person, but not at one that shows a form', async () => {
    const site = sites['lax'] as Site;
    const { context, page } = await profile();
    await page.goto(`${site.shop}/direct?x=1#first`);
    expect(new URL(page.url()).hash).toBe('#first');
    await logInAtProvider(page, site);
    await page.waitForURL(`${site.shop}/direct?x=1`);
    await page.goto(`${site.shop}/auth/logout`);
    await page.click('form[action="/auth/logout"] button');
    await page.goto(`${site.shop}/direct?x=2#second`);
    await page.waitForURL(`${site.shop}/direct?x=2#second`);
    await context.close();
  });
});
