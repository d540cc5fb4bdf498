/** Many logins at once: they reach their targets, and what they and abandoned logins leave in the store is bounded. */

import { expect, test } from 'vitest';
import { OidcStage } from '../../../attack/oidc-stage.ts';
import type { PlainBrowser } from '../../../support/browsers/plain-browser.ts';
import { PUBLIC_ORIGIN } from '../../../support/gateway.ts';
import { RedisServer } from '../../../support/redis.ts';

/** Connections that a browser opens to one host. */
const CONNECTIONS = 6;
/** The most logins that one browser may have in progress. */
const MOST = 500;
/** How many of them the test completes. */
const SOME = 40;

/** A gateway with its own Redis. */
async function withRedis() {
  const redis = await RedisServer.start();
  const stage = await OidcStage.start({ config: { store: { redis: { url: redis.url } } } });
  const keys = async (pattern: string) => (await redis.cli('KEYS', pattern)).split('\n').filter((key) => key !== '');
  return {
    stage,
    keys,
    underWay: async () => {
      const shards = await keys('sallyport:l:*');
      const counts = await Promise.all(shards.map((key) => redis.cli('ZCARD', key)));
      return counts.reduce((sum, count) => sum + Number(count), 0);
    },
    [Symbol.asyncDispose]: async () => {
      await stage[Symbol.asyncDispose]();
      await redis[Symbol.asyncDispose]();
    },
  };
}

/** Opens tabs as a browser does, a few at a time; each stops before it follows the provider's answer. */
async function answersOf(stage: OidcStage, browser: PlainBrowser, tabs: number): Promise<URL[]> {
  const answers: URL[] = [];
  let next = 0;
  const connection = async () => {
    for (let tab = next++; tab < tabs; tab = next++) answers[tab] = await stage.answer(browser, 'corporate', `/${tab}`);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  return answers;
}

test('OIDC-14: of one browser’s 520 logins the store keeps 500, which succeed; the others can start over', async () => {
  await using it = await withRedis();
  const { stage } = it;
  const browser = stage.browser();
  const answers = await answersOf(stage, browser, MOST + 20);
  expect(await it.underWay()).toBe(MOST);
  expect(await it.keys('sallyport:{sallyport:l:*')).toHaveLength(1);
  expect(Object.keys(browser.cookies.of('shop.example.com')).length).toBeLessThanOrEqual(CONNECTIONS);

  // Of logins that began at the same moment, any may count as the older one.
  const tabs = Array.from(
    { length: SOME },
    (_, at) => answers.length - 1 - Math.floor((at * (MOST - CONNECTIONS)) / SOME),
  );
  const pages = await Promise.all(tabs.map((tab) => browser.open(answers[tab] as URL)));
  expect(pages.map(({ status, url }) => `${status} ${url.pathname}`)).toEqual(tabs.map((tab) => `200 /${tab}`));

  const redeemed = stage.provider.countOf('token');
  for (const answer of answers.slice(0, CONNECTIONS)) {
    const page = await browser.open(answer);
    expect(page.status).toBe(400);
    expect(page.body).toContain('Login expired');
    const link = /href="(\/auth\/login\?[^"]*)"/.exec(page.body)?.[1]?.replaceAll('&amp;', '&') ?? '';
    const again = await browser.open(new URL(link, page.url), page);
    expect(again.body).toContain('<h1>You are logged in</h1>');
  }
  // No token was requested: another tab has logged in meanwhile.
  expect(stage.provider.countOf('token')).toBe(redeemed);
  expect(await it.underWay()).toBeLessThanOrEqual(MOST);
});

test('OIDC-14: fifty tabs opened at once without a cookie all log in', async () => {
  await using it = await withRedis();
  const browser = it.stage.browser();
  const tabs = Array.from({ length: 50 }, (_, tab) => `/${tab}`);
  const pages = await Promise.all(tabs.map((tab) => browser.open(`${PUBLIC_ORIGIN}${tab}`)));
  expect(pages.map(({ status, url }) => `${status} ${url.pathname}`)).toEqual(tabs.map((tab) => `200 ${tab}`));
});

test('OIDC-19: abandoned navigations and logins leave nothing in the store', async () => {
  await using it = await withRedis();
  const { gateway } = it.stage.gateway;
  const before = await it.keys('*');
  const floods = Array.from({ length: 200 }, (_, at) => {
    const path = at % 2 === 0 ? `/orders/${at}` : `/auth/login?provider=corporate&return_to=%2F${at}`;
    return it.stage.browser().step(`${PUBLIC_ORIGIN}${path}`);
  });
  const statuses = new Set((await Promise.all(floods)).map(({ status }) => status));
  expect([...statuses]).toEqual([302]);
  expect(await it.keys('*')).toEqual(before);
  const browser = it.stage.browser();
  await it.stage.isLoggedIn(browser, await it.stage.logIn(browser));
  expect(await gateway.sessions.list('corporate|mallory-1')).toHaveLength(1);
});
