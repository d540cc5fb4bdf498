/** "No benchmark, no trick": every benchmark that a comment names exists. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

/** Every benchmark that a source file names, with the file that names it. */
const named = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .flatMap((file) => {
    const text = readFileSync(join(ROOT, 'src', file), 'utf8');
    return [...text.matchAll(/\bbench\/[\w/-]+\.ts\b/g)].map(([benchmark]) => ({ file, benchmark }));
  });

test('the sources name benchmarks for their optimisations', () => {
  expect(named.length).toBeGreaterThan(0);
});

test.each(named)('src/$file names $benchmark, which exists', ({ benchmark }) => {
  expect(existsSync(join(ROOT, benchmark))).toBe(true);
});
