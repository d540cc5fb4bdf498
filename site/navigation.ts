/**
 * The sidebar of the site, read from the index pages of the repository: each heading of `docs/how-to/README.md` is a group,
 * and the link at the beginning of each list item or table row below it an entry. So GitHub and the site show the same order, and a page that no index
 * names is found by a test instead of missing from the sidebar.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addressOf, SITE_BASE } from './pages.ts';

/** The index pages, in the order of the sidebar. */
export const INDEX_PAGES: readonly string[] = [
  'docs/tutorial/README.md',
  'docs/how-to/README.md',
  'docs/runbooks/README.md',
  'docs/reference/README.md',
  'docs/explanation/README.md',
  'docs/project/README.md',
  'docs/adr/README.md',
];

/** Those that are closed until a reader opens them. */
const LONG = new Set(['docs/adr/README.md', 'docs/runbooks/README.md']);

/** An entry of the sidebar: its label, and its address without the base of the site. */
export interface SidebarLink {
  readonly label: string;
  readonly link: string;
}

/** A heading of the sidebar with what is below it. */
export interface SidebarGroup {
  readonly label: string;
  readonly collapsed: boolean;
  readonly items: readonly (SidebarLink | SidebarGroup)[];
}

/** The whole sidebar. Links to other sites, and to files that are not pages, are left out. */
export const sidebar = (): readonly SidebarGroup[] =>
  INDEX_PAGES.map((page) => groupOf(page, readFileSync(join(import.meta.dirname, '..', page), 'utf8')));

/** The part of the sidebar that one index page describes. */
export function groupOf(page: string, markdown: string): SidebarGroup {
  const [, title = ''] = /^# (.+)$/m.exec(markdown) ?? [];
  const [top = '', ...sections] = markdown.split(/^## /m);
  const groups = sections.map((section) => ({
    label: section.slice(0, section.indexOf('\n')),
    collapsed: true,
    items: entriesOf(page, section),
  }));
  const own: SidebarLink = { label: 'Overview', link: withoutBase(addressOf(page, 'README.md')) };
  return {
    label: title,
    collapsed: LONG.has(page),
    items: [own, ...entriesOf(page, top), ...groups.filter(({ items }) => items.length > 0)],
  };
}

const entriesOf = (page: string, markdown: string): readonly SidebarLink[] =>
  [...markdown.matchAll(/^ *(?:[-*]|\d+\.|\|) +\**\[([^\]]+)\]\(([^)\s]+)\)/gm)].flatMap(
    ([, label = '', target = '']) => {
      const address = addressOf(page, target);
      return address.startsWith(`${SITE_BASE}/`) && address.endsWith('/')
        ? [{ label: label.replaceAll('`', ''), link: withoutBase(address) }]
        : [];
    },
  );

const withoutBase = (address: string): string => address.slice(SITE_BASE.length);
