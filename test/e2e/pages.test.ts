/** Every page of the gateway in a real Chromium: in both languages, in light and in dark, on a small phone. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { LANGUAGES, type Language } from '../../src/pages/words/languages.ts';
import { TestBrowser } from '../support/browsers/browser.ts';
import { ADMIN_PAGES } from '../support/pages/admin-gallery.ts';
import { type AxeProblems, axeProblems, smallTargets, widthOf } from '../support/pages/checks.ts';
import { GALLERY, galleryIn, REASON_PAGES, written } from '../support/pages/gallery.ts';
import {
  currentTexts,
  PICTURES,
  picture,
  picturedTexts,
  pictureName,
  SCHEMES,
  SIZES,
  type Size,
  show,
} from '../support/pages/pictures.ts';

/** Pages without a main action: they ask for nothing, or for a choice between equals. */
const DONE = ['sessions', 'terminal-allowed', 'choose-a-provider', ...Object.keys(ADMIN_PAGES)];

const TAGS = Object.keys(LANGUAGES) as Language[];

let browser: TestBrowser;
beforeAll(async () => {
  browser = await TestBrowser.share();
});
afterAll(() => browser[Symbol.asyncDispose]());

/** What is seen of a page in a window of 320 pixels. */
interface Seen {
  readonly name: string;
  /** Addresses that it requested. */
  readonly asked: readonly string[];
  readonly counts: Readonly<Record<keyof typeof COUNTED, number>>;
  readonly language: string;
  readonly width: number;
  readonly smallTargets: readonly string[];
  /** `null` for the pages of the reasons, which differ only in their words. */
  readonly more: { readonly axe: AxeProblems; readonly widthWithSpace: number } | null;
}

const COUNTED = {
  foreign: 'script, link, iframe, [style]',
  headings: 'h1',
  main: '.button.full:not(.provider), button.full:not(.quiet)',
  codes: 'footer code',
  times: 'footer time',
};
const OUTLINE = `({
  language: document.documentElement.lang,
  counts: Object.fromEntries(
    Object.entries(${JSON.stringify(COUNTED)}).map(([name, what]) => [name, document.querySelectorAll(what).length]),
  ),
})`;

/** Every page in this language, shown once. */
const walk = (language: Language) => {
  walks[language] ??= look(language);
  return walks[language];
};
const walks: Partial<Record<Language, ReturnType<typeof look>>> = {};

async function look(language: Language): Promise<{ seen: readonly Seen[]; complaints: readonly string[] }> {
  const { page, context } = await browser.profile({ viewport: { width: 320, height: 640 } });
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('request', (request) => requests.push(request.url()));
  const seen: Seen[] = [];
  for (const [name, it] of Object.entries({ ...galleryIn(language), ...REASON_PAGES })) {
    requests.length = 0;
    await show(page, written(it, language));
    const first = {
      name,
      asked: requests.filter((url) => !url.startsWith('data:') && !url.endsWith('/favicon.ico')),
      ...(await page.evaluate<Pick<Seen, 'language' | 'counts'>>(OUTLINE)),
      width: await widthOf(page),
      smallTargets: await smallTargets(page),
    };
    const more = name in GALLERY ? { axe: await axeProblems(page), widthWithSpace: await widthWithSpace(page) } : null;
    seen.push({ ...first, more });
  }
  await context.close();
  return { seen, complaints };
}

/** Its width with the text spacing that WCAG 1.4.12 requires a page to tolerate. */
async function widthWithSpace(page: Page): Promise<number> {
  // The page's policy allows no foreign styles. An adopted style sheet bypasses it, as a reader's extension would.
  await page.evaluate(`document.adoptedStyleSheets = [new CSSStyleSheet()];
    document.adoptedStyleSheets[0].replaceSync('*{line-height:1.5!important;letter-spacing:.12em!important;word-spacing:.16em!important} p{margin-bottom:2em!important}')`);
  return widthOf(page);
}

/** One fact about each page, by its name. */
const each = <Fact>(seen: readonly Seen[], fact: (page: Seen) => Fact) =>
  Object.fromEntries(seen.map((page) => [page.name, fact(page)]));

describe.each(TAGS)('every page in %s', (language) => {
  test('is among those tested here', async () => {
    const names = (await walk(language)).seen.map(({ name }) => name);
    expect(names).toEqual([...Object.keys(galleryIn(language)), ...Object.keys(REASON_PAGES)]);
  });

  test.each(SCHEMES)('has no accessibility problem that axe finds, in %s colours', async (colorScheme) => {
    const named = (await walk(language)).seen.filter(({ more }) => more !== null);
    expect(each(named, ({ more }) => more?.axe[colorScheme])).toEqual(each(named, () => []));
  });

  test('WCAG 1.4.10, 2.5.8: fits 320 pixels, with controls at least 24 pixels wide and high', async () => {
    const { seen } = await walk(language);
    expect(each(seen, ({ width }) => width)).toEqual(each(seen, () => 320));
    expect(each(seen, (page) => page.smallTargets)).toEqual(each(seen, () => []));
  });

  test('WCAG 1.4.12: still fits 320 pixels with more space between lines, words and letters', async () => {
    const named = (await walk(language)).seen.filter(({ more }) => more !== null);
    expect(each(named, ({ more }) => more?.widthWithSpace)).toEqual(each(named, () => 320));
  });

  test('loads nothing else, obeys its policy, and has one heading and one main action', async () => {
    const { seen, complaints } = await walk(language);
    expect(each(seen, ({ asked }) => asked)).toEqual(each(seen, () => ['https://shop.example.com/page']));
    // Some have no main action: their readers came to look, or are done.
    const main = ({ name }: Seen) => (DONE.includes(name) ? 0 : 1);
    expect(each(seen, ({ counts }) => counts)).toEqual(
      each(seen, (page) => ({ foreign: 0, headings: 1, main: main(page), codes: 1, times: 1 })),
    );
    expect(each(seen, (page) => page.language)).toEqual(each(seen, () => language));
    expect(complaints.filter((it) => /policy|refused/i.test(it))).toEqual([]);
  });
});

describe('a logo', () => {
  test('is shown under the page policy, with its own styles, in the colours of each scheme', async () => {
    const branded = Object.values(GALLERY).find(({ isBranded }) => isBranded === true);
    if (branded === undefined) throw new Error('no page with a logo');
    const { page } = await browser.emptyProfile();
    const { page: reader, context } = await browser.profile();
    await show(page, written(branded, 'en'));
    const image = page.locator('header img');
    expect(await image.boundingBox()).toMatchObject({ width: 96, height: 48 });
    /** The colour of a pixel of the logo, as the browser draws it. */
    const ink = async (colorScheme: 'light' | 'dark') => {
      await page.emulateMedia({ colorScheme });
      const png = (await image.screenshot()).toString('base64');
      return await reader.evaluate<string>(`(async () => {
        const bitmap = await createImageBitmap(await (await fetch('data:image/png;base64,${png}')).blob());
        const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
        canvas.drawImage(bitmap, 0, 0);
        return [...canvas.getImageData(Math.round(bitmap.width * 0.17), bitmap.height / 2, 1, 1).data].join();
      })()`);
    };
    expect([await ink('light'), await ink('dark')]).toEqual(['122,31,92,255', '242,167,216,255']);
    await page.emulateMedia({ colorScheme: null });
    await context.close();
  });

  test('runs no script, even if its file was never checked', async () => {
    const { page } = await browser.emptyProfile();
    const hostile = Buffer.from(
      '<svg xmlns="http://www.w3.org/2000/svg" onload="parent.ran=1"><script>parent.ran=1;document.title="ran"</script></svg>',
    ).toString('base64');
    const [it] = Object.values(GALLERY).filter(({ isBranded }) => isBranded === true);
    if (it === undefined) throw new Error('no page with a logo');
    const { text, headers } = written(it, 'en');
    await show(page, { text: text.replace(/(<img src="data:image\/svg\+xml;base64,)[^"]*/, `$1${hostile}`), headers });
    expect(await page.evaluate('document.querySelector("header img").complete')).toBe(true);
    expect(await page.evaluate('window.ran')).toBeUndefined();
    expect(await page.title()).toBe('Welcome to Acme – Acme');
  });
});

describe('the screenshots in docs/images/pages', () => {
  const expected = Object.keys(GALLERY).flatMap((name) =>
    SCHEMES.flatMap((scheme) =>
      Object.keys(SIZES).map((size) => [pictureName(name, scheme, size), size as Size] as const),
    ),
  );

  test('show every page, in light and dark, for desktop and phone', () => {
    const there = readdirSync(PICTURES).filter((file) => file.endsWith('.png'));
    expect(there.toSorted()).toEqual(expected.map(([file]) => file).toSorted());
  });

  test('show what the pages say now (otherwise: npm run screenshots)', () => {
    expect(picturedTexts()).toEqual(currentTexts());
  });

  test('are as wide as their window, in small files', () => {
    for (const [file, size] of expected) {
      const bytes = readFileSync(join(PICTURES, file));
      expect([file, bytes.readUInt32BE(16)]).toEqual([file, SIZES[size].width]);
      // Those for operators have tables.
      const most = file.startsWith('admin-') ? 80_000 : 40_000;
      expect([file, bytes.byteLength < most]).toEqual([file, true]);
    }
  });

  /** Of a picture of the whole page. */
  const HEIGHT = 'Math.max(innerHeight, document.documentElement.scrollHeight)';

  test('show the same page when taken again', async () => {
    const { page, context } = await browser.profile({ colorScheme: 'light', viewport: SIZES.phone });
    for (const [name, it] of Object.entries(GALLERY)) {
      await show(page, written(it, it.pictured ?? 'en'));
      const height = await page.evaluate<number>(HEIGHT);
      // Fonts differ between machines, so pages wrap differently; a page that is missing or twice as long fails.
      const before = readFileSync(join(PICTURES, pictureName(name, 'light', 'phone'))).readUInt32BE(20);
      expect([name, Math.abs(height / before - 1) < 0.3]).toEqual([name, true]);
    }
    const png = await picture(page);
    expect(png.readUInt32BE(16)).toBe(SIZES.phone.width);
    expect(png.readUInt32BE(20)).toBe(await page.evaluate(HEIGHT));
    await context.close();
  });
});
