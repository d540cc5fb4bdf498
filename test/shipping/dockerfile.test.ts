/** What the Dockerfile promises, as far as that can be tested without a build. */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repositoryPath } from '../support/kubernetes/render.ts';
import { configPathOf, GATEWAY_PODS } from './deployment.ts';
import { type Instruction, readDockerfile } from './dockerfile.ts';

const { args, stages } = readDockerfile();
const [build, final] = stages as [(typeof stages)[number], (typeof stages)[number]];
const all = stages.flatMap(({ instructions }) => instructions);
const manifest = JSON.parse(readFileSync(repositoryPath('package.json'), 'utf8')) as {
  version: string;
  description: string;
  license: string;
  devDependencies: Record<string, string>;
};

const inFinal = (name: string) => final.instructions.filter((instruction) => instruction.name === name);
const execForm = ({ text }: Instruction) => JSON.parse(text) as string[];
const sourcesOf = ({ text }: Instruction) => text.split(' ').slice(0, -1);

describe('the Dockerfile', () => {
  it('has two stages, and the second runs nothing', () => {
    expect(stages.map(({ alias }) => alias)).toEqual(['build', 'final']);
    expect(inFinal('RUN')).toEqual([]);
  });

  it('names both base images by a descriptive tag', () => {
    expect([build.image, final.image]).toEqual(['${NODE_IMAGE}', '${RUNTIME_IMAGE}']);
    expect(args['RUNTIME_IMAGE']).toMatch(/^gcr\.io\/distroless\/cc-debian13:nonroot$/);
  });

  it('has the Node version of the tests', () => {
    expect(args['NODE_IMAGE']).toBe(`node:${manifest.devDependencies['node']}-trixie-slim`);
  });

  it('runs as the numeric user 65532', () => {
    expect(inFinal('USER').map(({ text }) => text)).toEqual(['65532:65532']);
  });

  it('starts and checks its health without a shell', () => {
    const [entrypoint] = inFinal('ENTRYPOINT').map(execForm);
    expect(entrypoint).toEqual(['/usr/local/bin/node', '/app/dist/main.js']);
    expect(inFinal('CMD').map(execForm)).toEqual([['start']]);
    const [health] = inFinal('HEALTHCHECK');
    expect(JSON.parse(health!.text.replace(/^CMD /, ''))).toEqual([...entrypoint!, 'health']);
  });

  it('has a program sallyport on its path that runs the same as the entrypoint', () => {
    const [copy] = inFinal('COPY').filter(({ text }) => text.endsWith(' /usr/local/bin/sallyport'));
    expect(copy?.flags['chmod']).toBe('0755');
    const [node, main] = inFinal('ENTRYPOINT').flatMap(execForm);
    const launcher = readFileSync(repositoryPath(sourcesOf(copy!)[0] ?? ''), 'utf8');
    expect(launcher.split('\n')[0]).toBe(`#!${node}`);
    const [, imported = ''] = /^import '(.+)';$/m.exec(launcher) ?? [];
    expect(posix.join('/usr/local/bin', imported)).toBe(main);
  });

  it('looks for the configuration where the manifests mount it', () => {
    const [env] = inFinal('ENV');
    for (const gatewayPod of GATEWAY_PODS) {
      expect(env?.text.split(' ')).toContain(`SALLYPORT_CONFIG=${configPathOf(gatewayPod)}`);
    }
  });

  it('copies only from the repository and the first stage, owned by root', () => {
    const copies = all.filter(({ name }) => name === 'COPY');
    expect(copies.length).toBeGreaterThan(0);
    for (const { flags } of copies) {
      expect(flags['chown']).toBe('0:0');
      expect([undefined, 'build']).toContain(flags['from']);
    }
    expect(all.filter(({ name }) => name === 'ADD')).toEqual([]);
  });

  it('has no place for a secret', () => {
    expect(all.filter(({ name }) => name === 'ARG').map(({ text }) => text)).toEqual(['REVISION=unknown']);
    const words = all.map(({ name, text }) => `${name} ${text}`).join('\n');
    expect(words).not.toMatch(/--mount=type=secret|password|secret|token=|authorization/i);
  });

  it('installs exactly the lockfile, runs no package scripts, and ships only production dependencies', () => {
    const [install, buildStep] = build.instructions.filter(({ name }) => name === 'RUN');
    expect(install?.text).toMatch(/^npm ci --ignore-scripts/);
    expect(buildStep?.text).toMatch(/^npm run build && npm prune --omit=dev/);
  });

  it('describes itself in labels', () => {
    const [label] = inFinal('LABEL');
    const labels = Object.fromEntries(
      [...label!.text.matchAll(/org\.opencontainers\.image\.(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]),
    );
    expect(labels).toEqual({
      title: 'Sallyport',
      description: manifest.description,
      licenses: manifest.license,
      version: manifest.version,
      revision: '${REVISION}',
    });
  });
});

describe('.dockerignore', () => {
  const lines = readFileSync(repositoryPath('.dockerignore'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

  it('excludes everything except what the Dockerfile copies', () => {
    const copied = all.filter(({ name, flags }) => name === 'COPY' && flags['from'] === undefined).flatMap(sourcesOf);
    expect(lines[0]).toBe('*');
    const kept = lines.slice(1).map((line) => line.slice(1));
    expect(new Set(kept)).toEqual(new Set(copied.map((path) => path.split('/')[0])));
  });
});

// On other systems, Node is linked against other libraries.
describe.runIf(process.platform === 'linux')('shared libraries', () => {
  /** Packages libc6, libgcc-s1 and libstdc++6, which the runtime image is made of; the loader is one of them. */
  const RUNTIME_LIBRARIES = /^(?:lib(?:c|dl|m|pthread|rt)\.so\.\d|libgcc_s\.so\.1|libstdc\+\+\.so\.6|ld-linux-.*)$/;

  it('loaded by Node are all in the image', () => {
    // A separate Node process: this one has loaded native parts of the test runner.
    const script = 'JSON.stringify(process.report.getReport().sharedObjects)';
    const report = execFileSync(process.execPath, ['--print', script], { env: {}, encoding: 'utf8' });
    const loaded = (JSON.parse(report) as string[])
      .map((path) => basename(path))
      .filter((name) => name.includes('.so'));
    const copied = inFinal('COPY')
      .flatMap(sourcesOf)
      .map((path) => basename(path));
    const missing = loaded.filter(
      (name) => !name.startsWith('linux-vdso') && !RUNTIME_LIBRARIES.test(name) && !copied.includes(name),
    );
    expect(loaded).toContain('libstdc++.so.6');
    expect(missing).toEqual([]);
  });
});
