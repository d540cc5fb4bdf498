/**
 * Each minor version understands the configuration of the previous one (docs/versioning.md). `released/` lists every key and every
 * named value, in one file for each minor version. A key that is removed needs a row in `src/gateway/configuration/renames.ts`,
 * which keeps it in the schema.
 *
 * `UPDATE_RELEASED=1` writes the file of the version in `package.json`: once, as part of its release (RELEASE.md).
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { jsonSchema } from '../../src/gateway/configuration/load.ts';
import { VERSION } from '../../src/version.ts';

const DIRECTORY = join(import.meta.dirname, 'released');

interface Schema {
  readonly $ref?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly definitions?: Readonly<Record<string, Schema>>;
}

/** Such as `routes[].id`, `upstreams.<name>.endpoints` and, for a named value, `upstreams.<name>.balance: roundRobin`. */
function keysOf(root: Schema): string[] {
  const found = new Set<string>();
  const visit = (schema: Schema, path: string, within: readonly string[]): void => {
    const { $ref, properties = {}, additionalProperties, items, anyOf = [], allOf = [], oneOf = [] } = schema;
    if ($ref !== undefined && !within.includes($ref))
      visit(root.definitions?.[$ref.replace('#/definitions/', '')] as Schema, path, [...within, $ref]);
    for (const value of schema.enum ?? (schema.const === undefined ? [] : [schema.const]))
      found.add(`${path}: ${value}`);
    for (const [name, child] of Object.entries(properties)) {
      const key = path === '' ? name : `${path}.${name}`;
      found.add(key);
      visit(child, key, within);
    }
    if (typeof additionalProperties === 'object') visit(additionalProperties, `${path}.<name>`, within);
    if (items !== undefined) visit(items, `${path}[]`, within);
    for (const child of [...anyOf, ...allOf, ...oneOf]) visit(child, path, within);
  };
  visit(root, '', []);
  return [...found].toSorted();
}

const SCHEMA = jsonSchema() as Schema;
const present = keysOf(SCHEMA);
const minorOf = (version: string) => version.split('.').slice(0, 2).join('.');
const order = (minor: string) => minor.split('.').reduce((all, part) => all * 1_000 + Number(part), 0);

if (process.env['UPDATE_RELEASED'] !== undefined)
  writeFileSync(join(DIRECTORY, `${minorOf(VERSION)}.txt`), `${present.join('\n')}\n`);

const released = readdirSync(DIRECTORY)
  .map((name) => name.replace('.txt', ''))
  .toSorted((one, other) => order(one) - order(other));
const readRelease = (minor: string) =>
  readFileSync(join(DIRECTORY, `${minor}.txt`), 'utf8')
    .trim()
    .split('\n');

test.each(released.slice(-2))('every configuration key and value of version %s is understood', (minor) => {
  const before = readRelease(minor);
  expect(before.length).toBeGreaterThan(500);
  expect(before.filter((key) => !present.includes(key))).toEqual([]);
});

test('every minor version in the changelog has a file', () => {
  const changelog = readFileSync(join(import.meta.dirname, '../../CHANGELOG.md'), 'utf8');
  const named = [...changelog.matchAll(/^## \[(\d+\.\d+)\./gm)].map(([, minor = '']) => minor);
  expect(released).toEqual(expect.arrayContaining(named.slice(0, 2)));
});

describe('the list of keys', () => {
  const without = (key: string) => {
    const { [key]: _lost, ...properties } = SCHEMA.properties ?? {};
    return keysOf({ ...SCHEMA, properties });
  };

  test('lacks the keys of a removed section', () => {
    expect(without('traces')).not.toContain('traces.sampleRatio');
    expect(present).toEqual(expect.arrayContaining(['traces.sampleRatio', 'upstreams.<name>.balance: roundRobin']));
  });

  test('contains a former name while it has a row', () => {
    expect(present).toEqual(
      expect.arrayContaining(['routes[].bodyLimit', 'routes[].maxBodyBytes', 'upstreams.<name>.balance: round-robin']),
    );
  });
});
