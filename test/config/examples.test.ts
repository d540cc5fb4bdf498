import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { noFiles } from '../../src/config/files/files.ts';

import { jsonSchema, loadConfig } from '../../src/gateway/configuration/load.ts';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** Examples that a reader may copy: files, and whole configurations in the documentation. */
const EXAMPLES: readonly (readonly [name: string, text: string])[] = [
  ...globSync('{config,demo}/*.yaml', { cwd: ROOT })
    .map((path) => [path, read(path)] as const)
    .filter(([, text]) => /^version: 1$/m.test(text)),
  ...globSync('{README.md,docs/**/*.md}', { cwd: ROOT }).flatMap((path) =>
    [...read(path).matchAll(/^```yaml\n(.*?)^```$/gms)]
      .map(([, text = ''], index) => [`${path}, block ${index + 1}`, text] as const)
      .filter(([, text]) => /^version: 1$/m.test(text)),
  ),
];

describe.each(EXAMPLES)('%s', (name, text) => {
  test('loads without a warning', () => {
    const { loaded, problems } = loadConfig(text, { path: name, cwd: ROOT, env: {}, files: noFiles });
    expect([name, problems]).toEqual([name, []]);
    expect(loaded).not.toBeNull();
  });

  test('is accepted by the JSON Schema', () => {
    const schema = z.fromJSONSchema(jsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
    expect(schema.safeParse(parse(text)).error?.issues).toBeUndefined();
  });
});

test('there are examples', () => {
  expect(EXAMPLES.length).toBeGreaterThanOrEqual(3);
});

test.each([
  ['an unknown key', { bogus: 1 }],
  ['a value of the wrong type', { workers: 'many' }],
  ['a missing key', { routes: undefined }],
])('the JSON Schema refuses %s', (_title, change) => {
  const schema = z.fromJSONSchema(jsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  const config = { ...(parse(read('config/minimal.yaml')) as object), ...change };
  expect(schema.safeParse(config).success).toBe(false);
});

test('the JSON Schema accepts a reference in place of a number or a named value', () => {
  const schema = z.fromJSONSchema(jsonSchema() as Parameters<typeof z.fromJSONSchema>[0]);
  const config = {
    ...(parse(read('config/minimal.yaml')) as object),
    workers: '${WORKERS}',
    log: { level: '${LEVEL:-info}' },
  };
  expect(schema.safeParse(config).error?.issues).toBeUndefined();
});
