/** What the documentation says and shows: links lead somewhere, and commands print what the pages show. */

import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type SidebarGroup, sidebar } from '../site/navigation.ts';
import { sitePages } from '../site/pages.ts';
import { cli, temporaryDirectory } from './cli/support.ts';

const ROOT = join(import.meta.dirname, '..');
const PAGES = globSync('{*.md,docs/**/*.md,{k8s,examples,charts}/**/*.md,bench/*.md}', { cwd: ROOT });
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** Anchors as GitHub makes them: lower case, no punctuation, hyphens for spaces. */
const anchorsOf = (path: string) =>
  [...read(path).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
    title
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

test.each(PAGES)('every link in %s leads to an existing file and heading', (page) => {
  const broken: string[] = [];
  for (const [, target = ''] of read(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? page : join(dirname(page), path);
    if (!existsSync(join(ROOT, file))) broken.push(target);
    else if (anchor !== undefined && !anchorsOf(file).includes(anchor)) broken.push(target);
  }
  expect(broken).toEqual([]);
});

test.each(PAGES)('every repository path that %s names in code exists', (page) => {
  const named = [...read(page).matchAll(/`((?:src|test|bench|docs|k8s|demo|scripts|monitoring)\/[\w./-]+)`/g)];
  const missing = named.map(([, path = '']) => path).filter((path) => !existsSync(join(ROOT, path)));
  expect(missing).toEqual([]);
});

test.each(PAGES)('every table column in %s has a heading, for screen readers', (page) => {
  const headings = [...read(page).matchAll(/^(\|.*\|)\n\|(?: ?:?-+:? ?\|)+$/gm)].map(([, heading = '']) => heading);
  expect(headings.filter((heading) => /\| *\|/.test(heading))).toEqual([]);
});

test('every page below docs/ is in the sidebar of the site, through an index page', () => {
  const entries = (group: SidebarGroup): string[] =>
    group.items.flatMap((item) => ('items' in item ? entries(item) : [item.link]));
  const named = new Set(sidebar().flatMap(entries));
  const missing = sitePages().filter(({ slug }) => slug !== 'index' && !named.has(`/${slug}/`));
  expect(missing.map(({ source }) => `${source}: add a line to the README.md of its kind`)).toEqual([]);
});

test('every page and test that a source comment names exists', () => {
  const missing = globSync('{src,demo,scripts}/**/*.ts', { cwd: ROOT }).flatMap((file) => {
    const named = read(file).matchAll(/\b(?:docs\/[\w./-]+\.md|test\/[\w./-]+\.test\.ts|bench\/[\w./-]+\.ts)\b/g);
    return [...named].flatMap(([path]) => (existsSync(join(ROOT, path)) ? [] : [`${file}: ${path}`]));
  });
  expect(missing).toEqual([]);
});

test('the pages from the README to a protected service in a cluster take less than ten minutes to read', () => {
  const [readme, helm] = [read('README.md'), read('docs/how-to/install-with-helm.md')];
  const section = (path: string, title: string) =>
    read(path)
      .split(/^## /m)
      .find((part) => part.startsWith(title)) ?? '';
  // What a stranger reads, in this order. Each links to the next.
  const way = [
    readme.slice(0, readme.indexOf('## Try it')),
    helm.slice(0, helm.indexOf('## Change it')),
    section('docs/how-to/redis.md', 'A user of its own'),
    section('docs/how-to/log-in-with-an-identity-provider.md', 'At the provider'),
  ];
  expect(way[0]).toContain('(docs/how-to/install-with-helm.md)');
  expect(way[1]).toContain('(redis.md#a-user-of-its-own)');
  expect(way[1]).toContain('(log-in-with-an-identity-provider.md#at-the-provider)');
  const words = way.map((text) => text.split(/\s+/).length);
  expect(Math.min(...words)).toBeGreaterThan(50);
  const wordsPerMinute = 200;
  expect(words.reduce((sum, count) => sum + count) / wordsPerMinute).toBeLessThan(10);
});

describe('the README', () => {
  test('has no unfilled placeholder', () => {
    const prose = read('README.md')
      .replace(/^```[\s\S]*?^```$/gm, '')
      .replace(/`[^`]*`/g, '');
    expect(prose.match(/\b(?:[A-Z]+_[A-Z_]+|TODO|TBD|FIXME|XXX)\b/g) ?? []).toEqual([]);
  });

  test('begins with a configuration of at most 15 lines', () => {
    const [, first = ''] = /^```yaml\n([\s\S]*?)^```$/m.exec(read('README.md')) ?? [];
    expect(first).toMatch(/^version: 1$/m);
    expect(first.trimEnd().split('\n').length).toBeLessThanOrEqual(15);
  });

  const blocks = [...read('README.md').matchAll(/^```console\n\$ sallyport (.*)\n([\s\S]*?)^```$/gm)];

  test('shows what commands print', () => {
    expect(blocks.length).toBeGreaterThanOrEqual(2);
  });

  test.each(blocks.map(([, command = '', shown = '']) => [command, shown] as const))('%s', async (command, shown) => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'users.yaml'), 'users: []\n', { mode: 0o600 });
    writeFileSync(join(directory, 'bad.yaml'), BAD);
    const argv = command.split(' ').map((word) => (word.startsWith('demo/') ? join(ROOT, word) : word));
    const { out, err } = await cli(argv, { cwd: directory });
    const [expected = ''] = shown.split('…\n');
    const printed = `${out}${err}`;
    expect(shown.endsWith('…\n') ? printed.slice(0, expected.length) : printed).toBe(expected);
  });
});

/** The faulty configuration that the README shows. */
const BAD = `version: 1
publicOrigin: https://shop.example.com
listeners:
  public: { address: 127.0.0.1:8080, trustedProxies: [127.0.0.1] }
login:
  password: { usersFile: users.yaml }
upstreams:
  shop: { endpoints: [http://127.0.0.1:3000] }
routes:
  - { id: orders, match: { path: /orders }, credential: sesion, upstream: shop }
  - { id: shop, match: { path: / }, credential: none, upstreem: shop }
`;
