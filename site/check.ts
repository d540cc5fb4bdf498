/**
 * Checks the built site as a reader's browser sees it: every link and anchor inside of the site leads somewhere, every page is in
 * the sidebar, no page loads anything from another host, and the scripts of a page stay small. Runs at the end of `npm run build`,
 * which fails with the list of what is wrong.
 *
 * Usage: node check.ts
 */

import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SITE_BASE, SITE_ORIGIN, sitePages } from './pages.ts';

/** Where the build leaves the site. */
export const BUILT = join(import.meta.dirname, 'dist');

/** The most that a page's scripts may have, in bytes and before compression. Search is loaded when a reader opens it. */
export const MAX_SCRIPT_BYTES = 24 * 1024;

/** What the built site has, and what is wrong with it. */
export interface SiteFindings {
  readonly pages: number;
  readonly links: number;
  /** Scripts of the page that has most of them. */
  readonly scriptBytes: number;
  readonly problems: readonly string[];
}

/** Checks a built site. `folder` holds what is served at `SITE_BASE`. */
export function checkSite(folder: string): SiteFindings {
  const texts = new Map(
    globSync('**/*.html', { cwd: folder }).map((path) => [path, readFileSync(join(folder, path), 'utf8')]),
  );
  const anchors = new Map(
    [...texts].map(([path, html]) => [
      path,
      new Set([...html.matchAll(/\bid="([^"]+)"/g)].map(([, id = '']) => decoded(id))),
    ]),
  );
  const found = new Map<string, string[]>();
  const report = (page: string, problem: string) => found.set(problem, [...(found.get(problem) ?? []), page]);
  let links = 0;
  let scriptBytes = 0;
  for (const [path, html] of texts) {
    for (const target of attributes(html, 'a', ['href'])) {
      const problem = linkProblem(folder, path, target, anchors);
      if (problem !== null) report(path, problem);
      links += 1;
    }
    for (const url of loadedBy(html)) {
      if (isElsewhere(url)) report(path, `it loads ${url}`);
      else if (!existsSync(fileOf(folder, path, url))) report(path, `it loads ${url}, which is not there`);
    }
    const size = scriptSize(folder, path, html);
    scriptBytes = Math.max(scriptBytes, size);
    if (size > MAX_SCRIPT_BYTES) report(path, `it has ${size} bytes of scripts, more than ${MAX_SCRIPT_BYTES}`);
  }
  const ofPages = [...found].map(
    ([problem, [page, ...others]]) => `${page}${others.length === 0 ? '' : ` and ${others.length} more`}: ${problem}`,
  );
  const problems = [...ofPages, ...missingFromSidebar(texts), ...externalInFiles(folder)];
  return { pages: texts.size, links, scriptBytes, problems };
}

const decoded = (text: string): string =>
  text
    .replace(/&#x([0-9a-f]+);/gi, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
    .replace(/&quot;/g, '"')
    .replace(/&#39;/g, "'")
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&');

/** Values of attributes of elements with a name, `a` for example; a pattern. */
function attributes(html: string, element: string, names: readonly string[]): readonly string[] {
  const tags = [...html.matchAll(new RegExp(`<(?:${element})\\s[^>]*>`, 'g'))].map(([tag]) => tag);
  return tags.flatMap((tag) =>
    [...tag.matchAll(new RegExp(`\\s(?:${names.join('|')})="([^"]*)"`, 'g'))].map(([, value = '']) => decoded(value)),
  );
}

/**
 * What a browser fetches by itself: scripts, pictures, style sheets and icons. A link to another site is not one of
 * these.
 */
function loadedBy(html: string): readonly string[] {
  const sources = attributes(html, 'script|img|iframe|audio|video|source|embed|object', [
    'src',
    'srcset',
    'data',
    'poster',
  ]);
  const heads = [...html.matchAll(/<link\s[^>]*>/g)]
    .map(([tag]) => tag)
    .filter((tag) => !/rel="(?:canonical|alternate|sitemap|next|prev)"/.test(tag));
  return [...sources, ...heads.flatMap((tag) => attributes(tag, 'link', ['href']))].filter(
    (url) => !url.startsWith('data:'),
  );
}

const isElsewhere = (url: string): boolean => /^(?:[a-z]+:)?\/\//i.test(url);

/** The file that is served for an address on a page. */
function fileOf(folder: string, page: string, url: string): string {
  const [path = ''] = url.split(/[?#]/);
  const below = path.startsWith(`${SITE_BASE}/`)
    ? path.slice(SITE_BASE.length)
    : `/${join(dirname(page), decodeURI(path))}`;
  const file = join(folder, decodeURI(below));
  return existsSync(file) && statSync(file).isDirectory() ? join(file, 'index.html') : file;
}

function linkProblem(
  folder: string,
  page: string,
  target: string,
  anchors: ReadonlyMap<string, ReadonlySet<string>>,
): string | null {
  const local = target.startsWith(SITE_ORIGIN) ? target.slice(SITE_ORIGIN.length) : target;
  if (/^(?:[a-z]+:|\/\/)/i.test(local)) return null;
  if (local.startsWith('/') && !local.startsWith(`${SITE_BASE}/`)) return `the link ${target} leaves ${SITE_BASE}/`;
  const [path = '', anchor = ''] = local.split('#');
  const file = path === '' ? join(folder, page) : fileOf(folder, page, path);
  if (!existsSync(file)) return `the link ${target} leads nowhere`;
  if (anchor === '' || !file.endsWith('.html')) return null;
  return anchors.get(file.slice(folder.length + 1))?.has(decodeURIComponent(anchor)) === true
    ? null
    : `the link ${target} names no heading`;
}

/** Bytes of the scripts that a page runs when it is opened: its own, and those that it loads. */
function scriptSize(folder: string, page: string, html: string): number {
  const inline = [...html.matchAll(/<script(?:\s[^>]*)?>([\s\S]*?)<\/script>/g)].reduce(
    (sum, [, text = '']) => sum + text.length,
    0,
  );
  const files = attributes(html, 'script', ['src'])
    .filter((url) => !isElsewhere(url))
    .map((url) => fileOf(folder, page, url));
  return files.reduce((sum, file) => sum + (existsSync(file) ? statSync(file).size : 0), inline);
}

/** Pages that no sidebar leads to. The front page has no sidebar; the site's title leads there. */
function missingFromSidebar(texts: ReadonlyMap<string, string>): readonly string[] {
  const shown = [...texts.values()].find((html) => html.includes('<nav class="sidebar')) ?? '';
  const targets = new Set(attributes(shown.slice(shown.indexOf('<nav class="sidebar')), 'a', ['href']));
  return sitePages()
    .filter(({ slug }) => slug !== 'index' && !targets.has(`${SITE_BASE}/${slug}/`))
    .map(({ source }) => `${source} is not in the sidebar: name it in an index page`);
}

/** Style sheets and scripts that load something from another host. */
const externalInFiles = (folder: string): readonly string[] =>
  globSync('**/*.{css,js}', { cwd: folder }).flatMap((path) =>
    [
      ...readFileSync(join(folder, path), 'utf8').matchAll(
        /(?:url\(|@import\s|\bimport\(|\bfetch\(|\bfrom\s?)["']?((?:https?:)?\/\/[^"')\s]+)/g,
      ),
    ].map(([, url]) => `${path} loads ${url}`),
  );

if (import.meta.main) {
  const { pages, links, scriptBytes, problems } = checkSite(BUILT);
  for (const problem of problems) console.error(problem);
  console.log(
    `${pages} pages, ${links} links, at most ${scriptBytes} bytes of scripts on a page, ${problems.length} problems`,
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
}
