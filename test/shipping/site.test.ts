/**
 * The documentation site as readers see it: built by its generator, served below its path, and opened in a real
 * Chromium. Skipped where the generator is not installed (`npm ci --prefix site`); CI installs it.
 */

import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BUILT, checkSite } from '../../site/check.ts';
import { SITE_BASE, sitePages } from '../../site/pages.ts';
import { TestBrowser } from '../support/browsers/browser.ts';
import { axeProblems } from '../support/pages/checks.ts';

const ROOT = join(import.meta.dirname, '../..');
const isInstalled = existsSync(join(ROOT, 'site/node_modules/astro'));
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/** Serves a folder below the path of the site, as GitHub Pages does: index files, and 404.html for missing pages. */
function serve(folder: string): Server {
  return createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '', 'http://site.example').pathname).replace(SITE_BASE, '');
    const file = join(folder, path.endsWith('/') ? `${path}index.html` : path);
    const found = existsSync(file) ? file : join(folder, '404.html');
    response.writeHead(found === file ? 200 : 404, {
      'Content-Type': TYPES[extname(found)] ?? 'application/octet-stream',
    });
    response.end(readFileSync(found));
  });
}

describe.skipIf(!isInstalled)('the documentation site (needs `npm ci --prefix site`)', () => {
  let server: Server;
  let origin: string;
  let browser: TestBrowser;
  let page: Page;
  const asked: string[] = [];

  beforeAll(async () => {
    // Without NODE_ENV and BASE_URL of the test runner, which the generator would use.
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME };
    execFileSync('npm', ['run', 'docs:build'], { cwd: ROOT, env, stdio: 'pipe' });
    server = serve(BUILT);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    browser = await TestBrowser.share();
    ({ page } = await browser.profile());
    page.on('request', (request) => asked.push(request.url()));
  });

  afterAll(async () => {
    await browser?.[Symbol.asyncDispose]();
    server?.closeAllConnections();
    server?.close();
  });

  test('has every page and no broken link', () => {
    const { pages, links, problems } = checkSite(BUILT);
    expect(problems).toEqual([]);
    expect(pages).toBe(sitePages().length + 1); // and 404.html
    expect(links).toBeGreaterThan(1000);
  });

  test('is checked for broken links, missing pages and external images', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-site-'));
    cpSync(BUILT, folder, { recursive: true });
    const file = join(folder, 'limits/index.html');
    const broken =
      '<a href="/sallyport/nowhere/">a</a><a href="#nothing">b</a><a href="/outside/">c</a><img src="https://example.com/a.png">';
    writeFileSync(file, `${readFileSync(file, 'utf8')}${broken}<script>${' '.repeat(30_000)}</script>`);
    rmSync(join(folder, 'verify'), { recursive: true });
    const { problems } = checkSite(folder);
    rmSync(folder, { recursive: true });
    expect(problems).toEqual(
      expect.arrayContaining([
        'limits/index.html: the link /sallyport/nowhere/ leads nowhere',
        'limits/index.html: the link #nothing names no heading',
        'limits/index.html: the link /outside/ leaves /sallyport/',
        'limits/index.html: it loads https://example.com/a.png',
        expect.stringMatching(/: the link \/sallyport\/verify\/ leads nowhere$/),
        expect.stringMatching(/^limits\/index.html: it has \d+ bytes of scripts/),
      ]),
    );
  });

  test('finds a page by its words without contacting another host', async () => {
    await page.goto(`${origin}${SITE_BASE}/`);
    await page.locator('button[data-open-modal]').click();
    await page.locator('#starlight__search input').fill('rotate signing keys');
    const first = page.locator('#starlight__search a').first();
    await first.waitFor();
    await first.click();
    await page.waitForURL((url) => url.pathname !== `${SITE_BASE}/`);
    expect(await page.locator('main').textContent()).toMatch(/rotate/i);
    expect(asked.length).toBeGreaterThan(5);
    expect(asked.filter((url) => !url.startsWith(`${origin}/`) && !/^(?:data|blob):/.test(url))).toEqual([]);
  });

  test.each(['', 'how-to/pages/', 'limits/', 'nowhere/'])('/%s meets WCAG 2.2 AA', async (path) => {
    await page.goto(`${origin}${SITE_BASE}/${path}`);
    const problems = Object.values(await axeProblems(page)).flat();
    expect(problems.filter(([rule]) => rule !== 'color-contrast-enhanced')).toEqual([]); // which is AAA
  });

  test('links back from an address that does not exist', async () => {
    const answer = await page.goto(`${origin}${SITE_BASE}/how-to/nowhere/`);
    expect(answer?.status()).toBe(404);
    expect(
      await page.locator('main a').evaluateAll((links) => links.map((link) => link.getAttribute('href'))),
    ).toContain(`${SITE_BASE}/how-to/`);
  });
});
