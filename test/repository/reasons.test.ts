import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { REASONS } from '../../src/errors.ts';

const ROOT = join(import.meta.dirname, '../..');

test('every reason is used in the source', () => {
  const files = globSync('src/**/*.ts', { cwd: ROOT }).filter((file) => file !== 'src/errors.ts');
  const source = files.map((file) => readFileSync(join(ROOT, file), 'utf8')).join('\n');
  expect(Object.keys(REASONS).filter((reason) => !source.includes(`'${reason}'`))).toEqual([]);
});
