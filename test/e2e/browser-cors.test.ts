/** P5: pages from other origins in a real Chromium: what their scripts can read and send. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LoginStage } from '../endpoints/login/fixture.ts';
import { TestBrowser } from '../support/browsers/browser.ts';

let browser: TestBrowser;
let servers: { upstream: Server; listed: Server; other: Server };
let stage: LoginStage;
let gateway: string;

beforeAll(async () => {
  browser = await TestBrowser.share();
  const page = () => createServer((_request, response) => response.end('<!doctype html>'));
  const upstream = createServer((request, response) => {
    // As a service would send that does not know about the gateway.
    response.setHeader('Access-Control-Allow-Origin', 'https://elsewhere.example');
    response.end(`${request.method} ${request.headers['x-requested-with'] ?? ''}`);
  });
  servers = { upstream: await listening(upstream), listed: await listening(page()), other: await listening(page()) };
  const cors = { origins: [originOf(servers.listed)], credentials: true };
  const publicOrigin = 'http://localhost';
  stage = await LoginStage.start({
    upstream: originOf(servers.upstream, '127.0.0.1'),
    routes: [{ id: 'api', match: { path: '/api' }, credential: 'session', cors }],
    config: { publicOrigin, cors, csrf: { additionalOrigins: cors.origins } },
  });
  gateway = `http://localhost:${stage.gateway.port}`;
});

afterAll(async () => {
  await browser[Symbol.asyncDispose]();
  await stage[Symbol.asyncDispose]();
  for (const server of Object.values(servers)) {
    server.close();
    server.closeAllConnections();
  }
});

const listening = (server: Server): Promise<Server> =>
  new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));

const originOf = (server: Server, host = 'localhost') => `http://${host}:${(server.address() as AddressInfo).port}`;

/** What a script on the page gets: status and text, or `unreadable` where the browser withholds the answer. */
const ask = (page: Page, path: string, options: object = {}) =>
  page.evaluate<unknown>(
    `fetch('${gateway}${path}', ${JSON.stringify({ credentials: 'include', ...options })})
      .then(async (answer) => [answer.status, await answer.text(), answer.headers.get('x-request-id') !== null])
      .catch(() => 'unreadable')`,
  );

async function logIn(context: BrowserContext): Promise<void> {
  const value = await stage.gateway.sessionId('alice', {});
  await context.addCookies([
    { name: '__Host-sid', value, domain: 'localhost', path: '/', secure: true, httpOnly: true, sameSite: 'Lax' },
  ]);
}

const JSON_BODY = { headers: { 'Content-Type': 'application/json', 'X-Requested-With': 'app' }, body: '{}' };

test('a script from a listed origin reads answers, writes after a preflight, and reads why it was refused', async () => {
  const { page, context } = await browser.emptyProfile();
  await page.goto(originOf(servers.listed));
  expect(await ask(page, '/api/orders')).toEqual([401, expect.stringContaining('credential_missing'), true]);
  await logIn(context);
  expect(await ask(page, '/api/orders')).toEqual([200, 'GET ', true]);
  expect(await ask(page, '/api/orders', { method: 'PUT', ...JSON_BODY })).toEqual([200, 'PUT app', true]);
  expect(await ask(page, '/auth/session?prolong=no')).toEqual([200, expect.stringContaining('"alice"'), true]);
  // A header that is not listed is not sent.
  expect(await ask(page, '/api/orders', { headers: { 'X-Other': '1' } })).toBe('unreadable');
});

test('a script from any other origin can neither read nor write', async () => {
  const { page, context } = await browser.emptyProfile();
  await page.goto(originOf(servers.other));
  await logIn(context);
  expect(await ask(page, '/api/orders')).toBe('unreadable');
  expect(await ask(page, '/api/orders', { method: 'PUT', ...JSON_BODY })).toBe('unreadable');
  expect(await ask(page, '/auth/session')).toBe('unreadable');
});
