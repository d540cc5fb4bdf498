/**
 * The two packages as they are published. `sallyport` as `npx` runs it; `@sallyport/verify` as a service gets it:
 * built, packed, installed from its tarball into an empty folder without a network, type-checked as by a consumer's
 * compiler, and run as plain JavaScript.
 */

import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ONE_CHECKER } from '../support/compiler.ts';
import { repositoryPath } from '../support/kubernetes/render.ts';
import { findProgram } from '../support/programs.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-package-'));
const repository = join(root, 'repository');
const consumer = join(root, 'consumer');
const BUILD_TIMEOUT_MS = 240_000;

/** The output of `npm pack --json`. */
interface Packed {
  readonly name: string;
  readonly version: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}
let gateway: readonly string[] = [];
let gatewayFile = '';
let verify: readonly string[] = [];
let installed: readonly string[] = [];

function run(program: string, args: readonly string[], cwd: string): string {
  // npm is a script that looks for node on the path.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` };
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', env });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} exits with ${status}: ${stdout}${stderr}`);
  return stdout;
}

function pack(npm: string, directory: string): Packed {
  const [packed] = JSON.parse(
    run(npm, ['pack', '--json', '--ignore-scripts', '--offline', '--pack-destination', root], directory),
  ) as Packed[];
  if (packed === undefined) throw new Error('nothing was packed');
  return packed;
}

const pathsOf = ({ files }: Packed) => files.map(({ path }) => path).toSorted();

/** Gives the consumer a compiler. */
function linkCompiler(): void {
  for (const name of ['typescript', '@types/node', 'undici-types']) {
    mkdirSync(dirname(join(consumer, 'node_modules', name)), { recursive: true });
    symlinkSync(repositoryPath(`node_modules/${name}`), join(consumer, 'node_modules', name));
  }
}

const readManifest = (path: string) =>
  JSON.parse(readFileSync(repositoryPath(path), 'utf8')) as {
    version: string;
    dependencies: Record<string, string>;
    exports: { '.': Record<string, string> };
  };

beforeAll(() => {
  const npm = findProgram(['npm']);
  if (npm === null) throw new Error('npm is not on the PATH');
  mkdirSync(repository);
  for (const name of ['package.json', 'LICENSE', 'tsconfig.json', 'tsconfig.build.json', 'config', 'scripts', 'src'])
    cpSync(repositoryPath(name), join(repository, name), { recursive: true });
  cpSync(repositoryPath('packages'), join(repository, 'packages'), {
    recursive: true,
    filter: (path) => !/\/(?:dist|node_modules)$/.test(path),
  });
  symlinkSync(repositoryPath('node_modules'), join(repository, 'node_modules'));
  run(process.execPath, ['scripts/build.ts'], repository);
  const packedGateway = pack(npm, repository);
  gateway = pathsOf(packedGateway);
  gatewayFile = join(root, packedGateway.filename);
  run(process.execPath, ['build.ts'], join(repository, 'packages/verify'));
  const packed = pack(npm, join(repository, 'packages/verify'));
  verify = pathsOf(packed);

  // The one dependency, as a registry would serve it.
  const jose = pack(npm, repositoryPath('node_modules/jose'));
  mkdirSync(consumer);
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', type: 'module' }));
  const tarballs = [packed, jose].map(({ filename }) => join(root, filename));
  run(npm, ['install', '--offline', '--no-audit', '--no-fund', ...tarballs], consumer);
  installed = readdirSync(join(consumer, 'node_modules')).filter((name) => !name.startsWith('.'));
  linkCompiler();
}, BUILD_TIMEOUT_MS);

afterAll(() => rmSync(root, { recursive: true, force: true }));

const CONSUMER = `
import { createVerifier, expressVerify, fastifyVerify, verifiedTokenOf, VerifyError, type VerifyReason } from '@sallyport/verify';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

const { publicKey, privateKey } = await generateKeyPair('ES256', { extractable: true });
const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'k1' }] };
const token = (audience: string) =>
  new SignJWT({ act: { sub: 'cart' }, scope: 'read' })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer('https://shop.example.com').setAudience(audience).setSubject('bob').setIssuedAt().setExpirationTime('2m')
    .sign(privateKey);

const verifier = createVerifier({ issuer: 'https://shop.example.com', audience: 'orders', jwks });
const { verify } = verifier;
const { subject, actor, scopes } = await verify(\`Bearer \${await token('orders')}\`);
const names: readonly [string, string | null, ReadonlySet<string>] = [subject, actor, scopes];
let reason: VerifyReason | null = null;
try {
  await verify(await token('cart'));
} catch (error) {
  if (error instanceof VerifyError) reason = error.reason;
}
const guards = [expressVerify({ verifier, scopes: ['read'] }), fastifyVerify, verifiedTokenOf].map((guard) => typeof guard);
console.log(JSON.stringify({ names: [names[0], names[1], ...names[2]], reason, guards }));
`;

describe('sallyport', () => {
  it('contains the program and the schema, but no tests, sources or package for services', () => {
    expect(gateway).toContain('dist/main.js');
    expect(gateway).toContain('dist/authorizer/grpc/protos/envoy/service/auth/v3/external_auth.proto');
    expect(gateway.filter((path) => !/^dist\/(?:.*\.js|authorizer\/grpc\/protos\/.*)$/.test(path))).toEqual([
      'LICENSE',
      'config/sallyport.schema.json',
      'package.json',
    ]);
    expect(gateway.filter((path) => path.includes('verify/'))).toEqual([]);
  });

  it('runs as `npx sallyport` where npm has installed it', () => {
    // As npm lays it out; its dependencies are those of the repository, since there is no registry.
    const project = join(root, 'project');
    const home = join(project, 'node_modules/sallyport');
    mkdirSync(join(project, 'node_modules/.bin'), { recursive: true });
    writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'project', private: true }));
    run('tar', ['-xzf', gatewayFile, '-C', root], root);
    renameSync(join(root, 'package'), home);
    symlinkSync(repositoryPath('node_modules'), join(home, 'node_modules'));
    const { bin, version } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
      bin: Record<string, string>;
      version: string;
    };
    for (const [name, path] of Object.entries(bin)) {
      chmodSync(join(home, path), 0o755);
      symlinkSync(join('../sallyport', path), join(project, 'node_modules/.bin', name));
    }
    const npx = (...args: string[]) => run('npx', ['--no-install', 'sallyport', ...args], project);
    expect(npx('version')).toContain(version);
    npx('init', '--user', 'alice');
    expect(npx('validate', '--strict')).toContain('no problems');
    expect(npx('schema')).toBe(readFileSync(join(home, 'config/sallyport.schema.json'), 'utf8'));
  });
});

describe('@sallyport/verify', () => {
  it('contains its own files, those of jwt/ and lib/ that it loads, and the declarations that it refers to', () => {
    const shared = verify.filter((path) => path.startsWith('dist/src/'));
    expect(verify.filter((path) => !path.startsWith('dist/'))).toEqual(['LICENSE', 'README.md', 'package.json']);
    expect(shared.filter((path) => !/^dist\/src\/(?:jwt|lib)\/(?:[a-z]+\/)?[a-z0-9-]+\.js$/.test(path))).toEqual([
      'dist/src/lib/clock.d.ts',
    ]);
    const sources = readdirSync(repositoryPath('packages/verify/src')).map((name) => name.replace(/\.ts$/, ''));
    const own = sources.flatMap((name) =>
      [`${name}.d.ts`, `${name}.js`].map((file) => `dist/packages/verify/src/${file}`),
    );
    expect(verify.filter((path) => path.startsWith('dist/packages/'))).toEqual(own.toSorted());
  });

  it('installs with jose and nothing else', () => {
    expect(installed).toEqual(['@sallyport', 'jose']);
    expect(readManifest('packages/verify/package.json').dependencies).toEqual({
      jose: readManifest('package.json').dependencies['jose'],
    });
  });

  it('has the version and the license of the gateway', () => {
    expect(readManifest('packages/verify/package.json').version).toBe(readManifest('package.json').version);
    expect(readFileSync(repositoryPath('packages/verify/LICENSE'), 'utf8')).toBe(
      readFileSync(repositoryPath('LICENSE'), 'utf8'),
    );
  });

  it('exports files that are packed', () => {
    for (const path of Object.values(readManifest('packages/verify/package.json').exports['.'])) {
      expect(verify.map((file) => `./${file}`)).toContain(path);
    }
  });

  it('allows only its index to be imported', () => {
    const tryImport = (name: string) =>
      spawnSync(process.execPath, ['-e', `await import('${name}')`, '--input-type=module'], { cwd: consumer }).status;
    expect([tryImport('@sallyport/verify'), tryImport('@sallyport/verify/dist/src/jwt/jws.js')]).toEqual([0, 1]);
  });

  it('type-checks in a strict project, declarations included, and runs with jose as its only package', () => {
    writeFileSync(join(consumer, 'consumer.ts'), CONSUMER);
    const compilerOptions = {
      target: 'es2022',
      module: 'nodenext',
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      types: ['node'],
      outDir: '.',
    };
    writeFileSync(join(consumer, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));
    run(process.execPath, ['node_modules/typescript/bin/tsc', ...ONE_CHECKER, '-p', '.'], consumer);
    expect(JSON.parse(run(process.execPath, ['consumer.js'], consumer))).toEqual({
      names: ['bob', 'cart', 'read'],
      reason: 'audience',
      guards: ['function', 'function', 'function'],
    });
  });

  describe('does not compile with', () => {
    const WRONG = {
      'an option that does not exist': "createVerifier({ issuer: 'x', audience: 'y', bogus: 1 });",
      'no audience': "createVerifier({ issuer: 'x' });",
      'a reason that does not exist': "(error: VerifyError) => error.reason === 'bogus';",
    };
    const fileOf = (title: string) => `${title.replaceAll(' ', '-')}.ts`;
    let complaints: readonly string[];

    beforeAll(() => {
      for (const [title, line] of Object.entries(WRONG)) {
        const text = `import { createVerifier, VerifyError } from '@sallyport/verify';\n${line}\n`;
        writeFileSync(join(consumer, fileOf(title)), text);
      }
      const options = [
        '--ignoreConfig',
        '--noEmit',
        '--module',
        'nodenext',
        '--target',
        'es2022',
        '--types',
        'node',
        '--strict',
      ];
      const tsc = ['node_modules/typescript/bin/tsc', ...ONE_CHECKER, ...options, ...Object.keys(WRONG).map(fileOf)];
      const { status, stdout } = spawnSync(process.execPath, tsc, { cwd: consumer, encoding: 'utf8' });
      expect(status).not.toBe(0);
      complaints = stdout.trim().split('\n');
    });

    it.each(Object.keys(WRONG))('%s', (title) => {
      const own = complaints.filter((text) => text.startsWith(fileOf(title)));
      expect(own).toEqual([expect.stringMatching(/\.ts\(2,/)]);
    });
  });
});
