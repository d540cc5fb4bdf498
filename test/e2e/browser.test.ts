/**
 * People, in a real Chromium, on http://localhost: from a protected page through the login and back, out again, and
 * what other sites can make their browser do.
 */

import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { LoginStage, PASSWORD } from '../endpoints/login/fixture.ts';
import { TestBrowser } from '../support/browsers/browser.ts';
import { type AxeProblems, axeProblems, smallTargets, widthOf } from '../support/pages/checks.ts';
import { freePort } from '../support/ports.ts';

let browser: TestBrowser;
let upstream: Server;
let stage: LoginStage;
let origin: string;

beforeAll(async () => {
  browser = await TestBrowser.share();
  const port = await freePort();
  origin = `http://localhost:${port}`;
  upstream = await startUpstream();
  stage = await LoginStage.start({
    upstream: originOf(upstream),
    routes: [
      { id: 'public', match: { path: '/public' }, credential: 'none' },
      { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { roles: ['admin'] } },
      { id: 'app', match: { path: '/' }, credential: 'session' },
    ],
    config: {
      publicOrigin: origin,
      session: { remember: {} },
      listeners: { public: { address: `127.0.0.1:${port}` }, admin: { address: '127.0.0.1:0' } },
    },
    login: { throttle: { freeAttemptsPerAccount: 100, freeAttemptsPerAddress: 1_000 } },
  });
});

beforeEach(async () => {
  for (const subject of ['alice', 'u-bob']) await stage.gateway.gateway.sessions.endAll(subject, 'operator');
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await stage[Symbol.asyncDispose]();
  upstream.close();
  upstream.closeAllConnections();
});

/** A service behind the gateway: shows the claims of its token, which it verified with the published keys. */
async function startUpstream(): Promise<Server> {
  const server = createServer(async (request, response) => {
    const keys = createRemoteJWKSet(new URL(`${origin}/.well-known/jwks.json`));
    const [, token = ''] = (request.headers.authorization ?? '').split(' ');
    const claims =
      token === ''
        ? {}
        : (await jwtVerify(token, keys, { issuer: origin, audience: 'app', algorithms: ['ES256'] })).payload;
    response.setHeader('Content-Type', 'text/html');
    const form = '<form method="post"><button>Send</button></form>';
    response.end(`<!doctype html><h1>${request.url}</h1><pre>${JSON.stringify(claims)}</pre>${form}`);
  });
  return listening(server);
}

const listening = (server: Server): Promise<Server> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));

const originOf = (server: Server, host = '127.0.0.1') => `http://${host}:${(server.address() as AddressInfo).port}`;

async function logIn(page: Page, path = '/orders', username = 'alice', password = PASSWORD): Promise<void> {
  await page.goto(`${origin}${path}`);
  await page.getByLabel('User name').fill(username);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
}

const claimsOn = async (page: Page) =>
  JSON.parse((await page.locator('pre').textContent()) ?? '') as Record<string, unknown>;

const heading = (page: Page) => page.getByRole('heading', { level: 1 }).textContent();

describe('a person', () => {
  test('opens a protected page, logs in, and returns to the page, which knows the user', async () => {
    const { page } = await browser.emptyProfile();
    await page.goto(`${origin}/orders?page=2`);
    expect(page.url()).toBe(`${origin}/auth/login?return_to=%2Forders%3Fpage%3D2`);
    await page.getByLabel('User name').fill('alice');
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    expect(await page.getByRole('alert').textContent()).toBe('That user name and password do not match.');
    expect(await page.title()).toBe('Error: Log in');
    expect(await page.getByLabel('User name').inputValue()).toBe('alice');
    expect(await page.locator(':focus').getAttribute('id')).toBe('password');

    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${origin}/orders?page=2`);
    expect(await heading(page)).toBe('/orders?page=2');
    expect(await claimsOn(page)).toMatchObject({ sub: 'alice', iss: origin, aud: 'app' });
  });

  test('logs in with the keyboard alone', async () => {
    const { page } = await browser.emptyProfile();
    await page.goto(`${origin}/orders`);
    const focused = () => page.evaluate<string>('document.activeElement.id || document.activeElement.textContent');
    // The page is loaded before `autofocus` is followed.
    await expect.poll(focused).toBe('username');
    await page.keyboard.type('alice');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('password');
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('remember');
    await page.keyboard.press('Tab');
    expect(await focused()).toBe('Log in');
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
    await page.keyboard.press('Space');
    await page.waitForURL(`${origin}/orders`);
  });

  test('COK-18: logs out, and the cookie is gone from the browser', async () => {
    const { page, context } = await browser.emptyProfile();
    await logIn(page);
    const cookieOf = async (name: string) => (await context.cookies()).find((cookie) => cookie.name === name);
    const cookie = await cookieOf('__Host-sid');
    expect(cookie).toMatchObject({
      name: '__Host-sid',
      domain: 'localhost',
      path: '/',
      httpOnly: true,
      secure: true,
      sameSite: 'Lax',
      expires: -1,
    });
    await page.goto(`${origin}/auth/logout`);
    await page.getByRole('button', { name: 'Log out', exact: true }).click();
    expect(await heading(page)).toBe('You are logged out');
    expect(await cookieOf('__Host-sid')).toBeUndefined();
    expect(await cookieOf('__Host-known-device')).toMatchObject({ httpOnly: true, secure: true, sameSite: 'Strict' });
    // A copy of the cookie no longer works either.
    const replayed = await fetch(`${origin}/orders`, { headers: { Cookie: `${cookie?.name}=${cookie?.value}` } });
    expect(replayed.status).toBe(401);
  });

  test('P4: stays logged in after closing the browser, if the box was ticked', async () => {
    const { page, context } = await browser.emptyProfile();
    await page.goto(`${origin}/auth/login`);
    await page.getByLabel('Keep me logged in').check();
    await logIn(page);
    await page.waitForURL(`${origin}/orders`);
    expect((await context.cookies()).find(({ name }) => name === '__Host-sid')?.expires).toBe(-1);
    await context.clearCookies();
    await page.goto(`${origin}/auth/login`);
    await page.getByLabel('User name').fill('alice');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByLabel('Keep me logged in').check();
    await page.keyboard.press('Enter');
    await page.waitForURL(`${origin}/`);
    const { expires = -1 } = (await context.cookies()).find(({ name }) => name === '__Host-sid') ?? {};
    expect(expires).toBeGreaterThan(0);
  });

  test('sees the sessions of both browsers, and ends the other one', async () => {
    const [mine, other] = [await browser.emptyProfile(), await browser.profile()];
    await logIn(mine.page);
    await logIn(other.page);
    await mine.page.goto(`${origin}/auth/sessions`);
    const items = mine.page.locator('.sessions li');
    expect(await items.count()).toBe(2);
    expect(await items.first().textContent()).toMatch(/Chrome on Linux\s+This device[\s\S]*From 127\.0\.0\.1/);
    await items.nth(1).getByRole('button', { name: 'End session' }).click();
    await mine.page.waitForURL(`${origin}/auth/sessions`);
    expect(await mine.page.locator('.sessions li').count()).toBe(1);
    await other.page.goto(`${origin}/orders`);
    expect(other.page.url()).toContain('/auth/login');
    await mine.page.goto(`${origin}/orders`);
    expect(mine.page.url()).toBe(`${origin}/orders`);
    await other.context.close();
  });

  test('logs out on all devices', async () => {
    const [mine, other] = [await browser.emptyProfile(), await browser.profile()];
    await logIn(mine.page);
    await logIn(other.page);
    await mine.page.goto(`${origin}/auth/logout`);
    await mine.page.getByRole('button', { name: 'Log out on all devices' }).click();
    expect(await heading(mine.page)).toBe('You are logged out');
    await other.page.goto(`${origin}/orders`);
    expect(other.page.url()).toContain('/auth/login');
    await other.context.close();
  });

  test('can continue from the login page when logged in, or log in as someone else', async () => {
    const { page } = await browser.emptyProfile();
    await logIn(page);
    await page.goto(`${origin}/auth/login?return_to=%2Forders`);
    expect(await heading(page)).toBe('You are logged in');
    await page.getByRole('link', { name: 'Log in as someone else' }).click();
    await page.getByLabel('User name').fill('bob');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL(`${origin}/orders`);
    expect(await claimsOn(page)).toMatchObject({ sub: 'u-bob' });
    expect(await stage.gateway.gateway.sessions.list('alice')).toEqual([]);
  });
});

describe('a person in trouble', () => {
  test('A3: is told that the session has ended, and returns to the page after logging in', async () => {
    const { page } = await browser.emptyProfile();
    await logIn(page);
    await stage.gateway.gateway.sessions.endAll('alice', 'operator');
    await page.goto(`${origin}/orders?page=2`);
    expect(await page.getByRole('status').textContent()).toBe('Your session has ended. Log in again to continue.');
    await page.getByLabel('User name').fill('alice');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL(`${origin}/orders?page=2`);
  });

  test('P4: is led to the login and back to a form that was sent after the session ended', async () => {
    const { page } = await browser.emptyProfile();
    await logIn(page, '/form?id=7');
    await stage.gateway.gateway.sessions.endAll('alice', 'operator');
    await page.getByRole('button', { name: 'Send' }).click();
    expect(await heading(page)).toBe('Session ended');
    await page.getByRole('link', { name: 'Log in again' }).click();
    await page.getByLabel('User name').fill('alice');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.waitForURL(`${origin}/form?id=7`);
  });

  test('A6: is told when the browser keeps no cookie, as Safari on http://localhost, instead of looping', async () => {
    const front = await listening(createServer((request, response) => forget(request, response, () => behind)));
    const publicOrigin = originOf(front, 'localhost');
    await using other = await LoginStage.start({ upstream: originOf(upstream), config: { publicOrigin } });
    const behind = other.gateway.port;
    const { page } = await browser.emptyProfile();
    await page.goto(`${publicOrigin}/orders`);
    await page.getByLabel('User name').fill('alice');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    expect(await page.getByRole('alert').textContent()).toContain('your browser did not keep the session cookie');
    expect(await page.getByRole('alert').textContent()).toContain('Safari rejects secure cookies');
    expect(await page.locator('[name=return_to]').inputValue()).toBe('/orders');
    front.close();
    front.closeAllConnections();
  });

  /** Forwards a request to the gateway and strips the cookies from the answer, as if the browser had dropped them. */
  function forget(request: IncomingMessage, response: ServerResponse, port: () => number): void {
    const { method, url: path, headers } = request;
    const onward = httpRequest({ port: port(), host: '127.0.0.1', method, path, headers }, (answer) => {
      const { 'set-cookie': _cookies, ...rest } = answer.headers;
      response.writeHead(answer.statusCode ?? 0, rest);
      answer.pipe(response);
    });
    request.pipe(onward);
  }
});

describe('a page of another site', () => {
  /**
   * A page whose form submits itself to the gateway. Another port of `localhost` is the same site, 127.0.0.1 is not.
   */
  async function attack(
    page: Page,
    host: string,
    action: string,
    fields: Record<string, string> = {},
  ): Promise<number> {
    const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`);
    const site = await listening(
      createServer((_request, response) => {
        response.setHeader('Content-Type', 'text/html');
        response.end(
          `<!doctype html><form method="post" action="${origin}${action}">${inputs.join('')}<button>go</button></form>`,
        );
      }),
    );
    await page.goto(originOf(site, host));
    const [answer] = await Promise.all([
      page.waitForResponse((response) => response.url().startsWith(origin)),
      page.getByRole('button').click(),
    ]);
    site.close();
    site.closeAllConnections();
    return answer.status();
  }

  test.each([
    ['cannot log anyone out', '/auth/logout'],
    ['cannot log anyone out everywhere', '/auth/logout/all'],
    ['cannot end a session', '/auth/sessions/others'],
    ['cannot change anything behind the gateway', '/orders'],
  ])('%s', async (_what, action) => {
    const { page } = await browser.emptyProfile();
    await logIn(page);
    // Same site, another origin: the browser sends the cookie, and still nothing happens.
    expect(await attack(page, 'localhost', action)).toBe(403);
    // Another site: SameSite withholds the cookie, so a route answers 401; an endpoint refuses the origin first.
    expect(await attack(page, '127.0.0.1', action)).toBe(action === '/orders' ? 401 : 403);
    await page.goto(`${origin}/orders`);
    expect(page.url()).toBe(`${origin}/orders`);
  });

  test('cannot log a user in as someone else', async () => {
    const { page, context } = await browser.emptyProfile();
    const fields = { username: 'bob', password: PASSWORD };
    for (const host of ['localhost', '127.0.0.1']) expect(await attack(page, host, '/auth/login', fields)).toBe(403);
    expect(await context.cookies(origin)).toEqual([]);
  });

  test('cannot read cookies of the gateway with a script', async () => {
    const { page, context } = await browser.profile();
    await logIn(page);
    const site = await listening(createServer((_request, response) => response.end('<!doctype html>')));
    await page.goto(originOf(site, 'localhost'));
    const read = `fetch('${origin}/auth/session', { credentials: 'include' }).then((answer) => answer.text())`;
    const outcome = await page.evaluate<string>(`${read}.catch(() => 'refused')`);
    expect(outcome).toBe('refused');
    site.close();
    site.closeAllConnections();
    await context.close();
  });
});

describe('pages of the gateway', () => {
  const PAGES = [
    '/auth/login',
    '/auth/logout',
    '/auth/logged-out',
    '/auth/sessions',
    '/auth/login?return_to=%2Fx',
    '/auth/login?ended=1',
    '/auth/nothing',
    '/admin',
  ];

  interface Seen {
    readonly axe: AxeProblems;
    readonly width: number;
    readonly smallTargets: readonly string[];
  }
  /** Every page in a window of 320 pixels, by name. */
  let seen: Readonly<Record<string, Seen>>;

  beforeAll(async () => {
    const { page, context } = await browser.profile({ viewport: { width: 320, height: 640 } });
    const look = async (): Promise<Seen> => ({
      axe: await axeProblems(page),
      width: await widthOf(page),
      smallTargets: await smallTargets(page),
    });
    await page.goto(`${origin}/auth/login`);
    const all: Record<string, Seen> = { 'the login page': await look() };
    await logIn(page, '/orders', 'alice', 'wrong');
    await page.getByRole('alert').waitFor();
    all['the login page after a failure'] = await look();
    await logIn(page);
    await page.waitForURL(`${origin}/orders`);
    await stage.gateway.gateway.sessions.open({
      subject: 'alice',
      user: {},
      method: 'password',
      device: 'Safari on iPhone, 2001:db8:1234:5678:9abc:def0:1234:5678',
    });
    for (const path of PAGES) {
      await page.goto(`${origin}${path}`);
      all[path] = await look();
    }
    await context.close();
    seen = all;
  });

  const each = <Fact>(fact: (page: Seen) => Fact) =>
    Object.fromEntries(Object.entries(seen).map(([what, page]) => [what, fact(page)]));

  test.each(['light', 'dark'] as const)('have no accessibility problem that axe finds, in %s colours', (scheme) => {
    expect(each(({ axe }) => axe[scheme])).toEqual(each(() => []));
  });

  test('WCAG 1.4.10: fit a window of 320 pixels without scrolling sideways', () => {
    expect(each(({ width }) => width)).toEqual(each(() => 320));
  });

  test('WCAG 2.5.8: have controls at least 24 pixels wide and high', () => {
    expect(each((page) => page.smallTargets)).toEqual(each(() => []));
  });

  test('load nothing else, run no script, and obey their own policy', async () => {
    const { page } = await browser.emptyProfile();
    const requests: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => requests.push(request.url()));
    page.on('console', (message) => complaints.push(message.text()));
    for (const path of PAGES) {
      requests.length = 0;
      await page.goto(`${origin}${path}`);
      expect(
        requests
          .filter((url) => !url.endsWith('/favicon.ico'))
          .every((url) => url === `${origin}${path}` || url.startsWith(`${origin}/auth/`)),
      ).toBe(true);
      expect(await page.locator('script, img, link, iframe').count()).toBe(0);
    }
    expect(complaints.filter((text) => /Content.Security.Policy/i.test(text))).toEqual([]);
  });
});
