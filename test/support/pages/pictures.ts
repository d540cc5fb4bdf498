/**
 * The screenshots of the pages in `docs/images/pages/`, and the list of the texts that they show. Pixels depend on the
 * fonts of a machine, so tests compare the text: a changed page needs new screenshots.
 *
 * `npm run screenshots` takes those of changed pages.
 */

import { hash } from 'node:crypto';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page, Route } from 'playwright-core';
import { TestBrowser } from '../browsers/browser.ts';
import { GALLERY, written } from './gallery.ts';
import { smallPng } from './small-png.ts';

export const PICTURES = join(import.meta.dirname, '../../../docs/images/pages');
export const SCHEMES = ['light', 'dark'] as const;
/** Width of the window by its name. */
export const SIZES = { desktop: { width: 1_280, height: 800 }, phone: { width: 360, height: 640 } } as const;
const LIST = join(PICTURES, 'pictures.json');

export type Size = keyof typeof SIZES;

export const pictureName = (page: string, scheme: string, size: string) => `${page}-${size}-${scheme}.png`;

/** What each page says now: name → SHA-256 of its text. */
export const currentTexts = (): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(GALLERY).map(([name, page]) => [name, hash('sha256', written(page, page.pictured ?? 'en').text)]),
  );

/** What each page said when its pictures were taken. */
export const picturedTexts = (): Readonly<Record<string, string>> =>
  JSON.parse(readFileSync(LIST, 'utf8')) as Record<string, string>;

/** What a browser page currently shows. */
const shown = new WeakMap<Page, ReturnType<typeof written>>();

/** Shows a page of the gallery as the gateway would send it, including its policy. Other requests fail. */
export async function show(page: Page, it: ReturnType<typeof written>): Promise<void> {
  const isRouted = shown.has(page);
  shown.set(page, it);
  if (!isRouted) await page.route('**/*', (route) => answer(route, shown.get(page) ?? it));
  await page.goto('https://shop.example.com/page');
}

function answer(route: Route, { text, headers }: ReturnType<typeof written>): Promise<void> {
  if (!route.request().isNavigationRequest()) return route.abort();
  const fields = Object.fromEntries(
    headers.flatMap((name, index) => (index % 2 === 0 ? [[name, headers[index + 1] ?? '']] : [])),
  );
  return route.fulfill({ status: 200, contentType: 'text/html; charset=utf-8', headers: fields, body: text });
}

/** Takes a screenshot of the whole page, or of the whole window if that is larger. */
export const picture = (page: Page): Promise<Buffer> => page.screenshot({ fullPage: true, caret: 'hide' });

/** Takes screenshots of new and changed pages, and removes those of deleted pages. */
async function takeChanged(): Promise<void> {
  const [before, now] = [picturedTexts(), currentTexts()];
  const changed = Object.entries(GALLERY).filter(([name]) => before[name] !== now[name]);
  const all = Object.keys(now).flatMap((name) =>
    SCHEMES.flatMap((scheme) => Object.keys(SIZES).map((size) => pictureName(name, scheme, size))),
  );
  for (const file of readdirSync(PICTURES)) {
    if (file.endsWith('.png') && !all.includes(file)) rmSync(join(PICTURES, file));
  }
  await using browser = await TestBrowser.launch();
  for (const colorScheme of SCHEMES) {
    for (const [size, viewport] of Object.entries(SIZES)) {
      const { page, context } = await browser.profile({ colorScheme, viewport });
      for (const [name, it] of changed) {
        await show(page, written(it, it.pictured ?? 'en'));
        writeFileSync(join(PICTURES, pictureName(name, colorScheme, size)), smallPng(await picture(page)));
      }
      await context.close();
    }
  }
  writeFileSync(LIST, `${JSON.stringify(now, null, 2)}\n`);
}

if (import.meta.main) await takeChanged();
