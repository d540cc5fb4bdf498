/** What a login with an identity provider does to the browser's existing session, where it may lead, and who may begin it. */

import { describe, expect, test } from 'vitest';
import type { PlainBrowser } from '../support/browsers/plain-browser.ts';
import { HOST, PUBLIC_ORIGIN } from '../support/gateway.ts';
import { rawRequest, requestHead } from '../support/raw-client.ts';
import { OidcStage } from './oidc-stage.ts';

const sessionOf = (browser: PlainBrowser) => browser.cookies.of('shop.example.com')['__Host-sid'] ?? '';
const statusOf = async (stage: OidcStage, sessionId: string): Promise<number> => {
  const head = requestHead('GET', '/auth/session', [HOST, `Cookie: __Host-sid=${sessionId}`]);
  return (await rawRequest(stage.gateway.port, head)).status;
};

describe("the browser's existing session", () => {
  test.each([['query'], ['formPost']])(
    'SES-01: is ended by a new login, which issues a new id (%s)',
    async (responseMode) => {
      await using stage = await OidcStage.start({ provider: { responseMode } });
      const browser = stage.browser();
      await stage.logIn(browser);
      const before = sessionOf(browser);
      await browser.open(`${PUBLIC_ORIGIN}/auth/login?provider=corporate&switch=1`);
      const after = sessionOf(browser);
      expect(after).toMatch(/^[A-Za-z0-9_-]{43}$/);
      expect(after).not.toBe(before);
      expect([await statusOf(stage, before), await statusOf(stage, after)]).toEqual([401, 200]);
    },
  );

  test('SES-02: never gets an id that someone else has chosen', async () => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    const chosen = 'C'.repeat(43);
    browser.cookies.put('shop.example.com', '__Host-sid', chosen);
    await stage.logIn(browser);
    expect([sessionOf(browser) === chosen, await statusOf(stage, chosen)]).toEqual([false, 401]);
  });

  test('survives a failed login', async () => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    await stage.logIn(browser);
    const before = sessionOf(browser);
    stage.provider.misbehave('nonce-wrong');
    const page = await browser.open(`${PUBLIC_ORIGIN}/auth/login?provider=corporate&switch=1`);
    expect(page.status).toBe(400);
    expect([sessionOf(browser), await statusOf(stage, before)]).toEqual([before, 200]);
  });

  test('survives a login that another site begins and nobody completes', async () => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    await stage.logIn(browser);
    const before = sessionOf(browser);
    const evil = await browser.open(`${stage.provider.issuer}/nothing-here`);
    await browser.step(`${PUBLIC_ORIGIN}/auth/login?provider=corporate&switch=1`, evil);
    expect([sessionOf(browser), await statusOf(stage, before)]).toEqual([before, 200]);
  });
});

describe('where a login leads', () => {
  test.each([
    ['RED-01', '//evil.example'],
    ['RED-02', '/\\evil.example'],
    ['RED-03', '/\t/evil.example'],
    ['RED-04', '/..//evil.example'],
    ['RED-05', 'https:evil.example'],
    ['RED-06', 'https://shop.example.com@evil.example'],
    ['RED-07', ' //evil.example'],
    ['RED-08', 'javascript:alert(1)'],
    ['RED-09', 'blob:https://shop.example.com/x'],
    ['RED-10', '/%2f%2fevil.example'],
    ['RED-11', 'https://shop.example.com.evil.example'],
    ['RED-13', 'http://shop.example.com'],
    ['RED-16', '/x\r\nSet-Cookie: x=1'],
    ['RED-17', '/auth/logout'],
    ['RED-17', '/auth/callback/corporate'],
  ])('%s: a login does not lead to %j, even by way of a provider', async (_id, target) => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    await browser.open(`${PUBLIC_ORIGIN}/auth/login?provider=corporate&return_to=${encodeURIComponent(target)}`);
    const [last] = browser.hops.slice(-1);
    expect([last?.url.href, last?.status]).toEqual([`${PUBLIC_ORIGIN}/`, 200]);
    const left = browser.hops.map(({ url }) => url.origin).filter((origin) => origin !== PUBLIC_ORIGIN);
    expect(new Set(left)).toEqual(new Set([stage.provider.issuer]));
  });
});

describe('who may begin a login', () => {
  const PATHS = ['/auth/login?provider=corporate', `/auth/callback/corporate?code=x&state=${'A'.repeat(43)}`];

  test.each(PATHS.flatMap((path) => ['PUT', 'DELETE', 'PATCH', 'OPTIONS'].map((method) => [method, path])))(
    '%s %s is refused without contacting the provider',
    async (method, path) => {
      await using stage = await OidcStage.start();
      const { status } = await rawRequest(stage.gateway.port, requestHead(method, path, [HOST, 'Content-Length: 0']));
      expect(status).toBe(405);
      expect(['authorize', 'token'].map((endpoint) => stage.provider.countOf(endpoint))).toEqual([0, 0]);
    },
  );

  test.each([
    ['an unknown provider', '/auth/login?provider=nobody'],
    ['a provider named like an object property', '/auth/login?provider=__proto__'],
    ['a provider named by a path', '/auth/login?provider=../corporate'],
    ['the callback of an unknown provider', `/auth/callback/nobody?code=x&state=${'A'.repeat(43)}`],
    ['a callback without a provider', `/auth/callback?code=x&state=${'A'.repeat(43)}`],
    ['a callback in another letter case', `/auth/callback/CORPORATE?code=x&state=${'A'.repeat(43)}`],
  ])('%s begins and completes no login', async (_what, path) => {
    await using stage = await OidcStage.start();
    const browser = stage.browser();
    const { status, headers } = await browser.step(`${PUBLIC_ORIGIN}${path}`);
    expect(`${status} ${headers.location ?? ''}`).not.toMatch(/^30\d http:\/\/127/);
    expect(stage.provider.countOf('token')).toBe(0);
    await stage.isLoggedOut(browser);
  });

  test('a fetch, an image or a script of another site begins no login', async () => {
    await using stage = await OidcStage.start();
    for (const [mode, dest] of [
      ['cors', 'empty'],
      ['no-cors', 'image'],
      ['no-cors', 'script'],
    ]) {
      const head = requestHead('GET', '/auth/login?provider=corporate', [
        HOST,
        `Sec-Fetch-Mode: ${mode}`,
        `Sec-Fetch-Dest: ${dest}`,
        'Sec-Fetch-Site: cross-site',
      ]);
      const { status, headers } = await rawRequest(stage.gateway.port, head);
      expect([status, headers.get('set-cookie')], dest).toEqual([401, undefined]);
    }
  });
});
