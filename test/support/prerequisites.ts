/**
 * Installs the real programs that the tests run: Redis and Chromium, the proxies of `examples/`, Prometheus, and if Go
 * is installed, the module for the Go recipe of docs/verify.md, the linter of the workflows, Helm, an identity
 * provider, a gRPC client and server, and a client of the authorizer. As root on Debian it installs what is missing;
 * elsewhere, or with `SALLYPORT_TEST_INSTALL=0`, it says what to install, and exits with 1 if Redis or Chromium is
 * missing.
 *
 * Arguments: the required packages, and `go` for the Go programs; all of them by default.
 */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  ACTIONLINT,
  CHECK_CLIENT,
  CHECK_CLIENT_SOURCES,
  CHROMIUM_PATHS,
  findProgram,
  GRPC_GO_CLIENT,
  GRPC_GO_SERVER,
  HELM,
  ZITADEL_OIDC,
} from './programs.ts';

/** Programs by the name of their Debian package. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  'redis-server': ['redis-server'],
  chromium: CHROMIUM_PATHS,
};
/**
 * The proxies whose recipes the tests run, and the Prometheus that evaluates alerts and dashboard, by the name of their
 * package. Without one, its tests are skipped, and say so.
 */
const OPTIONAL = ['nginx', 'haproxy', 'caddy', 'apache2', 'prometheus'];
const GO_MODULE = 'github.com/golang-jwt/jwt/v5@v5.3.1';
/** A busy machine takes more than six minutes for Helm, the largest of them. */
const GO_BUILD_TIMEOUT_MS = 900_000;
/** Programs that Go builds: module and path. */
const GO_PROGRAMS: readonly (readonly [module: string, program: string])[] = [
  ['github.com/rhysd/actionlint/cmd/actionlint@v1.7.12', ACTIONLINT],
  ['github.com/zitadel/oidc/v3/example/server@v3.52.0', ZITADEL_OIDC],
  ['helm.sh/helm/v3/cmd/helm@v3.22.0', HELM],
  ['google.golang.org/grpc/interop/client@v1.85.0', GRPC_GO_CLIENT],
  ['google.golang.org/grpc/interop/server@v1.85.0', GRPC_GO_SERVER],
];

const mayInstall = process.env['SALLYPORT_TEST_INSTALL'] !== '0';
const wanted = process.argv.length > 2 ? process.argv.slice(2) : [...Object.keys(PROGRAMS), 'go'];
const missing = wanted.filter((name) => name !== 'go' && findProgram(PROGRAMS[name] ?? []) === null);
if (missing.length > 0) install(missing);
if (process.argv.length === 2 && canInstall()) {
  const optional = OPTIONAL.filter((name) => findProgram([name]) === null);
  if (optional.length > 0) aptInstall(optional);
}
if (wanted.includes('go') && mayInstall) useGo();

function canInstall(): boolean {
  return mayInstall && process.getuid?.() === 0 && findProgram(['apt-get']) !== null;
}

function install(packages: readonly string[]): void {
  if (!canInstall()) {
    console.error(
      `The tests need ${packages.join(' and ')}. On Debian or Ubuntu: sudo apt-get install ${packages.join(' ')}`,
    );
    process.exit(1);
  }
  if (!aptInstall(packages)) {
    console.error(`could not install ${packages.join(', ')}`);
    process.exit(1);
  }
}

/** Returns whether they are installed now. */
function aptInstall(packages: readonly string[]): boolean {
  console.log(`installing ${packages.join(', ')} …`);
  // Debian's packages would start their servers immediately; the tests start their own on free ports.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const run = (args: string[]) => spawnSync('apt-get', args, { env, stdio: ['ignore', 'ignore', 'inherit'] }).status;
  const installArgs = ['install', '-y', '--no-install-recommends', ...packages];
  return run(installArgs) === 0 || (run(['update', '-q']) === 0 && run(installArgs) === 0);
}

/** Without these, their tests are skipped, and say so. */
function useGo(): void {
  const go = findProgram(['go', '/usr/local/go/bin/go']);
  if (go === null) return;
  const { GOTOOLCHAIN = 'local' } = process.env;
  const env = { ...process.env, GOTOOLCHAIN, GOFLAGS: '-mod=mod' };
  const { GOMODCACHE, GOPATH = join(homedir(), 'go') } = process.env;
  if (!existsSync(join(GOMODCACHE ?? join(GOPATH, 'pkg', 'mod'), GO_MODULE))) {
    spawnSync(go, ['mod', 'download', GO_MODULE], { env, stdio: 'ignore', timeout: 30_000 });
  }
  for (const [module, program] of GO_PROGRAMS) {
    if (findProgram([program]) !== null) continue;
    console.log(`building ${module} …`);
    const options = {
      env: { ...env, GOBIN: dirname(program) },
      stdio: 'ignore',
      timeout: GO_BUILD_TIMEOUT_MS,
    } as const;
    spawnSync(go, ['install', module], options);
  }
  if (findProgram([CHECK_CLIENT]) === null) {
    const options = {
      cwd: CHECK_CLIENT_SOURCES,
      env: { ...env, GOFLAGS: '' },
      stdio: 'ignore',
      timeout: GO_BUILD_TIMEOUT_MS,
    } as const;
    spawnSync(go, ['build', '-o', CHECK_CLIENT, '.'], options);
  }
}
