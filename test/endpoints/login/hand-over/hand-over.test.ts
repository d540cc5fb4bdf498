/** Several origins of one gateway, one login: a code hands it over, and each origin has a cookie of its own. */

import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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
  test('a deep link of an origin without a login leads to the form of the login origin, and back to itself', async () => {
    const browser = stage.browser();
    const form = await browser.open(`${SHOP}/orders?page=2&q=a%26b`);
    expect([form.status, form.url.origin, form.url.pathname]).toEqual([200, LOGIN, '/auth/login']);
    const page = await browser.submit(form, { username: 'alice', password: PASSWORD });
    expect([page.status, page.url.href]).toEqual([200, `${SHOP}/orders?page=2&q=a%26b`]);
    expect(tokenSeen()).toMatchObject({ sub: 'alice' });
    expect(events(stage.login, 'login_handed_over').at(-1)).toMatchObject({ subject: 'alice', origin: SHOP });
  });

  test('a further origin, of another site, is logged in without a form: it is the same session', async () => {
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

  test('each origin has a cookie of its own, that opens nothing elsewhere', async () => {
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

  test.each(ORIGINS)('a logout on %s ends all of them', async (origin) => {
    const browser = stage.browser();
    await stage.logIn(browser);
    await browser.open(`${ADMIN}/`);
    await browser.submit(await browser.open(`${origin}/auth/logout`), {}, '/auth/logout');
    for (const each of ORIGINS) expect([each, await sessionStatus(browser, each)]).toEqual([each, 401]);
    expect((await browser.open(`${SHOP}/`)).url.origin).toBe(LOGIN);
  });

  test('a program that asks an origin without a login gets 401, as everywhere, and is sent nowhere', async () => {
    const browser = stage.browser();
    await browser.submit(await browser.open(`${LOGIN}/auth/login`), { username: 'alice', password: PASSWORD });
    const answer = await browser.fetch(`${SHOP}/api/orders`);
    expect([answer.status, answer.headers.location]).toEqual([401, undefined]);
    const script = await browser.fetch(`${SHOP}/auth/login`);
    expect([script.status, script.headers.location]).toEqual([401, undefined]);
  });

  test('twenty tabs at once get the same cookie, each at its own address', async () => {
    const browser = stage.browser();
    await browser.submit(await browser.open(`${LOGIN}/auth/login`), { username: 'alice', password: PASSWORD });
    const tabs = Array.from({ length: 20 }, (_, tab) => `${SHOP}/tab/${tab}`);
    const pages = await Promise.all(tabs.map((url) => browser.open(url)));
    expect(pages.map(({ url, status }) => `${status} ${url.href}`)).toEqual(tabs.map((url) => `200 ${url}`));
    const set = browser.hops.flatMap(({ url, setCookies }) => (url.origin === SHOP ? setCookies : []));
    expect(new Set(set.filter((line) => line.startsWith('__Host-sid=')))).toHaveLength(1);
  });

  test('SES-05: a tab whose step another tab has overtaken goes on; the login page shows where nothing is under way', async () => {
    const browser = stage.browser();
    const waiting = await browser.open(`${SHOP}/orders`);
    await stage.logIn(browser, `${SHOP}/`);
    expect((await browser.open(waiting.url)).url.href).toBe(`${SHOP}/orders`);
    expect((await browser.open(`${SHOP}/auth/login?return_to=/orders`)).url.href).toBe(`${SHOP}/orders`);
    for (const origin of [SHOP, LOGIN])
      expect((await browser.open(`${origin}/auth/login`)).body).toContain('You are logged in as');
    expect((await browser.open(`${LOGIN}/auth/login?return_to=/orders`)).url.pathname).toBe('/auth/login');
  });

  test('a login as another user on an origin asks the login origin, and ends the session of before', async () => {
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

  test('CSP3 §6.5.1: the form of the login page may lead to the origin that asked, and to no other', async () => {
    const policy = async (url: string) => (await stage.browser().open(url)).headers['content-security-policy'];
    expect(await policy(`${SHOP}/`)).toContain(`; form-action 'self' ${SHOP};`);
    expect(await policy(`${LOGIN}/`)).toContain(`; form-action 'self';`);
    const foreign = '/auth/hand-over?to=https://evil.example&state=x&challenge=x';
    expect(await policy(`${LOGIN}/auth/login?return_to=${encodeURIComponent(foreign)}`)).toContain(
      `form-action 'self';`,
    );
  });

  test('steps are counted', async () => {
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
  /** A browser with a login at the login origin, and the address of a hand-over that it has not gone to yet. */
  async function halfway(url = `${SHOP}/orders`) {
    const browser = stage.browser();
    await browser.submit(await browser.open(`${LOGIN}/auth/login`), { username: 'alice', password: PASSWORD });
    return { browser, address: await stage.codeAddress(browser, url) };
  }

  /** Nobody is logged in by it, and the page leads on. */
  async function isRefused(browser: ReturnType<OriginsStage['browser']>, address: string, note: RegExp) {
    const before = events(stage.login, 'hand_over_refused').length;
    const page = await browser.step(address);
    expect([page.status, page.headers.location, page.headers['set-cookie']]).toEqual([400, undefined, undefined]);
    expect(page.body).toMatch(/href="\/auth\/login\?return_to=/);
    const refused = events(stage.login, 'hand_over_refused').slice(before);
    expect(refused).toEqual([expect.objectContaining({ note: expect.stringMatching(note) })]);
  }

  test('works once: the same address again opens nothing for a browser that has lost its cookie', async () => {
    const { browser, address } = await halfway();
    expect((await browser.step(address)).headers.location).toBe('/orders');
    browser.cookies.forget(new URL(SHOP).hostname, '__Host-sid');
    const again = await browser.step(address);
    expect([again.status, again.headers.location]).toEqual([303, '/auth/login?return_to=%2Forders']);
    expect(again.headers['set-cookie']).toBeUndefined();
  });

  test('that was used, with a transaction that was not: replayed with another one, it is refused', async () => {
    const { browser, address } = await halfway();
    const other = new URL(await stage.codeAddress(browser, `${SHOP}/other`));
    await browser.step(address);
    other.searchParams.set('code', new URL(address).searchParams.get('code') ?? '');
    await isRefused(browser, other.href, /already used/);
  });

  test('SES-03, CSRF-12: of one browser logs in no other: a victim who is led to it stays who they are', async () => {
    const { address } = await halfway();
    await isRefused(stage.browser(), address, /without the cookie/);
    const victim = stage.browser();
    await stage.logIn(victim, `${SHOP}/`, { username: 'bob' });
    await isRefused(victim, address, /no hand-over with that state/);
    expect(JSON.parse((await victim.fetch(`${SHOP}/auth/session`)).body)).toMatchObject({ subject: 'u-bob' });
  });

  test('of another browser is refused with a state of this one, and used up by it', async () => {
    const { browser, address } = await halfway();
    const attacker = await halfway();
    const mixed = new URL(attacker.address);
    mixed.searchParams.set('code', new URL(address).searchParams.get('code') ?? '');
    await isRefused(attacker.browser, mixed.href, /issued to another browser/);
    await isRefused(browser, address, /already used/);
  });

  test('for one origin is refused on another, whose transaction it is presented with', async () => {
    const { browser, address } = await halfway();
    const admin = new URL(await stage.codeAddress(browser, `${ADMIN}/`));
    admin.searchParams.set('code', new URL(address).searchParams.get('code') ?? '');
    await isRefused(browser, admin.href, /for another origin/);
    const moved = (await halfway()).address.replace(SHOP, ADMIN);
    await isRefused(browser, moved, /no hand-over with that state/);
  });

  test('is refused on another origin even to a browser that has the cookie of the hand-over there', async () => {
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
    ['a code of another form', (url: URL) => url.searchParams.set('code', '../../x'), /malformed/],
    ['a made-up code', (url: URL) => url.searchParams.set('code', 'A'.repeat(43)), /code unknown or expired/],
  ])('with %s is refused', async (_what, change, note) => {
    const { browser, address } = await halfway();
    const url = new URL(address);
    change(url);
    await isRefused(browser, url.href, note);
  });

  test('the person who took long at the form is not asked again', async () => {
    const browser = stage.browser();
    const form = await browser.open(`${SHOP}/late`);
    clocks.advance(15 * 60_000);
    const page = await browser.submit(form, { username: 'alice', password: PASSWORD });
    expect([page.status, page.url.href]).toEqual([200, `${SHOP}/late`]);
  });

  test('Fetch: neither its address nor that of the login origin is told to other pages', async () => {
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

describe('what the login origin answers to raw requests', () => {
  const secret = 'A'.repeat(43);
  const asked = (to: string) => `/auth/hand-over?to=${encodeURIComponent(to)}&state=${secret}&challenge=${secret}`;
  let cookie = '';

  beforeAll(async () => {
    cookie = await stage.login.gateway.cookie('alice');
  });

  test.each([
    ['RED-06: an origin that is not ours', LOGIN, asked('https://evil.example'), 400],
    ['RED-11: a name that begins like ours', LOGIN, asked(`${SHOP}.evil.example`), 400],
    ['RED-06: ours as a user name', LOGIN, asked(`${SHOP}@evil.example`), 400],
    ['RED-13: another port', LOGIN, asked(`${SHOP}:8443`), 400],
    ['RED-13: plain http', LOGIN, asked(SHOP.replace('https', 'http')), 400],
    ['a path on ours', LOGIN, asked(`${SHOP}/elsewhere`), 400],
    ['another spelling of ours', LOGIN, asked(SHOP.toUpperCase()), 400],
    ['the login origin itself', LOGIN, asked(LOGIN), 400],
    ['two origins', LOGIN, `${asked(SHOP)}&to=${encodeURIComponent(ADMIN)}`, 400],
    ['two challenges', LOGIN, `${asked(SHOP)}&challenge=${secret}`, 400],
    ['no challenge', LOGIN, `/auth/hand-over?to=${SHOP}&state=${secret}`, 400],
    ['a state with a line break', LOGIN, asked(SHOP).replace(`state=${secret}`, 'state=x%0d%0aSet-Cookie:x=1'), 400],
    ['an unknown route', LOGIN, `${asked(SHOP)}&route=nothing`, 400],
    ['on an origin at which nobody logs in', SHOP, asked(ADMIN), 404],
    ['a code on the login origin', LOGIN, `/auth/handed-over?code=${secret}&state=${secret}`, 404],
  ])('%s', async (_what, origin, target, status) => {
    await using connection = await RawConnection.open(stage.login.gateway.port);
    connection.write(requestHead('GET', target, [`Host: ${new URL(origin).host}`, cookie]));
    const answer = await connection.response();
    expect([answer.status, answer.headers.get('location'), answer.headers.get('set-cookie')]).toEqual([
      status,
      undefined,
      undefined,
    ]);
  });

  test('a script of a sibling origin gets no code, though the browser sends its cookies within the site', async () => {
    await using connection = await RawConnection.open(stage.login.gateway.port);
    const fetched = ['Sec-Fetch-Mode: no-cors', 'Sec-Fetch-Site: same-site', 'Sec-Fetch-Dest: empty'];
    connection.write(requestHead('GET', asked(SHOP), [`Host: ${new URL(LOGIN).host}`, cookie, ...fetched]));
    const answer = await connection.response();
    expect([answer.status, answer.headers.get('location')]).toEqual([401, undefined]);
  });

  test('RED-01: where a person wanted to go stays on the origin that asked, whatever the address says', async () => {
    const browser = stage.browser();
    const page = await stage.logIn(browser, `${SHOP}/auth/login?return_to=//evil.example`);
    expect(page.url.href).toBe(`${SHOP}/`);
    const hops = browser.hops.filter(({ url }) => url.origin === LOGIN).map(({ url }) => url.href);
    expect(hops.filter((href) => href.includes('evil'))).toEqual([]);
  });
});

/** Where a page leads by itself. */
const refreshOf = ({ headers, url }: Page): URL => new URL(String(headers['refresh']).replace('0; url=', ''), url);

test('P4: a login page of the operator on the login origin serves all origins, by the session that its backend opens', async () => {
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

describe('floods', () => {
  test('begun from one network are refused before they reach the store, and so are codes', async () => {
    await using throttled = await OriginsStage.start({ login: { throttle: { startsPerAddress: 3 } } });
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
  });
});

describe('cookies', () => {
  test('SameSite=Strict: pages of ours lead on, since the cookie stays behind in redirects from another site', async () => {
    await using strict = await OriginsStage.start({ config: { session: { cookie: { sameSite: 'strict' } } } });
    const browser = strict.browser();
    await browser.submit(await browser.open(`${LOGIN}/auth/login`), { username: 'alice', password: PASSWORD });
    // A link on a page of the other site, which is not that of the login origin.
    const first = await browser.open(`${ADMIN}/orders`, await browser.step(`${ADMIN}/auth/logged-out`));
    expect(first.url.href).toContain(`${LOGIN}/auth/hand-over?`);
    const second = await browser.open(refreshOf(first), first);
    expect(second.url.href).toContain(`${ADMIN}/auth/handed-over?`);
    const page = await browser.open(refreshOf(second), second);
    expect([page.status, page.url.href]).toEqual([200, `${ADMIN}/orders`]);
    // Without a login, that page leads to the form, and not to itself.
    expect((await strict.browser().open(`${first.url}&again=1`)).url.pathname).toBe('/auth/login');
  });

  test('a login that is remembered gives each origin a cookie that outlives the browser', async () => {
    await using remembering = await OriginsStage.start({ config: { session: { remember: {} } } });
    const browser = remembering.browser();
    await remembering.logIn(browser, `${SHOP}/`, { remember: 'yes' });
    const set = browser.hops.flatMap(({ url, setCookies }) => (url.origin === SHOP ? setCookies : []));
    expect(set.find((line) => line.startsWith('__Host-sid='))).toMatch(/; SameSite=Lax; Max-Age=2592000$/);
  });

  test('a browser that keeps no cookie is told so, and is not sent in a circle', async () => {
    const page = await stage.browser().open(`${SHOP}/auth/login?cookie=1&return_to=/orders`);
    expect([page.status, page.body.includes('Cookie missing')]).toEqual([400, true]);
  });

  test('a session that was opened on an origin itself is good there, and only there, before and after a reload', async () => {
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
    expect(parseTestConfig({ config: { publicOrigin: ORIGINS } }).login.origin).toBeUndefined();
  });
});
