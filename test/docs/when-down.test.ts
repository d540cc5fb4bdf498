/** docs/explanation/when-something-is-down.md: each cell of its table names an existing test. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = readFileSync(join(ROOT, 'docs/explanation/when-something-is-down.md'), 'utf8');

/** Columns of the table, as the list of tests calls them. */
const COLUMNS = ['sessions', 'logging in', 'service tokens', 'readiness'];

const [, table = ''] = /^(\| down .*?)\n\n/ms.exec(PAGE) ?? [];
const rows = table
  .split('\n')
  .slice(2)
  .map((line) => line.slice(2, -2).split(' | '));
const named = [...PAGE.matchAll(/^- \*\*(.+?)\*\*, ([\w ]+): `(test\/[\w./-]+)`, "(.+)"$/gm)].map(
  ([, what = '', column = '', file = '', title = '']) => ({ what, column, file, title }),
);

test('the table has a row for each dependency, with a cell for each column', () => {
  expect(rows.length).toBeGreaterThanOrEqual(10);
  expect(rows.filter((cells) => cells.length !== COLUMNS.length + 1)).toEqual([]);
});

test('every cell names a test, unless the dependency is not involved', () => {
  const bare = rows.flatMap(([what = '', ...cells]) =>
    cells.flatMap((cell, index) => {
      const column = COLUMNS[index];
      const isNamed = named.some((it) => `**${it.what}**` === what && [column, 'all columns'].includes(it.column));
      return cell === 'not involved' || isNamed ? [] : [`${what}, ${column}`];
    }),
  );
  expect(bare).toEqual([]);
});

test.each(named)('$what, $column: $title', ({ file, title }) => {
  expect(existsSync(join(ROOT, file))).toBe(true);
  const source = readFileSync(join(ROOT, file), 'utf8');
  expect([`'${title}'`, `\`${title}\``, `"${title}"`].some((text) => source.includes(text))).toBe(true);
});
