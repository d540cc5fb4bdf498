/** Refresh cookies of several origins that share a login: each has its own family for the shared session. */

import { describe, expect, test } from 'vitest';
import { DependencyFault } from '../../../../src/errors.ts';
import type { PlainBrowser } from '../../../support/browsers/plain-browser.ts';
import { events } from '../fixture.ts';
import { ADMIN, LOGIN, OriginsStage, SHOP, sessionStatus } from './stage.ts';

const refresh = (browser: PlainBrowser, origin: string) => browser.fetch(`${origin}/auth/refresh`, {}, 'POST');
const statusesOf = async (browser: PlainBrowser) =>
  Promise.all([LOGIN, SHOP, ADMIN].map(async (origin) => (await refresh(browser, origin)).status));
const refreshCookieOf = (browser: PlainBrowser, origin: string) =>
  browser.cookies.get(new URL(origin).hostname, '__Secure-refresh');

/** A browser that has visited all origins. */
async function logInEverywhere(stage: OriginsStage): Promise<PlainBrowser> {
  const browser = stage.browser();
  await stage.logIn(browser, `${SHOP}/`);
  await browser.open(`${ADMIN}/`);
  return browser;
}

describe('with refresh.everyLogin', () => {
  const config = { refresh: { everyLogin: true } };

  test('the hand-over gives each origin its own refresh cookie for the same session', async () => {
    await using stage = await OriginsStage.start({ config });
    const browser = await logInEverywhere(stage);
    expect(await statusesOf(browser)).toEqual([200, 200, 200]);
    expect(new Set([LOGIN, SHOP, ADMIN].map((origin) => refreshCookieOf(browser, origin)?.value)).size).toBe(3);
    const begun = events(stage.login, 'refresh_begun');
    expect([begun.length, new Set(begun.map(({ family }) => family)).size]).toEqual([3, 3]);
    expect(new Set(begun.map(({ handle }) => handle)).size).toBe(1);
  });

  test('a remembered session makes the refresh cookie persistent', async () => {
    await using stage = await OriginsStage.start({ config: { ...config, session: { remember: {} } } });
    const browser = stage.browser();
    await stage.logIn(browser, `${SHOP}/`, { remember: 'yes' });
    const lines = browser.hops.flatMap(({ url, setCookies }) => (url.origin === SHOP ? setCookies : []));
    expect(lines.find((line) => line.startsWith('__Secure-refresh='))).toMatch(/; Max-Age=2592000$/);
  });

  test('REF-11: a refresh cookie is useless beside another login’s session cookie', async () => {
    await using stage = await OriginsStage.start({ config });
    const [browser, other] = [await logInEverywhere(stage), await logInEverywhere(stage)];
    const stolen = refreshCookieOf(browser, SHOP)?.value ?? '';
    const cookie = `__Host-sid=${other.cookies.of('admin.example.org')['__Host-sid']}; __Secure-refresh=${stolen}`;
    expect((await other.fetch(`${ADMIN}/auth/refresh`, { cookie }, 'POST')).status).toBe(400);
  });

  test('a logout on one origin ends the refresh cookies of all', async () => {
    await using stage = await OriginsStage.start({ config });
    const browser = await logInEverywhere(stage);
    await browser.submit(await browser.open(`${ADMIN}/auth/logout`));
    expect(await statusesOf(browser)).toEqual([400, 400, 400]);
  });

  test('a store fault fails the hand-over with 503 and logs nobody out elsewhere', async () => {
    await using stage = await OriginsStage.start({ config });
    const browser = stage.browser();
    await stage.logIn(browser, `${SHOP}/`);
    const { families } = stage.login.gateway.gateway.store;
    families.begin = async () => {
      throw new DependencyFault('store_unavailable', 'down');
    };
    expect((await browser.open(`${ADMIN}/`)).status).toBe(503);
    expect(await sessionStatus(browser, ADMIN)).toBe(401);
    expect([await sessionStatus(browser, LOGIN), await sessionStatus(browser, SHOP)]).toEqual([200, 200]);
  });
});

test('a refresh cookie that a login asked for stays on its origin', async () => {
  await using stage = await OriginsStage.start({ config: { refresh: {} } });
  const browser = stage.browser();
  await stage.logIn(browser, `${SHOP}/`, { refresh: 'browser' });
  expect(await statusesOf(browser)).toEqual([200, 400, 400]);
  expect(await sessionStatus(browser, SHOP)).toBe(200);
});
