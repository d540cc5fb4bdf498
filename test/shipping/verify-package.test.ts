/**
 * `sallyport/verify` as a service gets it: built, packed, unpacked into an empty folder that has jose and nothing else,
 * type-checked as a consumer's compiler would and run by plain JavaScript.
 */

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryPath } from '../support/kubernetes-render.ts';
import { findProgram } from '../support/programs.ts';

const root = mkdtempSync(join(tmpdir(), 'sallyport-package-'));
const repository = join(root, 'repository');
const consumer = join(root, 'consumer');
const BUILD_TIMEOUT_MS = 240_000;

interface PackedFile {
  readonly path: string;
}
let packed: readonly PackedFile[] = [];

function run(program: string, args: readonly string[], cwd: string): string {
  // npm is a script that looks for node.
  const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env['PATH']}` };
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8', env });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} exits with ${status}: ${stdout}${stderr}`);
  return stdout;
}

const linkPackage = (name: string, into: string) => {
  mkdirSync(dirname(join(into, 'node_modules', name)), { recursive: true });
  symlinkSync(repositoryPath(`node_modules/${name}`), join(into, 'node_modules', name));
};

beforeAll(() => {
  const npm = findProgram(['npm']);
  if (npm === null) throw new Error('npm is not on the PATH');
  mkdirSync(repository);
  for (const name of ['package.json', 'LICENSE', 'tsconfig.json', 'tsconfig.build.json', 'config', 'scripts', 'src'])
    cpSync(repositoryPath(name), join(repository, name), { recursive: true });
  symlinkSync(repositoryPath('node_modules'), join(repository, 'node_modules'));
  run(process.execPath, ['scripts/build.ts'], repository);
  const [report] = JSON.parse(run(npm, ['pack', '--json', '--ignore-scripts', '--offline'], repository)) as {
    filename: string;
    files: PackedFile[];
  }[];
  packed = report?.files ?? [];

  const installed = join(consumer, 'node_modules/sallyport');
  mkdirSync(installed, { recursive: true });
  run('tar', ['-xzf', join(repository, report?.filename ?? ''), '--strip-components=1', '-C', installed], root);
  linkPackage('jose', consumer);
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', type: 'module' }));
}, BUILD_TIMEOUT_MS);

afterAll(() => rmSync(root, { recursive: true, force: true }));

const CONSUMER = `
import { createVerifier, expressVerify, fastifyVerify, verifiedTokenOf, VerifyError, type VerifyReason } from 'sallyport/verify';
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

describe('the package', () => {
  it('has what runs, its declarations, and nothing of the tests, the sources or the benchmarks', () => {
    const paths = packed.map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['dist/main.js', 'dist/verify/index.js', 'dist/verify/index.d.ts']));
    expect(paths.filter((path) => !/^(?:dist\/.*\.js|dist\/(?:verify|lib)\/.*\.d\.ts)$/.test(path)).toSorted()).toEqual(
      ['LICENSE', 'config/sallyport.schema.json', 'package.json'],
    );
  });

  it('lets only sallyport/verify be imported', () => {
    const tryImport = (name: string) =>
      spawnSync(process.execPath, ['-e', `await import('${name}')`, '--input-type=module'], { cwd: consumer }).status;
    expect([tryImport('sallyport/verify'), tryImport('sallyport'), tryImport('sallyport/dist/gateway.js')]).toEqual([
      0, 1, 1,
    ]);
  });

  it('type-checks in a strict project, declarations included, and runs with jose as its only package', () => {
    writeFileSync(join(consumer, 'consumer.ts'), CONSUMER);
    linkPackage('typescript', consumer);
    linkPackage('@types/node', consumer);
    linkPackage('undici-types', consumer);
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
    run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', '.'], consumer);
    expect(JSON.parse(run(process.execPath, ['consumer.js'], consumer))).toEqual({
      names: ['bob', 'cart', 'read'],
      reason: 'audience',
      guards: ['function', 'function', 'function'],
    });
  });

  it.each([
    ['an option that does not exist', "createVerifier({ issuer: 'x', audience: 'y', bogus: 1 });"],
    ['no audience', "createVerifier({ issuer: 'x' });"],
    ['a reason that does not exist', "(error: VerifyError) => error.reason === 'bogus';"],
  ])('refuses %s when it is compiled', (_title, line) => {
    writeFileSync(
      join(consumer, 'wrong.ts'),
      `import { createVerifier, VerifyError } from 'sallyport/verify';\n${line}\n`,
    );
    const tsc = [
      'node_modules/typescript/bin/tsc',
      '--ignoreConfig',
      '--noEmit',
      '--module',
      'nodenext',
      '--target',
      'es2022',
      '--types',
      'node',
      '--strict',
      'wrong.ts',
    ];
    const { status, stdout } = spawnSync(process.execPath, tsc, { cwd: consumer, encoding: 'utf8' });
    expect(status).not.toBe(0);
    expect(stdout).toMatch(/^wrong\.ts\(2,/);
    expect(
      stdout
        .trim()
        .split('\n')
        .filter((text) => text.startsWith('wrong.ts')),
    ).toHaveLength(1);
  });
});

it('package.json points its export at files that are built', () => {
  const { exports } = JSON.parse(readFileSync(repositoryPath('package.json'), 'utf8')) as {
    exports: { './verify': Record<string, string> };
  };
  for (const path of Object.values(exports['./verify'])) {
    expect(packed.map((file) => `./${file.path}`)).toContain(path);
  }
});
