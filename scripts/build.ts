/**
 * Makes what the package and the image ship: `dist/`, the JavaScript of `src/`, file by file, so that a stack trace names
 * the file of the source. Types are checked on the way. No source maps: with types stripped, a line is easily found, and
 * they would double the size. Beside it declarations, of what `sallyport/verify` exports and nothing else.
 *
 * Usage: node scripts/build.ts
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const dist = new URL('dist/', root);

rmSync(dist, { recursive: true, force: true });
compile('tsconfig.build.json');
declareVerify();

const main = new URL('main.js', dist);
if (!readFileSync(main, 'utf8').startsWith('#!/usr/bin/env node\n'))
  throw new Error('dist/main.js has lost its first line');
chmodSync(main, 0o755);

// What was built has to run: loading the schema loads most of it. More is tried in test/shipping/image.test.ts.
for (const args of [['dist/main.js', 'version'], ['dist/main.js', 'schema'], ['dist/verify/index.js']]) {
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: fileURLToPath(root), encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')} exits with ${status}: ${stderr}`);
}

function compile(project: string): void {
  const tsc = fileURLToPath(new URL('node_modules/typescript/bin/tsc', root));
  const { status } = spawnSync(process.execPath, [tsc, '--project', project], {
    cwd: fileURLToPath(root),
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}

/** The declarations of `src/verify/`, and of what they refer to. The compiler makes more: it follows every import. */
function declareVerify(): void {
  // Inside of the repository, so that packages are found from there.
  const directory = mkdtempSync(fileURLToPath(new URL('declarations-', dist)));
  const project = join(directory, 'tsconfig.json');
  const compilerOptions = { declaration: true, emitDeclarationOnly: true, rootDir: '../../src', outDir: '.' };
  const include = ['../../src/verify/index.ts'];
  writeFileSync(project, JSON.stringify({ extends: '../../tsconfig.build.json', compilerOptions, include }));
  compile(project);
  const wanted = new Set(['verify/index']);
  for (const path of wanted) {
    const text = readFileSync(join(directory, `${path}.d.ts`), 'utf8');
    // The compiler leaves the endings of imports as they are in declarations; here there is no .ts beside them.
    const ending = text.replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'");
    writeFileSync(fileURLToPath(new URL(`${path}.d.ts`, dist)), ending);
    for (const [, specifier = ''] of ending.matchAll(/from '(\.[^']*)\.js'/g)) wanted.add(join(path, '..', specifier));
  }
  rmSync(directory, { recursive: true });
}
