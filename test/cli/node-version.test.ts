/** The program on a Node that is too old for it, which has to be said, and not to be found out by what is missing. */

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

/** What `dist/` has of the program before the rest of it is loaded, as the build writes it. */
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

/** Makes a Node say that it is another version, and have none of what came since. */
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
])('on Node %s (%s) it says in one line which one it needs, and ends with 1', (version, program, options) => {
  const { status, stdout, stderr } = spawnSync(program, [...options, builtEntry(), 'version'], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([1, '']);
  expect(stderr).toBe(`sallyport needs Node ${FLOOR} or later; this is v${version}\n`);
});

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
