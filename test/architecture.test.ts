/**
 * The rules of the house, held against the imports as they are written.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '..', 'src');

/** The way of a request, as `src/pipeline.ts` has it. */
const STAGES = ['listener', 'sanitize', 'routing', 'authentication', 'authorization', 'token', 'upstream', 'response'];
/** Folders that put the others together, and so import everything. */
const ROOTS = ['cli', 'gateway', 'process'];

/** Files of a stage that no request goes through: keys, and rules between them. */
const JUDGES = /\/(?:section|lint|coverage|path-pattern)\.ts$/;

interface Import {
  readonly from: string;
  readonly to: string;
  /** Whether anything but types is imported. */
  readonly isValue: boolean;
}

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .toSorted();

const source = (path: string) => readFileSync(join(SRC, path), 'utf8');
/** Source without comments, so that prose does not count as code. */
const code = (path: string) =>
  source(path)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/^\s*\/\/.*$/gm, '');

const imports: Import[] = files.flatMap((from) =>
  [...code(from).matchAll(/^(?:import|export)\s+(type\s+)?([^'"]*?)\s*(?:from\s+)?'(\.[^']+)'/gm)].map(
    ([, typeOnly, names = '', specifier = '']) => ({
      from,
      to: relative(SRC, join(SRC, dirname(from), specifier)),
      isValue: typeOnly === undefined && !/^\{\s*(?:type\s+[^,}]+,?\s*)+\}$/.test(names.trim()),
    }),
  ),
);

const folder = (path: string) => (path.includes('/') ? (path.split('/')[0] ?? '') : '.');
const show = ({ from, to }: Import) => `${from} → ${to}`;

describe('architecture', () => {
  test('the imports of the whole tree are read', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(imports.length).toBeGreaterThan(files.length);
    expect(imports.every(({ to }) => files.includes(to))).toBe(true);
  });

  test('lib/ imports nothing of ours but lib/', () => {
    expect(imports.filter(({ from, to }) => folder(from) === 'lib' && folder(to) !== 'lib').map(show)).toEqual([]);
  });

  test('jwt/ imports nothing of ours but jwt/ and lib/, since packages/verify ships it', () => {
    const elsewhere = imports.filter(({ from, to }) => folder(from) === 'jwt' && !['jwt', 'lib'].includes(folder(to)));
    expect(elsewhere.map(show)).toEqual([]);
  });

  test('a stage takes types from other stages, never values, but for what judges a configuration', () => {
    const across = imports.filter(
      ({ from, to, isValue }) =>
        isValue &&
        !JUDGES.test(from) &&
        STAGES.includes(folder(from)) &&
        STAGES.includes(folder(to)) &&
        folder(from) !== folder(to),
    );
    expect(across.map(show)).toEqual([]);
  });

  test('no stage reaches up to what puts the stages together', () => {
    const upwards = imports.filter(
      ({ from, to, isValue }) =>
        isValue &&
        (STAGES.includes(folder(from)) || folder(from) === 'store') &&
        (ROOTS.includes(folder(to)) || ['pipeline.ts', 'main.ts'].includes(to)),
    );
    expect(upwards.map(show)).toEqual([]);
  });

  test('the stages that pipeline.ts names are folders, in its order', () => {
    const line = /listener → .*/.exec(source('pipeline.ts'))?.[0] ?? '';
    expect(line.split(' → ')).toEqual(STAGES);
    expect(STAGES.filter((stage) => !files.some((path) => folder(path) === stage))).toEqual([]);
  });

  test('few know the whole configuration: ten files at most', () => {
    const knowing = new Set(imports.filter(({ to }) => to === 'gateway/configuration.ts').map(({ from }) => from));
    expect([...knowing].toSorted().slice(10)).toEqual([]);
  });

  test('what every stage reads knows neither the configuration nor its schema', () => {
    const roots = ['principal.ts', 'exchange.ts', 'errors.ts', 'pipeline.ts'];
    const known = imports.filter(({ from, to }) => roots.includes(from) && /(?:section|configuration)\.ts$/.test(to));
    expect(known.map(show)).toEqual([]);
    expect(roots.filter((path) => /from 'zod'/.test(code(path)))).toEqual([]);
  });

  test('only authorization/ grants a Permit', () => {
    expect(files.filter((path) => /\bPermit\.grant\b/.test(code(path)) && folder(path) !== 'authorization')).toEqual(
      [],
    );
  });

  test('only main.ts and cli/ read the environment or the arguments, only they end the process', () => {
    const allowed = (path: string) => path === 'main.ts' || ROOTS.includes(folder(path));
    expect(files.filter((path) => /\bprocess\.(?:env|argv|exit)\b/.test(code(path)) && !allowed(path))).toEqual([]);
  });

  test('nothing imports in a circle', () => {
    const byFile = Map.groupBy(
      imports.filter(({ isValue }) => isValue),
      ({ from }) => from,
    );
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (path: string, trail: readonly string[]): void => {
      if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      if (done.has(path) || trail.includes(path)) return;
      for (const { to } of byFile.get(path) ?? []) visit(to, [...trail, path]);
      done.add(path);
    };
    for (const path of files) visit(path, []);
    expect(circles).toEqual([]);
  });

  test('every file opens with what it is for, and every exported function and constant says what it guarantees', () => {
    expect(files.filter((path) => !/^(?:#!.*\n)?(?:import [^;]*;\n+)*\/\*\*/.test(source(path)))).toEqual([]);
    const undocumented = files.flatMap((path) =>
      [...source(path).matchAll(/^(.*)\n(export (?:async )?(?:function|const) (\w+))/gm)]
        .filter(
          ([, before = '']) => !before.trimEnd().endsWith('*/') && !before.trimStart().startsWith('// biome-ignore'),
        )
        .map(([, , , name]) => `${path}: ${name}`),
    );
    expect(undocumented).toEqual([]);
  });
});
