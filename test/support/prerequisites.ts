/**
 * Sees to the programs that the tests run for real: Redis and Chromium. On a Debian machine, as root, what is missing is
 * installed; elsewhere it says what to install, and stops.
 */

import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { ACTIONLINT, CHROMIUM_PATHS, findProgram } from './programs.ts';

const wanted = [
  { what: 'redis-server', packageName: 'redis-server', found: findProgram(['redis-server']) },
  { what: 'Chromium', packageName: 'chromium', found: findProgram(CHROMIUM_PATHS) },
];
const missing = wanted.filter(({ found }) => found === null);
if (missing.length > 0) install(missing.map(({ packageName }) => packageName));

// Where Go is installed: the module for the Go recipe of docs/verify.md, and the linter of the workflows. Without them
// their tests are skipped, and say so.
const go = findProgram(['go', '/usr/local/go/bin/go']);
if (go !== null) {
  const env = { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=mod' };
  spawnSync(go, ['mod', 'download', 'github.com/golang-jwt/jwt/v5@v5.3.1'], { env, stdio: 'ignore', timeout: 30_000 });
  if (findProgram([ACTIONLINT]) === null) {
    spawnSync(go, ['install', 'github.com/rhysd/actionlint/cmd/actionlint@v1.7.12'], {
      env: { ...env, GOBIN: dirname(ACTIONLINT) },
      stdio: 'ignore',
      timeout: 180_000,
    });
  }
}

function install(packages: readonly string[]): void {
  const canInstall = process.getuid?.() === 0 && findProgram(['apt-get']) !== null;
  if (!canInstall) {
    console.error(
      `The tests need ${packages.join(' and ')}. On Debian or Ubuntu: sudo apt-get install ${packages.join(' ')}`,
    );
    process.exit(1);
  }
  console.log(`installing ${packages.join(', ')} …`);
  // Debian's redis-server package would start a server at once; the tests start their own on free ports.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const run = (args: string[]) => spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] }).status;
  const installArgs = ['install', '-y', '--no-install-recommends', ...packages];
  if (run(installArgs) !== 0 && (run(['update', '-q']) !== 0 || run(installArgs) !== 0)) {
    console.error(`could not install ${packages.join(', ')}`);
    process.exit(1);
  }
}
