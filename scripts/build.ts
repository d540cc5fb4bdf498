/**
 * Builds what the package and the image ship: `dist/`, the JavaScript of `src/`, file by file, so that a stack trace names
 * the source file. Checks types as well. No source maps: with types stripped, a line is easy to find, and
 * they would double the size.
 *
 * Usage: node scripts/build.ts
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const dist = new URL('dist/', root);

rmSync(dist, { recursive: true, force: true });
compile('tsconfig.build.json');
// What is read when the gateway runs.
const protos = 'authorizer/grpc/protos/';
cpSync(new URL(`src/${protos}`, root), new URL(protos, dist), { recursive: true });

const main = new URL('main.js', dist);
if (!readFileSync(main, 'utf8').startsWith('#!/usr/bin/env node\n'))
  throw new Error('dist/main.js has lost its first line');
chmodSync(main, 0o755);

// The build must run: loading the schema loads most of it. test/shipping/image.test.ts tests more.
for (const args of [
  ['dist/main.js', 'version'],
  ['dist/main.js', 'schema'],
]) {
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: fileURLToPath(root), encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')} exits with ${status}: ${stderr}`);
}

function compile(project: string): void {
  const tsc = fileURLToPath(new URL('node_modules/typescript/bin/tsc', root));
  const { status } = spawnSync(process.execPath, [tsc, '--checkers', '1', '--project', project], {
    cwd: fileURLToPath(root),
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
}
