/** Several origins of one gateway, one login: a code hands it over, and each origin has its own cookie. */

import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Page } from '../../../support/browsers/plain-browser.ts';
import { TestClocks } from '../../../support/clocks.ts';
import { parseTestConfig } from '../../../support/gateway.ts';
import { RawConnection, requestHead } from '../../../support/raw-client.ts';
import { events, Files, JSON_TYPE, metricValue, PASSWORD } from '../fixture.ts';
import { ADMIN, cookieOf, LOGIN, ORIGINS, OriginsStage, SHOP, sessionStatus } from './stage.ts';

const clocks = new TestClocks();
let stage: OriginsStage;

beforeAll(async () => {
  stage = await OriginsStage.start({ clocks });
});

afterAll(() => stage[Symbol.asyncDispose]());

const tokenSeen = () => decodeJwt(stage.upstream.last.values('authorization')[0]?.replace('Bearer ', '') ?? '');

describe('one login', () => {
  test('a deep link leads to the form on the login origin and back', async () => {
    const browser = stage.browser();
    const form = await browser.open(`${SHOP}/orders?page=2&q=a%26b`);
    expect([form.status, form.url.origin, form.url.pathname]).toEqual([200, LOGIN, '/auth/login']);
    const page = await browser.submit(form, { username: 'alice', password: PASSWORD });
    expect([page.status, page.url.href]).toEqual([200, `${SHOP}/orders?page=2&q=a%26b`]);
    expect(tokenSeen()).toMatchObject({ sub: 'alice' });
    expect(events(stage.login, 'login_handed_over').at(-1)).toMatchObject({ subject: 'alice', origin: SHOP });
  });

  test('a second origin, on another site, joins the same session without a form', async () => {
    const browser = stage.browser();
    await stage.logIn(browser);
    const { sid } = tokenSeen();
    const page = await browser.open(`${ADMIN}/people?x=1`);
    expect([page.status, page.url.href]).toEqual([200, `${ADMIN}/people?x=1`]);
    expect(tokenSeen()).toMatchObject({ sub: 'alice', sid });
    const list = await browser.fetch(`${ADMIN}/auth/sessions`);
    expect(
      (JSON.parse(list.body) as { sessions: { current: boolean }[] }).sessions.filter(({ current }) => current),
    ).toHaveLength(1);
  });

  test('each origin has its own cookie, which opens nothing elsewhere', async () => {
    const browser = stage.browser();
    await stage.logIn(browser);
    await browser.open(`${ADMIN}/`);
    const cookies = ORIGINS.map((origin) => cookieOf(browser, origin));
    expect(new Set(cookies).size).toBe(3);
    for (const [at, origin] of [SHOP, ADMIN].entries()) {
      for (const other of ORIGINS.filter((it) => it !== origin)) {
        const answer = await stage
          .browser()
          .fetch(`${other}/auth/session`, { cookie: `__Host-sid=${cookies[at + 1]}` });
        expect([origin, other, answer.status]).toEqual([origin, other, 401]);
      }
    }
    expect(await sessionStatus(browser, SHOP)).toBe(200);
  });

  test.each(ORIGINS)('a logout on %s logs out every origin', async (origin) => {
    const browser = stage.browser();
    await stage.logIn(browser);
    await browser.open(`${ADMIN}/`);
    await browser.submit(await browser.open(`${origin}/auth/logout`), {}, '/auth/logout');
    for (const each of ORIGINS) expect([each, await sessionStatus(browser, each)]).toEqual([each, 401]);
    expect((await browser.open(`${SHOP}/`)).url.origin).toBe(LOGIN);
  });

  test('a program without a session gets 401 and no redirect', async () => {
    const browser = stage.browser();
    await browser.submit(await browser.open(`${LOGIN}/auth/login`), { username: 'alice', password: PASSWORD });
    const answer = await browser.fetch(`${SHOP}/api/orders`);
    expect([answer.status, answer.headers.location]).toEqual([401, undefined]);
    const script = await browser.fetch(`${SHOP}/auth/login`);
    expect([script.status, script.headers.location]).toEqual([401, undefined]);
  });

  test('twenty tabs at once get the same cookie and keep their addresses', async () => {
    const browser = stage.browser();
    await browser.submit(await browser.open(`${LOGIN}/auth/login`), { username: 'alice', password: PASSWORD });
    const tabs = Array.from({ length: 20 }, (_, tab) => `${SHOP}/tab/${tab}`);
    const pages = await Promise.all(tabs.map((url) => browser.open(url)));
    expect(pages.map(({ url, status }) => `${status} ${url.href}`)).toEqual(tabs.map((url) => `200 ${url}`));
    const set = browser.hops.flatMap(({ url, setCookies }) => (url.origin === SHOP ? setCookies : []));
    expect(new Set(set.filter((line) => line.startsWith('__Host-sid=')))).toHaveLength(1);
  });

  test('SES-05: a tab that another one overtook continues; with nothing pending, the login page appears', async () => {
    const browser = stage.browser();
    const waiting = await browser.open(`${SHOP}/orders`);
    await stage.logIn(browser, `${SHOP}/`);
    expect((await browser.open(waiting.url)).url.href).toBe(`${SHOP}/orders`);
    expect((await browser.open(`${SHOP}/auth/login?return_to=/orders`)).url.href).toBe(`${SHOP}/orders`);
    for (const origin of [SHOP, LOGIN])
      expect((await browser.open(`${origin}/auth/login`)).body).toContain('You are logged in as');
    expect((await browser.open(`${LOGIN}/auth/login?return_to=/orders`)).url.pathname).toBe('/auth/login');
  });

  test('switching users on an origin leads to the login origin and ends the previous session', async () => {
    const browser = stage.browser();
    await stage.logIn(browser);
    const before = cookieOf(browser, SHOP);
    const form = await browser.open(`${SHOP}/auth/login?switch=1&return_to=/orders`);
    expect(form.url.origin).toBe(LOGIN);
    const page = await browser.submit(form, { username: 'bob', password: PASSWORD });
    expect([page.url.href, tokenSeen().sub]).toEqual([`${SHOP}/orders`, 'u-bob']);
    const old = await stage.browser().fetch(`${SHOP}/auth/session`, { cookie: `__Host-sid=${before}` });
    expect(old.status).toBe(401);
  });

  test('CSP3 §6.5.1: the login form may redirect only to the origin that asked', async () => {
    const policy = async (url: string) => (await stage.browser().open(url)).headers['content-security-policy'];
    expect(await policy(`${SHOP}/`)).toContain(`; form-action 'self' ${SHOP};`);
    expect(await policy(`${LOGIN}/`)).toContain(`; form-action 'self';`);
    const foreign = '/auth/hand-over?to=https://evil.example&state=x&challenge=x';
    expect(await policy(`${LOGIN}/auth/login?return_to=${encodeURIComponent(foreign)}`)).toContain(
      `form-action 'self';`,
    );
  });

  test('each step is counted', async () => {
    const browser = stage.browser();
    const count = (outcome: string) =>
      metricValue(stage.login, `sallyport_login_hand_overs_total{outcome="${outcome}"}`);
    const before = await Promise.all(['begun', 'given', 'taken'].map(count));
    await stage.logIn(browser);
    const after = await Promise.all(['begun', 'given', 'taken'].map(count));
    expect(after.map((value, at) => value - (before[at] ?? 0))).toEqual([1, 1, 1]);
  });
});

describe('a code', () => {
  /** A browser that is logged in at the login origin, and a hand-over address that it has not visited yet. */
  async function halfway(url = `${SHOP}/orders`) {
    const browser = stage.browser();
    await browser.submit(await browser.open(`${LOGIN}/auth/login`), { username: 'alice', password: PASSWORD });
    return { browser, address: await stage.codeAddress(browser, url) };
  }

  /** Asserts that the address logs nobody in, and that its page links to the login. */
  async function isRefused(browser: ReturnType<OriginsStage['browser']>, address: string, note: RegExp) {
    const before = events(stage.login, 'hand_over_refused').length;
    const page = await browser.step(address);
    expect([page.status, page.headers.location, page.headers['set-cookie']]).toEqual([400, undefined, undefined]);
    expect(page.body).toMatch(/href="\/auth\/login\?return_to=/);
    const refused = events(stage.login, 'hand_over_refused').slice(before);
    expect(refused).toEqual([expect.objectContaining({ note: expect.stringMatching(note) })]);
  }

  test('works once, even for a browser that has lost its session cookie', async () => {
    const { browser, address } = await halfway();
    expect((await browser.step(address)).headers.location).toBe('/orders');
    browser.cookies.forget(new URL(SHOP).hostname, '__Host-sid');
    const again = await browser.step(address);
    expect([again.status, again.headers.location]).toEqual([303, '/auth/login?return_to=%2Forders']);
    expect(again.headers['set-cookie']).toBeUndefined();
  });

  test('is refused when replayed with another transaction', async () => {
    const { browser, address } = await halfway();
    const other = new URL(await stage.codeAddress(browser, `${SHOP}/other`));
    await browser.step(address);
    other.searchParams.set('code', new URL(address).searchParams.get('code') ?? '');
    await isRefused(browser, other.href, /already used/);
  });

  test('SES-03, CSRF-12: is useless in another browser: a victim sent to it stays logged in as before', async () => {
    const { address } = await halfway();
    await isRefused(stage.browser(), address, /without the cookie/);
    const victim = stage.browser();
    await stage.logIn(victim, `${SHOP}/`, { username: 'bob' });
    await isRefused(victim, address, /no hand-over with that state/);
    expect(JSON.parse((await victim.fetch(`${SHOP}/auth/session`)).body)).toMatchObject({ subject: 'u-bob' });
  });

  test('from another browser is refused with this one’s state, and is used up', async () => {
    const { browser, address } = await halfway();
    const attacker = await halfway();
    const mixed = new URL(attacker.address);
    mixed.searchParams.set('code', new URL(address).searchParams.get('code') ?? '');
    await isRefused(attacker.browser, mixed.href, /issued to another browser/);
    await isRefused(browser, address, /already used/);
  });

  test('for one origin is refused with a transaction of another', async () => {
    const { browser, address } = await halfway();
    const admin = new URL(await stage.codeAddress(browser, `${ADMIN}/`));
    admin.searchParams.set('code', new URL(address).searchParams.get('code') ?? '');
    await isRefused(browser, admin.href, /for another origin/);
    const moved = (await halfway()).address.replace(SHOP, ADMIN);
    await isRefused(browser, moved, /no hand-over with that state/);
  });

  test('is refused on another origin, even with the hand-over cookie there', async () => {
    const { browser, address } = await halfway();
    const [shop, admin] = [SHOP, ADMIN].map((origin) => new URL(origin).hostname) as [string, string];
    for (const [name, value] of Object.entries(browser.cookies.of(shop))) browser.cookies.put(admin, name, value);
    await isRefused(browser, address.replace(SHOP, ADMIN), /began on another origin/);
  });

  test('expires after a minute', async () => {
    const { browser, address } = await halfway();
    clocks.advance(60_000);
    await isRefused(browser, address, /expired/);
  });

  test.each([
    ['no code', (url: URL) => url.searchParams.delete('code'), /missing, malformed/],
    ['two codes', (url: URL) => url.searchParams.append('code', 'x'.repeat(43)), /or repeated/],
    ['two states', (url: URL) => url.searchParams.append('state', 'x'.repeat(43)), /or repeated/],
    ['a malformed code', (url: URL) => url.searchParams.set('code', '../../x'), /malformed/],
    ['a made-up code', (url: URL) => url.searchParams.set('code', 'A'.repeat(43)), /code unknown or expired/],
  ])('is refused when the address has %s', async (_what, change, note) => {
    const { browser, address } = await halfway();
    const url = new URL(address);
    change(url);
    await isRefused(browser, url.href, note);
  });

  test('is issued even after 15 minutes at the login form', async () => {
    const browser = stage.browser();
    const form = await browser.open(`${SHOP}/late`);
    clocks.advance(15 * 60_000);
    const page = await browser.submit(form, { username: 'alice', password: PASSWORD });
    expect([page.status, page.url.href]).toEqual([200, `${SHOP}/late`]);
  });

  test('Fetch: does not leak into Referer, redirects or logs', async () => {
    const { browser, address } = await halfway();
    const answer = await browser.step(address);
    expect([answer.headers['referrer-policy'], answer.headers['cache-control']]).toEqual(['no-referrer', 'no-store']);
    expect(answer.headers.location).not.toContain('code');
    const { log, audit } = stage.login.gateway;
    const written = log.text + audit.text;
    const secrets = [...new URL(address).searchParams.values(), ...ORIGINS.map((origin) => cookieOf(browser, origin))];
    for (const secret of secrets.filter((it) => it !== undefined)) expect(written).not.toContain(secret);
  });
});

describe('a raw request to the login origin', () => {
  const secret = 'A'.repeat(43);
  const asked = (to: string) => `/auth/hand-over?to=${encodeURIComponent(to)}&state=${secret}&challenge=${secret}`;
  let cookie = '';

  beforeAll(async () => {
    cookie = await stage.login.gateway.cookie('alice');
  });

  test.each([
    ['RED-06: for a foreign origin', LOGIN, asked('https://evil.example'), 400],
    ['RED-11: for a host name that begins like ours', LOGIN, asked(`${SHOP}.evil.example`), 400],
    ['RED-06: for our host as a user name', LOGIN, asked(`${SHOP}@evil.example`), 400],
    ['RED-13: for another port', LOGIN, asked(`${SHOP}:8443`), 400],
    ['RED-13: for plain http', LOGIN, asked(SHOP.replace('https', 'http')), 400],
    ['for our origin with a path', LOGIN, asked(`${SHOP}/elsewhere`), 400],
    ['for our origin in upper case', LOGIN, asked(SHOP.toUpperCase()), 400],
    ['for the login origin itself', LOGIN, asked(LOGIN), 400],
    ['with two origins', LOGIN, `${asked(SHOP)}&to=${encodeURIComponent(ADMIN)}`, 400],
    ['with two challenges', LOGIN, `${asked(SHOP)}&challenge=${secret}`, 400],
    ['without a challenge', LOGIN, `/auth/hand-over?to=${SHOP}&state=${secret}`, 400],
    [
      'with a line break in the state',
      LOGIN,
      asked(SHOP).replace(`state=${secret}`, 'state=x%0d%0aSet-Cookie:x=1'),
      400,
    ],
    ['for an unknown route', LOGIN, `${asked(SHOP)}&route=nothing`, 400],
    ['that reaches another origin instead', SHOP, asked(ADMIN), 404],
    ['with a code for the login origin itself', LOGIN, `/auth/handed-over?code=${secret}&state=${secret}`, 404],
  ])('%s is refused', async (_what, origin, target, status) => {
    await using connection = await RawConnection.open(stage.login.gateway.port);
    connection.write(requestHead('GET', target, [`Host: ${new URL(origin).host}`, cookie]));
    const answer = await connection.response();
    expect([answer.status, answer.headers.get('location'), answer.headers.get('set-cookie')]).toEqual([
      status,
      undefined,
      undefined,
    ]);
  });

  test('by a script of a sibling origin gets no code, even with the site’s cookies', async () => {
    await using connection = await RawConnection.open(stage.login.gateway.port);
    const fetched = ['Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Site: same-site', 'Sec-Fetch-Dest: empty'];
    connection.write(requestHead('GET', asked(SHOP), [`Host: ${new URL(LOGIN).host}`, cookie, ...fetched]));
    const answer = await connection.response();
    expect([answer.status, answer.headers.get('location')]).toEqual([401, undefined]);
  });

  test('RED-01: cannot move return_to off the origin that asked', async () => {
    const browser = stage.browser();
    const page = await stage.logIn(browser, `${SHOP}/auth/login?return_to=//evil.example`);
    expect(page.url.href).toBe(`${SHOP}/`);
    const hops = browser.hops.filter(({ url }) => url.origin === LOGIN).map(({ url }) => url.href);
    expect(hops.filter((href) => href.includes('evil'))).toEqual([]);
  });
});

/** The target of a page's Refresh header. */
const refreshOf = ({ headers, url }: Page): URL => new URL(String(headers['refresh']).replace('0; url=', ''), url);

test('P4: a custom login page on the login origin serves all origins through its backend’s session', async () => {
  const secret = 's'.repeat(32);
  await using files = new Files();
  await using own = await OriginsStage.start({
    login: {
      page: '/welcome',
      trustedBackends: [{ id: 'idp', clientSecretFile: await files.write('secret', secret) }],
    },
    routes: [
      {
        id: 'welcome',
        match: { path: '/welcome', host: new URL(LOGIN).host },
        credential: 'none',
        relaySessionCookie: true,
      },
      { id: 'app', match: { path: '/' }, credential: 'session' },
    ],
  });
  const browser = own.browser();
  const page = await browser.open(`${SHOP}/orders`);
  expect([page.status, page.url.origin, page.url.pathname]).toEqual([200, LOGIN, '/welcome']);
  const opened = await own.login.send(
    'POST',
    '/auth/sessions',
    [JSON_TYPE, `Authorization: Basic ${Buffer.from(`idp:${secret}`).toString('base64')}`],
    JSON.stringify({ subject: 'carol' }),
  );
  browser.cookies.store(opened.headers.get('set-cookie') ?? '', new URL(LOGIN));
  const back = await browser.open(new URL(page.url.searchParams.get('return_to') ?? '', LOGIN), page);
  expect([back.status, back.url.href]).toEqual([200, `${SHOP}/orders`]);
  expect(decodeJwt(own.upstream.last.values('authorization')[0]?.replace('Bearer ', '') ?? '')).toMatchObject({
    sub: 'carol',
  });
});

describe('a flood', () => {
  test('of hand-overs or codes from one network gets 429 before anything is stored', async () => {
    await using throttled = await OriginsStage.start({ login: { throttle: { startsPerAddress: 3 } } });
    const { loginTransactions, codes } = throttled.login.gateway.gateway.store;
    const kept = [vi.spyOn(loginTransactions, 'add'), vi.spyOn(codes, 'add')];
    const browser = throttled.browser();
    const begin = () => browser.step(`${SHOP}/auth/login?return_to=/orders`);
    const statuses: number[] = [];
    for (let count = 0; count < 4; count += 1) statuses.push((await begin()).status);
    expect(statuses).toEqual([302, 302, 302, 429]);
    const refused = await begin();
    expect([
      Number(refused.headers['retry-after']) > 0,
      refused.body.includes('href="/auth/login?return_to=%2Forders"'),
    ]).toEqual([true, true]);
    // The first of the three only gets the cookie of the browser.
    expect(kept.map(({ mock }) => mock.calls.length)).toEqual([2, 0]);

    const secret = 'A'.repeat(43);
    const cookie = (await throttled.login.gateway.cookie('alice')).replace('Cookie: ', '');
    const give = async () =>
      (
        await browser.fetch(`${LOGIN}/auth/hand-over?to=${SHOP}&state=${secret}&challenge=${secret}`, {
          cookie,
          'sec-fetch-mode': 'navigate',
        })
      ).status;
    expect([await give(), await give(), await give(), await give()]).toEqual([302, 302, 302, 429]);
    expect(kept.map(({ mock }) => mock.calls.length)).toEqual([2, 3]);
  });
});

describe('cookies', () => {
  test('SameSite=Strict: pages continue the hand-over, since redirects from another site lack the cookie', async () => {
    await using strict = await OriginsStage.start({ config: { session: { cookie: { sameSite: 'strict' } } } });
    const browser = strict.browser();
    await browser.submit(await browser.open(`${LOGIN}/auth/login`), { username: 'alice', password: PASSWORD });
    // A link on a page of the other site, to which the login origin does not belong.
    const first = await browser.open(`${ADMIN}/orders`, await browser.step(`${ADMIN}/auth/logged-out`));
    expect(first.url.href).toContain(`${LOGIN}/auth/hand-over?`);
    const second = await browser.open(refreshOf(first), first);
    expect(second.url.href).toContain(`${ADMIN}/auth/handed-over?`);
    const page = await browser.open(refreshOf(second), second);
    expect([page.status, page.url.href]).toEqual([200, `${ADMIN}/orders`]);
    // Without a login, that page leads to the form and not back to itself.
    expect((await strict.browser().open(`${first.url}&again=1`)).url.pathname).toBe('/auth/login');
  });

  test('a remembered login gives each origin a persistent cookie', async () => {
    await using remembering = await OriginsStage.start({ config: { session: { remember: {} } } });
    const browser = remembering.browser();
    await remembering.logIn(browser, `${SHOP}/`, { remember: 'yes' });
    const set = browser.hops.flatMap(({ url, setCookies }) => (url.origin === SHOP ? setCookies : []));
    expect(set.find((line) => line.startsWith('__Host-sid='))).toMatch(/; SameSite=Lax; Max-Age=2592000$/);
  });

  test('a browser that keeps no cookies is told so instead of looping', async () => {
    const page = await stage.browser().open(`${SHOP}/auth/login?cookie=1&return_to=/orders`);
    expect([page.status, page.body.includes('Cookie missing')]).toEqual([400, true]);
  });

  test('a session opened on an origin itself stays valid in the browser there, and only there, after a reload', async () => {
    const gateway = stage.login.gateway;
    const line = await gateway.cookie('carol');
    const ask = async (origin: string) =>
      (await stage.browser().fetch(`${origin}/auth/session`, { cookie: line.replace('Cookie: ', '') })).status;
    expect([await ask(SHOP), await ask(SHOP)]).toEqual([200, 200]);
    await using own = await OriginsStage.start({ login: { origin: undefined } });
    const browser = own.browser();
    await own.logIn(browser, `${SHOP}/`);
    const sections = { ...own.login.gateway.gateway.config.login, origin: LOGIN };
    await own.login.gateway.apply({ ...own.login.gateway.gateway.config, login: sections });
    expect(await sessionStatus(browser, SHOP)).toBe(200);
    for (const other of [LOGIN, ADMIN]) expect([other, await sessionStatus(browser, other)]).toEqual([other, 401]);
    expect(parseTestConfig({ config: { publicOrigin: ORIGINS } }).login.origin).toBeUndefined();
  });
});
