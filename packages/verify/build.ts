/**
 * Builds what the package ships: `dist/` has the JavaScript of `src/` here and of the files in the gateway's `src/jwt/` and
 * `src/lib/` that it imports, under their paths in the repository, and the declarations that `index.d.ts` refers to.
 *
 * Usage: npm run build --workspace @sallyport/verify
 */

import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = import.meta.dirname;
const dist = join(root, 'dist');
const entry = 'packages/verify/src/index';

rmSync(dist, { recursive: true, force: true });
run(fileURLToPath(import.meta.resolve('typescript/package.json')).replace('package.json', 'bin/tsc'), [
  '--checkers',
  '1',
  '--project',
  'tsconfig.build.json',
]);
keepDeclarations();
run(join(dist, `${entry}.js`));

function run(script: string, args: readonly string[] = []): void {
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Deletes the declarations that nobody can refer to: the compiler writes one for every file. */
function keepDeclarations(): void {
  const wanted = new Set([entry]);
  for (const path of wanted) {
    const file = join(dist, `${path}.d.ts`);
    // The compiler leaves the endings of imports as they are in declarations; here there is no .ts beside them.
    const text = readFileSync(file, 'utf8').replaceAll(/(from '\.[^']*)\.ts'/g, "$1.js'");
    writeFileSync(file, text);
    for (const [, specifier = ''] of text.matchAll(/from '(\.[^']*)\.js'/g)) wanted.add(join(path, '..', specifier));
  }
  for (const path of globSync('**/*.d.ts', { cwd: dist })) {
    if (!wanted.has(path.replace(/\.d\.ts$/, ''))) rmSync(join(dist, path));
  }
}
