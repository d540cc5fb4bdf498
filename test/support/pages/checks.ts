/** What a page in a browser is checked for: accessibility in both colour schemes, its width, and the size of what is pressed. */

import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';

/** Run in the page; its own types are for programs that have a DOM. */
const AXE = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/** A rule that is broken, and the elements that break it, as HTML. */
type AxeProblem = readonly [rule: string, elements: readonly string[]];

/** By the scheme of colours. */
export type AxeProblems = Readonly<Record<'light' | 'dark', readonly AxeProblem[]>>;

/** Least width and height of what is pressed, in pixels (WCAG 2.5.8). */
const LEAST_TARGET = 24;

type Violations = readonly { readonly id: string; readonly nodes: readonly { readonly html: string }[] }[];

/**
 * What axe finds in the page in light and in dark colours: all of its rules in light, and in dark those that look at
 * colours, as nothing else of a document changes with the scheme. Leaves the page in light colours.
 */
export async function axeProblems(page: Page): Promise<AxeProblems> {
  await page.emulateMedia({ colorScheme: 'light' });
  await page.evaluate(AXE);
  const light = await runAxe(page, {});
  await page.emulateMedia({ colorScheme: 'dark' });
  const dark = await runAxe(page, { runOnly: { type: 'tag', values: ['cat.color'] } });
  await page.emulateMedia({ colorScheme: 'light' });
  return { light, dark };
}

async function runAxe(page: Page, options: object): Promise<readonly AxeProblem[]> {
  // What passes is not described, and no file is fetched to be looked at: a page has none. Both take longer than the rules.
  const quick = JSON.stringify({ ...options, resultTypes: ['violations'], preload: false });
  const violations = await page.evaluate<Violations>(`axe.run(${quick}).then(({ violations }) => violations)`);
  return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
}

/** How far the page can be scrolled sideways, its window included, in pixels (WCAG 1.4.10). */
export const widthOf = (page: Page): Promise<number> => page.evaluate('document.documentElement.scrollWidth');

/** The links, buttons and fields that are smaller than `LEAST_TARGET` in either direction, as HTML; they count as such when they are not shown. */
export const smallTargets = (page: Page): Promise<readonly string[]> =>
  page.evaluate(`[...document.querySelectorAll('a, button, input:not([type=hidden])')].filter((target) => {
    const { width, height } = target.getBoundingClientRect();
    return Math.min(width, height) < ${LEAST_TARGET};
  }).map((target) => target.outerHTML)`);
