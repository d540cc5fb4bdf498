/** `session.cookie.domain`: one session cookie for all subdomains, and its consequences. */

import { expect, test } from 'vitest';
import { PlainBrowser } from '../../support/browsers/plain-browser.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { LoginStage, PASSWORD } from './fixture.ts';

const [SHOP, ADMIN] = ['https://shop.example.com', 'https://admin.example.com'];
const ATTRIBUTES = 'Domain=example.com; Path=/; Secure; HttpOnly; SameSite=Lax';

test('COK-18: a login covers all subdomains, and a logout deletes the cookie by its Domain', async () => {
  await using upstream = await RecordingUpstream.start();
  await using stage = await LoginStage.start({
    upstream: upstream.origin,
    config: {
      publicOrigin: [SHOP, ADMIN],
      session: { cookie: { name: '__Secure-sid', domain: 'example.com' } },
    },
  });
  const origins = Object.fromEntries([SHOP, ADMIN].map((origin) => [origin, stage.gateway.port]));
  const browser = new PlainBrowser({ origins });
  const lines = () => browser.hops.at(-1)?.setCookies ?? [];
  const statuses = async () =>
    Promise.all([SHOP, ADMIN].map(async (origin) => (await browser.fetch(`${origin}/auth/session`)).status));

  const form = await browser.open(`${SHOP}/orders`);
  const page = await browser.submitOnly(form, { username: 'alice', password: PASSWORD });
  expect([page.status, lines()[0]]).toEqual([
    303,
    expect.stringMatching(new RegExp(`^__Secure-sid=[\\w-]{43}; ${ATTRIBUTES}$`)),
  ]);
  expect((await browser.open(`${ADMIN}/people`)).status).toBe(200);
  expect(upstream.last.values('cookie').join()).not.toContain('__Secure-sid');
  expect(await statuses()).toEqual([200, 200]);

  await browser.submitOnly(await browser.open(`${ADMIN}/auth/logout`), {}, '/auth/logout');
  expect(lines()).toContain(`__Secure-sid=; ${ATTRIBUTES}; Max-Age=0`);
  expect(await statuses()).toEqual([401, 401]);
  expect(browser.cookies.of('shop.example.com')).not.toHaveProperty('__Secure-sid');

  // What `validate` warns about: any sibling can set such a cookie, and of two nobody can say which is the gateway's.
  await browser.submit(await browser.open(`${SHOP}/auth/login`), { username: 'alice', password: PASSWORD });
  browser.cookies.store(
    '__Secure-sid=x; Domain=example.com; Path=/orders; Secure',
    new URL('https://evil.example.com'),
  );
  expect((await browser.fetch(`${SHOP}/people`)).status).toBe(200);
  // The refusal deletes the session cookie, and the browser obeys.
  expect((await browser.fetch(`${SHOP}/orders`)).status).toBe(401);
  expect((await browser.fetch(`${SHOP}/people`)).status).toBe(401);
});
