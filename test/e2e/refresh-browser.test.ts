/** A single-page app in a real Chromium: what it can get, what it can read, and what other sites can do. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt } from 'jose';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { events, LoginStage, PASSWORD } from '../endpoints/login/fixture.ts';
import { TestBrowser } from '../support/browsers/browser.ts';
import { freePort } from '../support/ports.ts';

let browser: TestBrowser;
/** The app's static files and its API, behind the gateway; and another site. */
let upstream: Server;
let stage: LoginStage;
let origin: string;
const cookiesAtUpstream: string[] = [];

const listening = (server: Server): Promise<Server> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
const portOf = (server: Server) => (server.address() as AddressInfo).port;

beforeAll(async () => {
  browser = await TestBrowser.share();
  upstream = await listening(
    createServer((request, response) => {
      cookiesAtUpstream.push(request.headers.cookie ?? '');
      response.setHeader('Content-Type', 'text/html');
      response.end('<!doctype html><title>app</title>');
    }),
  );
  const port = await freePort();
  origin = `http://localhost:${port}`;
  stage = await LoginStage.start({
    upstream: `http://127.0.0.1:${portOf(upstream)}`,
    routes: [
      { id: 'app', match: { path: '/' }, credential: 'none' },
      { id: 'api', match: { path: '/api' }, credential: { service: ['ourselves'] }, audience: 'api' },
    ],
    config: {
      publicOrigin: origin,
      listeners: { public: { address: `127.0.0.1:${port}` }, admin: { address: '127.0.0.1:0' } },
      refresh: { everyLogin: true, grace: '10s' },
      issuers: { ourselves: { own: {} } },
    },
  });
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await stage[Symbol.asyncDispose]();
  upstream.close();
  upstream.closeAllConnections();
});

async function logIn(page: Page): Promise<void> {
  await page.goto(`${origin}/auth/login?return_to=/app`);
  await page.getByLabel('User name').fill('alice');
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.waitForURL(`${origin}/app`);
}

const refresh = (page: Page) =>
  page.evaluate<{ status: number; body: Record<string, unknown> }>(
    `fetch('/auth/refresh', { method: 'POST' }).then(async (it) => ({ status: it.status, body: await it.json() }))`,
  );

test('the app logs in on the page, refreshes as often as it likes, and calls its API with the token', async () => {
  const { page } = await browser.emptyProfile();
  await logIn(page);
  const first = await refresh(page);
  expect(first).toMatchObject({ status: 200, body: { token_type: 'Bearer', expires_in: 300 } });
  expect(decodeJwt(String(first.body['access_token']))).toMatchObject({ sub: 'alice', aud: origin });
  const many = await page.evaluate<number[]>(
    `Promise.all(Array.from({ length: 20 }, () => fetch('/auth/refresh', { method: 'POST' }).then((it) => it.status)))`,
  );
  expect(new Set(many)).toEqual(new Set([200]));
  const status = await page.evaluate<number>(
    `fetch('/api', { credentials: 'omit', headers: { authorization: 'Bearer ${first.body['access_token']}' } }).then((it) => it.status)`,
  );
  expect(status).toBe(200);
  expect(events(stage, 'refresh_reuse_detected')).toEqual([]);
});

test('no script can read the refresh cookie, and the browser sends it to no other path', async () => {
  const { page, context } = await browser.emptyProfile();
  await logIn(page);
  const cookie = (await context.cookies(`${origin}/auth/refresh`)).find(({ name }) => name === '__Secure-refresh');
  expect(cookie).toMatchObject({
    path: '/auth/refresh',
    httpOnly: true,
    secure: true,
    sameSite: 'Strict',
    expires: -1,
  });
  expect(await page.evaluate('document.cookie')).toBe('');
  cookiesAtUpstream.length = 0;
  await page.goto(`${origin}/app`);
  expect(cookiesAtUpstream.length).toBeGreaterThan(0);
  expect(cookiesAtUpstream.filter((cookies) => cookies.includes('refresh'))).toEqual([]);
});

test('another site can obtain neither a token nor a refresh', async () => {
  const { page, context } = await browser.emptyProfile();
  await logIn(page);
  const before = (await context.cookies(`${origin}/auth/refresh`)).find(({ name }) => name === '__Secure-refresh');
  await page.goto(`http://127.0.0.1:${portOf(upstream)}/`);
  const outcome = await page.evaluate<string>(
    `fetch('${origin}/auth/refresh', { method: 'POST', credentials: 'include', mode: 'no-cors' }).then((it) => it.type, () => 'failed')`,
  );
  expect(['opaque', 'failed']).toContain(outcome);
  const after = (await context.cookies(`${origin}/auth/refresh`)).find(({ name }) => name === '__Secure-refresh');
  expect(after?.value).toBe(before?.value);
});

test('logging out removes both cookies, and leaves the one that names the device', async () => {
  const { page, context } = await browser.emptyProfile();
  await logIn(page);
  const status = await page.evaluate<number>(`fetch('/auth/logout', { method: 'POST' }).then((it) => it.status)`);
  expect(status).toBe(204);
  const left = await context.cookies([origin, `${origin}/auth/refresh`]);
  expect(left.map(({ name }) => name)).toEqual(['__Host-known-device']);
  expect((await refresh(page)).status).toBe(400);
});
