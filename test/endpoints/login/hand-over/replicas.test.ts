/** Logins handed over between two replicas with a real Redis, which contains no secret and may stop answering. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClocks } from '../../../../src/lib/clock.ts';
import { PlainBrowser } from '../../../support/browsers/plain-browser.ts';
import { SOON_UNANSWERED } from '../../../support/gateway.ts';
import { RedisServer } from '../../../support/redis.ts';
import { until } from '../../../support/until.ts';
import { PASSWORD } from '../fixture.ts';
import { ADMIN, cookieOf, LOGIN, OriginsStage, SHOP, sessionStatus } from './stage.ts';

let redis: RedisServer;
let one: OriginsStage;
let other: OriginsStage;

beforeAll(async () => {
  redis = await RedisServer.start();
  const config = { store: { redis: { url: redis.url, ...SOON_UNANSWERED } } };
  const start = () => OriginsStage.start({ clocks: systemClocks, config });
  [one, other] = await Promise.all([start(), start()]);
});

afterAll(async () => {
  await one[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

const port = (stage: OriginsStage) => stage.login.gateway.port;

/** A browser that reaches one replica at the login origin, and the other replica at all other origins. */
const browserOfBoth = () =>
  new PlainBrowser({ origins: { [LOGIN]: port(one), [SHOP]: port(other), [ADMIN]: port(other) } });

/** All keys and values in Redis. */
async function everything(): Promise<string> {
  const keys = (await redis.cli('KEYS', '*')).split('\n');
  const values = await Promise.all(
    keys.map(async (key) => [key, await redis.cli('DUMP', key), await redis.cli('GET', key)]),
  );
  return values.flat().join('\n');
}

test('one replica completes what the other began, and a logout ends the session on both', async () => {
  const browser = browserOfBoth();
  const page = await one.logIn(browser, `${SHOP}/orders`);
  expect([page.status, page.url.href]).toEqual([200, `${SHOP}/orders`]);
  expect((await browser.open(`${ADMIN}/people`)).url.href).toBe(`${ADMIN}/people`);
  await browser.submit(await browser.open(`${SHOP}/auth/logout`), {}, '/auth/logout');
  await until(async () => (await sessionStatus(browser, LOGIN)) === 401, 'the logout arrives at the other replica');
  expect(await sessionStatus(browser, ADMIN)).toBe(401);
});

test('a code presented to two replicas at once is accepted once', async () => {
  const browser = browserOfBoth();
  await browser.submit(await browser.open(`${LOGIN}/auth/login`), { username: 'alice', password: PASSWORD });
  const address = await one.codeAddress(browser, `${SHOP}/orders`);
  const cookie = browser.cookies.headerFor(new URL(SHOP), { method: 'GET', initiator: null });
  const at = (stage: OriginsStage) =>
    new PlainBrowser({ origins: { [SHOP]: port(stage) }, headers: { cookie } }).step(address);
  const answers = await Promise.all([at(one), at(other), at(one), at(other)]);
  const set = answers.flatMap(({ headers }) => headers['set-cookie'] ?? []);
  expect(set.filter((line) => line.startsWith('__Host-sid='))).toHaveLength(1);
});

test('the store contains no session id, linked cookie or code', async () => {
  const browser = browserOfBoth();
  await one.logIn(browser, `${SHOP}/orders`);
  const address = new URL(await one.codeAddress(browser, `${ADMIN}/people`));
  const stored = await everything();
  const secrets = [cookieOf(browser, LOGIN), cookieOf(browser, SHOP), ...address.searchParams.values()];
  expect(secrets.filter((secret) => secret === undefined || stored.includes(secret))).toEqual([]);
  expect(stored).toContain('sallyport:c:');
});

describe('while Redis does not answer', () => {
  test('hand-overs get 503, cached sessions are served, and nobody is logged out', async () => {
    const known = browserOfBoth();
    await one.logIn(known, `${SHOP}/orders`);
    const unknown = browserOfBoth();
    await one.logIn(unknown, `${SHOP}/orders`);
    const halfway = await one.codeAddress(known, `${ADMIN}/people`);
    // A replica that has just started has cached neither links nor sessions.
    await using fresh = await OriginsStage.start({
      clocks: systemClocks,
      config: { store: { redis: { url: redis.url, ...SOON_UNANSWERED } } },
    });
    redis.freeze();
    try {
      expect(await sessionStatus(known, SHOP)).toBe(200);
      const cold = new PlainBrowser({ origins: { [SHOP]: port(fresh) } });
      const cookie = `__Host-sid=${cookieOf(unknown, SHOP)}`;
      const asked = await cold.fetch(`${SHOP}/auth/session`, { cookie });
      expect([asked.status, asked.headers['set-cookie'], Number(asked.headers['retry-after']) > 0]).toEqual([
        503,
        undefined,
        true,
      ]);
      for (const address of [halfway, `${ADMIN}/auth/login?return_to=/x`]) {
        const page = await known.step(address);
        expect([page.status, page.headers['set-cookie'], page.headers.location]).toEqual([503, undefined, undefined]);
      }
    } finally {
      redis.thaw();
    }
    await until(async () => (await known.open(`${ADMIN}/people`)).status === 200, 'hand-overs work again');
  });
});
