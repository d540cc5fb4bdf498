/** A1: a page with the published htmx 4, served by a program of a few lines. */

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { ApplicationStage } from './stage.ts';

const HTMX = readFileSync(new URL(import.meta.resolve('htmx.org/dist/htmx.min.js')), 'utf8');
const PAGE = `<!doctype html><title>Shop</title><script src="/htmx.js"></script>
<button id="part" hx-get="/part" hx-target="#out">part</button>
<form hx-post="/save" hx-target="#out"><input name="t" value="7"><button id="save">save</button></form>
<nav hx-boost:inherited="true"><a href="/other">other</a></nav>
<div id="out"></div>`;

/** What the program answers. */
async function answer(request: IncomingMessage): Promise<string> {
  const names = Object.keys(request.headers).filter((name) => name.startsWith('hx-'));
  if (request.url === '/part') return `<p>part for ${names.toSorted().join(' ')}</p>`;
  if (request.url === '/save') return `<p>saved ${await text(request)}</p>`;
  return request.url === '/other' ? '<title>Other</title><h1>other page</h1>' : PAGE;
}

describe('A1: htmx', () => {
  let program: Server;
  let stage: ApplicationStage;
  beforeAll(async () => {
    program = createServer(async (request, response) => {
      const isScript = request.url === '/htmx.js';
      response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html');
      response.end(isScript ? HTMX : await answer(request));
    });
    await new Promise<void>((resolve) => program.listen(0, '127.0.0.1', resolve));
    stage = await ApplicationStage.start((program.address() as AddressInfo).port);
  });
  afterAll(async () => {
    await stage[Symbol.asyncDispose]();
    program.close();
    program.closeAllConnections();
  });
  beforeEach(async () => {
    await stage.page.goto(`${stage.origin}/`);
    stage.problems.length = 0;
  });

  const out = () => stage.page.locator('#out');

  test('a fragment is fetched with the headers of htmx', async () => {
    await stage.page.click('#part');
    await out().locator('p').waitFor();
    expect(await out().textContent()).toBe('part for hx-current-url hx-request hx-request-type hx-source hx-target');
    expect(stage.problems).toEqual([]);
  });

  test('a form on the page is accepted', async () => {
    await stage.page.click('#save');
    await out().locator('p').waitFor();
    expect(await out().textContent()).toBe('saved t=7');
    expect(stage.problems).toEqual([]);
  });

  test('a boosted link replaces the page', async () => {
    await stage.page.click('text=other');
    await stage.page.getByRole('heading', { name: 'other page' }).waitFor();
    expect([stage.path, stage.problems]).toEqual(['/other', []]);
  });

  test('when the session has ended, the page redirects to the login, which leads back to it', async () => {
    await stage.page.goto(`${stage.origin}/?page=2`);
    await stage.endSession();
    await stage.page.click('#part');
    await stage.page.waitForURL(/\/auth\/login/);
    expect(stage.path).toMatch(/^\/auth\/login\?return_to=%2F%3Fpage%3D2(?:&ended=1)?$/);
    await stage.logIn();
    await stage.page.waitForURL(`${stage.origin}/?page=2`);
    await stage.page.click('#part');
    await out().locator('p').waitFor();
  });
});
