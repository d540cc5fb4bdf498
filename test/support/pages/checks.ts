/** Checks of a page in a browser: accessibility in both colour schemes, width, and the size of controls. */

import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';

/** Run in the page; its own types are for programs that have a DOM. */
const AXE = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/** A violated rule, and the elements that violate it, as HTML. */
type AxeProblem = readonly [rule: string, elements: readonly string[]];

/** By colour scheme. */
export type AxeProblems = Readonly<Record<'light' | 'dark', readonly AxeProblem[]>>;

/** Minimum width and height of a control, in pixels (WCAG 2.5.8). */
const LEAST_TARGET = 24;

type Violations = readonly { readonly id: string; readonly nodes: readonly { readonly html: string }[] }[];

/**
 * What axe finds in the page in light and in dark colours: all of its rules in light, and in dark those about colours,
 * since nothing else in a document changes with the scheme. Leaves the page in light colours.
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
  // Without descriptions of what passes and without preloading files, of which a page has none: both take longer than
  // the rules.
  const quick = JSON.stringify({ ...options, resultTypes: ['violations'], preload: false });
  const violations = await page.evaluate<Violations>(`axe.run(${quick}).then(({ violations }) => violations)`);
  return violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]);
}

/** The width of the page, including what can be reached only by scrolling sideways, in pixels (WCAG 1.4.10). */
export const widthOf = (page: Page): Promise<number> => page.evaluate('document.documentElement.scrollWidth');

/** The links, buttons and fields that are smaller than `LEAST_TARGET` in either direction or hidden, as HTML. */
export const smallTargets = (page: Page): Promise<readonly string[]> =>
  page.evaluate(`[...document.querySelectorAll('a, button, input:not([type=hidden])')].filter((target) => {
    const { width, height } = target.getBoundingClientRect();
    return Math.min(width, height) < ${LEAST_TARGET};
  }).map((target) => target.outerHTML)`);
