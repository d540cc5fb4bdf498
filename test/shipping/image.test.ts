/**
 * The image without an engine: a directory with the files that the Dockerfile copies, built the same way, with the
 * production dependencies of the lockfile and nothing else. What is missing there is missing in the image.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryPath } from '../support/kubernetes/render.ts';
import { readDockerfile } from './dockerfile.ts';

const { stages } = readDockerfile();
const [build, final] = stages as [(typeof stages)[number], (typeof stages)[number]];
const root = mkdtempSync(join(tmpdir(), 'sallyport-image-'));
const buildRoot = join(root, 'build');
const app = join(root, 'final/app');
const main = join(app, 'dist/main.js');

// A full compilation takes a while on a busy machine.
const BUILD_TIMEOUT_MS = 240_000;

beforeAll(async () => {
  copyFromRepository(build.instructions, buildRoot, '.');
  symlinkSync(repositoryPath('node_modules'), join(buildRoot, 'node_modules'));
  const { scripts } = readJson(repositoryPath('package.json')) as { scripts: { build: string } };
  const built = await runNode(scripts.build.split(' ').slice(1), { cwd: buildRoot });
  if (built.status !== 0) throw new Error(`build: ${built.stdout}${built.stderr}`);

  copyFromRepository(final.instructions, join(root, 'final'), '/');
  cpSync(join(buildRoot, 'dist'), join(app, 'dist'), { recursive: true });
  for (const path of productionPackages()) {
    mkdirSync(dirname(join(app, path)), { recursive: true });
    cpSync(repositoryPath(path), join(app, path), { recursive: true });
  }
}, BUILD_TIMEOUT_MS);

afterAll(() => rmSync(root, { recursive: true, force: true }));

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

/** Performs the `COPY` instructions that take files of the repository. */
function copyFromRepository(instructions: typeof build.instructions, target: string, workdir: string): void {
  for (const { name, flags, text } of instructions) {
    if (name !== 'COPY' || flags['from'] !== undefined) continue;
    const paths = text.split(' ');
    const to = join(target, workdir, paths.at(-1) ?? '');
    for (const path of paths.slice(0, -1)) {
      const isInto = (paths.at(-1) ?? '').endsWith('/');
      cpSync(repositoryPath(path), isInto ? join(to, path) : to, { recursive: true });
    }
  }
}

/** The paths of the packages that `npm ci && npm prune --omit=dev` leaves. */
function productionPackages(): string[] {
  const { packages } = readJson(repositoryPath('package-lock.json')) as {
    packages: Record<string, { dev?: true; devOptional?: true; optional?: true }>;
  };
  return Object.entries(packages)
    .filter(([path, { dev, devOptional, optional }]) => path !== '' && !dev && !devOptional && !optional)
    .map(([path]) => path);
}

const ENV = { NODE_ENV: 'production', PATH: '/nonexistent' };
const run = (...args: string[]) => runNode([main, ...args], { cwd: '/', env: ENV });

async function runNode(args: readonly string[], options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv }) {
  const child = spawn(process.execPath, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { status: child.exitCode, stdout, stderr };
}

describe('the contents of the image', () => {
  it('include no development dependency', () => {
    const names = globSync('{*,@*/*}/package.json', { cwd: join(app, 'node_modules') }).map(dirname);
    const { dependencies, devDependencies } = readJson(join(app, 'package.json')) as Record<string, object>;
    expect(names).toEqual(expect.arrayContaining(Object.keys(dependencies ?? {})));
    // A package that a dependency needs is included, even if the tests use it as well.
    const needed = new Set(productionPackages().map((path) => path.replace(/^.*node_modules\//, '')));
    const developmentOnly = Object.keys(devDependencies ?? {}).filter((name) => !needed.has(name));
    expect(names.filter((name) => developmentOnly.includes(name))).toEqual([]);
  });

  it('include every module that the built program imports', () => {
    const files = globSync('**/*.js', { cwd: join(app, 'dist') });
    const missing = files.flatMap((file) => {
      const path = join(app, 'dist', file);
      const resolver = createRequire(path);
      return importsOf(readFileSync(path, 'utf8'))
        .filter((specifier) => !isBuiltin(specifier) && !canResolve(resolver, specifier))
        .map((specifier) => `${file}: ${specifier}`);
    });
    expect(files.length).toBeGreaterThan(50);
    expect(missing).toEqual([]);
  });

  it('report their version', async () => {
    const { version } = readJson(repositoryPath('package.json')) as { version: string };
    const { status, stdout, stderr } = await run('version');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toContain(`sallyport ${version} (revision unknown, Node v`);
    const built = runNode([main, 'version', '--json'], { cwd: '/', env: { ...ENV, SALLYPORT_REVISION: '4126683' } });
    expect(JSON.parse((await built).stdout)).toMatchObject({ version, revision: '4126683' });
  });

  it('run the same by name as by entrypoint', async () => {
    const byName = runNode([join(root, 'final/usr/local/bin/sallyport'), 'version'], { cwd: '/', env: ENV });
    expect(await byName).toEqual(await run('version'));
  });

  it.each(['base', 'examples/ingress', 'examples/sidecar'])('find no problem in k8s/%s', async (directory) => {
    const { status, stdout } = await run(
      'validate',
      '--strict',
      '--no-files',
      repositoryPath('k8s', directory, 'sallyport.yaml'),
    );
    expect(stdout).toContain('no problems');
    expect(status).toBe(0);
  });
});

/** Static and dynamic imports of built code. */
const importsOf = (code: string): string[] =>
  [...code.matchAll(/\b(?:from\s*|import\s*\(?\s*)'([\w@./:-]+)'/g)].map(([, specifier]) => specifier as string);

function canResolve(resolver: NodeJS.Require, specifier: string): boolean {
  try {
    // Not from the repository itself: Node looks for node_modules in every parent directory.
    return resolver.resolve(specifier).startsWith(app);
  } catch {
    return false;
  }
}

describe('the program in the image', () => {
  let gateway: ChildProcess;
  let admin: string;

  beforeAll(async () => {
    const config = join(root, 'sallyport.yaml');
    writeFileSync(
      config,
      JSON.stringify({
        version: 1,
        publicOrigin: 'https://shop.example.com',
        listeners: { public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0' } },
        upstreams: { app: { endpoints: ['http://127.0.0.1:9'] } },
        routes: [{ id: 'app', match: { path: '/' }, credential: 'none', upstream: 'app' }],
      }),
    );
    gateway = spawn(process.execPath, [main, 'start', '--config', config], { cwd: '/', env: ENV });
    for await (const line of createInterface({ input: gateway.stdout! })) {
      const record = JSON.parse(line) as { admin?: string };
      if (record.admin === undefined) continue;
      admin = record.admin;
      break;
    }
  });

  afterAll(() => gateway.kill('SIGKILL'));

  it('is healthy according to the HEALTHCHECK command', async () => {
    const { status, stdout } = await run('health', '--admin-url', admin);
    expect({ status, stdout }).toEqual({ status: 0, stdout: 'alive\n' });
  });

  it('exits with 0 on SIGTERM, and is no longer healthy', async () => {
    gateway.kill('SIGTERM');
    expect(await once(gateway, 'exit')).toEqual([0, null]);
    expect((await run('health', '--admin-url', admin)).status).toBe(1);
  });
});
