/** The lock files: complete, verifiable, and independent of the registry that a machine uses. */

import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const entriesOf = (lockFile: string) =>
  Object.entries((JSON.parse(read(lockFile)) as { packages: Record<string, Entry> }).packages);

/** Entries that come from a registry. The others are this repository's own packages and links to them. */
const fetched = (lockFile: string) =>
  entriesOf(lockFile).filter(([path, entry]) => path.includes('node_modules/') && entry.link !== true);

describe.each(['package-lock.json', 'bench/package-lock.json', 'site/package-lock.json'])('%s', (lockFile) => {
  test('has the hash of every package', () => {
    const without = fetched(lockFile).filter(
      ([, { integrity = '' }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity),
    );
    expect(without.map(([path]) => path)).toEqual([]);
    expect(fetched(lockFile).length).toBeGreaterThan(10);
  });

  test('names no registry', () => {
    const resolved = fetched(lockFile).filter(([, entry]) => entry.resolved !== undefined);
    expect(resolved.map(([path]) => path)).toEqual([]);
  });

  // npm drops an optional package that is not installed on the machine where `npm install` runs, and `npm ci` then
  // fails on the machines that need it (https://github.com/npm/cli/issues/4828).
  test('has an entry for every platform of an optional dependency', () => {
    const entries = new Map(entriesOf(lockFile));
    const missing = [...entries].flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter((name) => resolve(entries, path, name) === null),
    );
    expect(missing).toEqual([]);
  });
});

/** Finds a dependency as Node does: in the package's own node_modules, then in those of each folder above. */
function resolve(entries: ReadonlyMap<string, Entry>, from: string, name: string): Entry | null {
  for (let folder = from; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('node_modules/') - 1))) {
    const found = entries.get(folder === '' ? `node_modules/${name}` : `${folder}/node_modules/${name}`);
    if (found !== undefined) return found;
    if (folder === '') return null;
  }
}

test.each(['.npmrc', 'bench/.npmrc', 'site/.npmrc'])('%s keeps the registry out of the lock file', (npmrc) => {
  expect(read(npmrc)).toMatch(/^omit-lockfile-registry-resolved=true$/m);
});

test('no script, workflow or npm configuration names a registry', () => {
  const files = globSync(
    '{package.json,.npmrc,*/package.json,*/.npmrc,packages/*/package.json,scripts/**/*.*,.ci/run}',
    {
      cwd: ROOT,
      exclude: ['node_modules/**'],
    },
  );
  const naming = files.filter((file) => /registry\.[\w.-]+\.\w+|^registry\s*=/m.test(read(file)));
  expect(naming).toEqual([]);
});
