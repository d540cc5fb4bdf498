/**
 * Writes what the generator reads: the pages of the repository with their titles as front matter, and the files beside them.
 *
 * Usage: node prepare.ts
 */

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pageOf, REPOSITORY_URL, SITE_BASE, siteFiles, sitePages } from './pages.ts';

const SITE = import.meta.dirname;
const DOCS = join(SITE, '../docs');
const PAGES = join(SITE, 'src/content/docs');
const FILES = join(SITE, 'public');

/** Values that the front page has besides those of every page. */
const FRONT_MATTER = {
  template: 'splash',
  hero: {
    tagline:
      'Sessions in the browser, short-lived JWTs between services, and one program that turns one into the other.',
    actions: [
      { text: 'Start the tutorial', link: `${SITE_BASE}/tutorial/on-a-laptop/`, icon: 'right-arrow' },
      { text: 'Source', link: REPOSITORY_URL, variant: 'minimal', icon: 'external' },
    ],
  },
};

/** Writes every page and file. What is there already is replaced; what no document makes any more stays. */
export function writePages(): void {
  mkdirSync(FILES, { recursive: true });
  const notFound = { ...pageOf('site/404.md', readFileSync(join(SITE, '404.md'), 'utf8')), slug: '404' };
  for (const { source, slug, title, description, body } of [...sitePages(), notFound]) {
    const isGenerated = source.startsWith('docs/reference/') && !source.endsWith('README.md');
    const matter = {
      title,
      description,
      editUrl: isGenerated || slug === '404' ? false : `${REPOSITORY_URL}/edit/main/${source}`,
      ...(slug === 'index' ? FRONT_MATTER : {}),
      ...(slug === '404' ? { template: 'splash' } : {}),
    };
    const file = join(PAGES, `${slug}.md`);
    mkdirSync(dirname(file), { recursive: true });
    // JSON is YAML.
    writeFileSync(file, `---\n${JSON.stringify(matter, null, 1)}\n---\n\n${body}`);
  }
  cpSync(join(SITE, 'favicon.svg'), join(FILES, 'favicon.svg'));
  for (const file of siteFiles()) cpSync(join(DOCS, file), join(FILES, file));
}

if (import.meta.main) {
  for (const folder of [PAGES, FILES]) rmSync(folder, { recursive: true, force: true });
  writePages();
}
