/**
 * The pages of the documentation site, made from the Markdown of the repository. Every file below `docs/` is a page, and so are
 * the documents of the root that it leads to. Files stay as GitHub shows them: this module takes the title from the first
 * heading and turns relative links into addresses of the site, or of the repository where the site has no such page.
 *
 * It needs nothing but Node, so that tests can read the pages without the generator.
 */

import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** Where the site is published. */
export const SITE_ORIGIN = 'https://sallyport.github.io';
/** The path below which it is published, without a slash at the end. */
export const SITE_BASE = '/sallyport';
/** Where files of the repository that are not pages of the site are shown. */
export const REPOSITORY_URL = 'https://github.com/sallyport/sallyport';

const ROOT = join(import.meta.dirname, '..');

/** Documents of the root of the repository that are pages of the site, with their addresses. */
const ROOT_PAGES: Readonly<Record<string, string>> = {
  'CHANGELOG.md': 'project/changelog',
  'CONTEXT.md': 'project/glossary',
  'CONTRIBUTING.md': 'project/contributing',
  'SECURITY.md': 'project/security',
};

/** A page of the site. */
export interface SitePage {
  /** Path of its Markdown in the repository. */
  readonly source: string;
  /** Its address below `SITE_BASE`, without slashes at the ends; `index` is the front page. */
  readonly slug: string;
  readonly title: string;
  /** The beginning of its first paragraph, for search engines and previews; at most 200 characters. */
  readonly description: string;
  /** Its Markdown without the title, with links of the site. */
  readonly body: string;
}

/** All pages, in the order of their paths. */
export function sitePages(): readonly SitePage[] {
  const sources = [...Object.keys(ROOT_PAGES), ...globSync('docs/**/*.md', { cwd: ROOT })].toSorted();
  return sources.map((source) => pageOf(source, readFileSync(join(ROOT, source), 'utf8')));
}

/**
 * The files below `docs/` that are not Markdown: the site serves them as they are, at the same path. Relative to
 * `docs/`.
 */
export const siteFiles = (): readonly string[] =>
  globSync('**/*', { cwd: join(ROOT, 'docs') })
    .filter((path) => !path.endsWith('.md') && statSync(join(ROOT, 'docs', path)).isFile())
    .toSorted();

/** The page that a Markdown file is. Throws without a first heading. */
export function pageOf(source: string, markdown: string): SitePage {
  const [heading, title] = /^# (.+)$/m.exec(markdown) ?? [];
  if (heading === undefined || title === undefined)
    throw new Error(`${source} has no title: its first line must be "# …"`);
  const text = markdown
    .replace(heading, '')
    .replace(/^<!--.*?-->\n/s, '')
    .trimStart();
  return {
    source,
    slug: slugOf(source),
    title: plain(title),
    description: descriptionOf(text),
    body: withSiteLinks(source, text),
  };
}

const slugOf = (source: string): string =>
  ROOT_PAGES[source] ??
  (source
    .replace(/^docs\//, '')
    .replace(/\.md$/, '')
    .replace(/(?:^|\/)README$/, '')
    .toLowerCase() ||
    'index');

/** Text without the marks of Markdown. */
const plain = (text: string): string => text.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[*`]/g, '');

function descriptionOf(text: string): string {
  const paragraph = text.split(/\n{2,}/).find((block) => /^[\p{L}*`[]/u.test(block)) ?? '';
  const line = plain(paragraph).replace(/\s+/g, ' ').trim();
  return line.length <= 200 ? line : `${line.slice(0, 199).replace(/\s\S*$/, '')}…`;
}

/** Replaces the targets of links and pictures, outside of code. */
function withSiteLinks(source: string, markdown: string): string {
  const address = (_: string, before: string, target: string, after: string) =>
    before + addressOf(source, target) + after;
  return markdown
    .split(/(^ *```[\s\S]*?^ *```$|`[^`\n]+`)/m)
    .map((part, index) =>
      index % 2 === 1
        ? part
        : part.replace(/(\]\()([^)\s]+)(\))/g, address).replace(/(\b(?:src|srcset)=")([^"]+)(")/g, address),
    )
    .join('');
}

/** The address to which a link of a page leads on the site. Addresses of other sites stay as they are. */
export function addressOf(source: string, target: string): string {
  if (/^(?:[a-z]+:|#)/.test(target)) return target;
  const [path = '', anchor] = target.split('#');
  const file = normalize(join(dirname(source), path)).replace(/\/$/, '');
  return `${fileAddress(file)}${anchor === undefined ? '' : `#${anchor}`}`;
}

function fileAddress(file: string): string {
  const page = file.endsWith('.md') ? file : `${file}/README.md`;
  if (ROOT_PAGES[page] !== undefined || (page.startsWith('docs/') && existsSync(join(ROOT, page)))) {
    const slug = slugOf(page);
    return slug === 'index' ? `${SITE_BASE}/` : `${SITE_BASE}/${slug}/`;
  }
  if (file.startsWith('docs/') && existsSync(join(ROOT, file)) && statSync(join(ROOT, file)).isFile())
    return `${SITE_BASE}/${file.slice('docs/'.length)}`;
  return `${REPOSITORY_URL}/blob/main/${file}`;
}
