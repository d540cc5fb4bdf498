/** How Markdown in the repository becomes pages of the site. test/shipping/site.test.ts tests the built site. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupOf, sidebar } from '../../site/navigation.ts';
import { addressOf, pageOf, REPOSITORY_URL, SITE_BASE, siteFiles, sitePages } from '../../site/pages.ts';

const PAGE = 'docs/how-to/redis.md';

describe('a link', () => {
  test.each([
    ['to another page leads to its address', '../reference/cli.md', `${SITE_BASE}/reference/cli/`],
    ['to a heading of another page keeps the heading', '../limits.md#http2', `${SITE_BASE}/limits/#http2`],
    ['to the index page of a folder leads to the folder', 'README.md', `${SITE_BASE}/how-to/`],
    ['to a folder with an index page leads to it', '../adr', `${SITE_BASE}/adr/`],
    ['to the first page leads to the front page', '../README.md', `${SITE_BASE}/`],
    ['to a document in the root leads to its page', '../../SECURITY.md', `${SITE_BASE}/project/security/`],
    ['to a picture leads to the picture', '../images/lifetimes.svg', `${SITE_BASE}/images/lifetimes.svg`],
    ['to anything else leads to the repository', '../../k8s/base', `${REPOSITORY_URL}/blob/main/k8s/base`],
    ['to the README leads to the repository', '../../README.md', `${REPOSITORY_URL}/blob/main/README.md`],
    ['to a heading of the same page is unchanged', '#steps', '#steps'],
    ['to another site is unchanged', 'https://example.com/a.md', 'https://example.com/a.md'],
  ])('%s', (_title, target, address) => {
    expect(addressOf(PAGE, target)).toBe(address);
  });
});

describe('a page', () => {
  test('takes its title from the first heading, and its text from the rest', () => {
    const page = pageOf(
      PAGE,
      '<!-- Generated. -->\n\n# A `title`\n\nFirst *words*,\nand [more](../limits.md).\n\n## Next\n',
    );
    expect(page).toEqual({
      source: PAGE,
      slug: 'how-to/redis',
      title: 'A title',
      description: 'First words, and more.',
      body: `First *words*,\nand [more](${SITE_BASE}/limits/).\n\n## Next\n`,
    });
  });

  test('without a heading is refused', () => {
    expect(() => pageOf(PAGE, 'Text.\n')).toThrow(`${PAGE} has no title`);
  });

  test('has a short description, however long its first paragraph is', () => {
    const { description } = pageOf(PAGE, `# Title\n\n${'word '.repeat(100)}\n`);
    expect(description.length).toBeLessThanOrEqual(200);
    expect(description).toMatch(/word…$/);
  });

  test('keeps code unchanged, even if it looks like a link', () => {
    const code = '```md\n[a](../limits.md)\n```\n\nand `[b](../limits.md)`, but [`c`](../limits.md)\n';
    const { body } = pageOf(PAGE, `# Title\n\n${code}`);
    expect(body).toBe(code.replace('[`c`](../limits.md)', `[\`c\`](${SITE_BASE}/limits/)`));
  });

  test('loses no text', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[ -~]{0,30}$/)), (lines) => {
        const text = `x${lines.join('\n').replaceAll(/[<([]/g, '')}`;
        expect(pageOf(PAGE, `# Title\n${text}`).body).toBe(text);
      }),
    );
  });
});

describe('the site', () => {
  const pages = sitePages();

  test('has every document once', () => {
    expect(new Set(pages.map(({ slug }) => slug)).size).toBe(pages.length);
    expect(pages.map(({ slug }) => slug)).toEqual(
      expect.arrayContaining(['index', 'tutorial', 'how-to', 'reference', 'explanation', 'project/security', 'adr']),
    );
  });

  test('has a title and a description for every page', () => {
    expect(pages.filter(({ title, description }) => title === '' || description === '')).toEqual([]);
  });

  test('serves pictures and the OpenAPI document unchanged', () => {
    expect(siteFiles()).toEqual(expect.arrayContaining(['images/lifetimes.svg', 'reference/admin-api.openapi.yaml']));
  });
});

describe('the sidebar', () => {
  test('lists the kinds of documentation in order', () => {
    expect(sidebar().map(({ label }) => label)).toEqual([
      'Tutorial',
      'How-to guides',
      'Runbooks',
      'Reference',
      'Explanation',
      'The project',
      'Decisions',
    ]);
  });

  test('has a group for each heading of an index page, with the pages listed there', () => {
    const markdown = `# How-to

A [link in prose](redis.md) is no entry.

- [First](redis.md), with [another](grpc.md)

## Group

1. [Second](grpc.md)
   - [\`Third\`](providers/okta.md)
- [Not on the site](https://example.com)

| page | about |
| --- | --- |
| [Fourth](redis.md) | a row |
`;
    expect(groupOf('docs/how-to/README.md', markdown)).toEqual({
      label: 'How-to',
      collapsed: false,
      items: [
        { label: 'Overview', link: '/how-to/' },
        { label: 'First', link: '/how-to/redis/' },
        {
          label: 'Group',
          collapsed: true,
          items: [
            { label: 'Second', link: '/how-to/grpc/' },
            { label: 'Third', link: '/how-to/providers/okta/' },
            { label: 'Fourth', link: '/how-to/redis/' },
          ],
        },
      ],
    });
  });
});
