/** The program on a Node that is too old: it says so, instead of failing at a missing feature. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { isAtLeast } from '../../src/lib/text/version-order.ts';
import { temporaryDirectory } from './support.ts';

const SOURCE = join(import.meta.dirname, '../../src');
const { engines } = JSON.parse(readFileSync(join(SOURCE, '../package.json'), 'utf8')) as { engines: { node: string } };
const FLOOR = engines.node.replace('>=', '');

/** The part of the program in `dist/` that runs before the rest is loaded, as the build writes it. */
function builtEntry(): string {
  const directory = temporaryDirectory();
  const write = (path: string) => {
    const code = stripTypeScriptTypes(readFileSync(join(SOURCE, path), 'utf8')).replace(/(from '\..*)\.ts'/g, "$1.js'");
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path.replace(/ts$/, 'js')), code);
    for (const [, next = ''] of code.matchAll(/^import \{.* from '(\..*)\.js';$/gm))
      write(join(dirname(path), `${next}.ts`));
  };
  write('main.ts');
  writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
  return join(directory, 'main.js');
}

/** Makes Node report another version. */
const pretending = (version: string) =>
  `data:text/javascript,Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}})`;

const olderNodes = ['/usr/bin/node', '/usr/local/bin/node'].flatMap((program) => {
  if (!existsSync(program)) return [];
  const version = spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout.trim().slice(1);
  return isAtLeast(version, FLOOR) ? [] : [[version, program, []] as const];
});

test.each([
  ...olderNodes,
  ['20.20.2', process.execPath, ['--import', pretending('20.20.2')]] as const,
  ['24.18.0', process.execPath, ['--import', pretending('24.18.0')]] as const,
])(
  'on Node %s (%s), the program says in one line which version it needs, and exits with 1',
  (version, program, options) => {
    const { status, stdout, stderr } = spawnSync(program, [...options, builtEntry(), 'version'], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toBe(`sallyport needs Node ${FLOOR} or later; this is v${version}\n`);
  },
);

test.each([
  ['24.18.1', true],
  ['v24.18.1', true],
  ['24.18.2', true],
  ['24.19.0', true],
  ['26.0.0', true],
  ['24.18.0', false],
  ['24.9.9', false],
  ['22.99.99', false],
  ['20.20.2', false],
  ['24.18.1-rc.1', true],
])('%s is at least 24.18.1: %s', (version, isEnough) => {
  expect(isAtLeast(version, '24.18.1')).toBe(isEnough);
});
