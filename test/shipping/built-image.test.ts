/**
 * The image itself, built from the Dockerfile and unpacked (docker/build-without-engine.sh), run as Kubernetes runs it
 * under the restricted Pod Security Standard: as 65532, on a read-only root, without capabilities. A build takes
 * minutes, so this runs only where `SALLYPORT_IMAGE` names the directory with `root` and `image.json`, as root on
 * Linux.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { repositoryPath } from '../support/kubernetes/render.ts';
import { freePort } from '../support/ports.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { until } from '../support/until.ts';

const directory = process.env['SALLYPORT_IMAGE'];

interface ImageConfig {
  readonly User: string;
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
  readonly Cmd: readonly string[];
  readonly WorkingDir: string;
  readonly Healthcheck: { readonly Test: readonly string[] };
}

describe.skipIf(directory === undefined)('the built image, where SALLYPORT_IMAGE names it', () => {
  const root = join(directory ?? '', 'root');
  let config: ImageConfig;
  let mounted: string;
  let upstream: RecordingUpstream;
  let gateway: ChildProcess;
  let [port, adminPort] = [0, 0];
  let log = '';

  beforeAll(async () => {
    const image = JSON.parse(readFileSync(join(directory ?? '', 'image.json'), 'utf8')) as {
      Docker: { config: ImageConfig };
    };
    config = image.Docker.config;
    mounted = mkdtempSync(join(tmpdir(), 'sallyport-image-'));
    chmodSync(mounted, 0o755);
    upstream = await RecordingUpstream.start();
    [port, adminPort] = [await freePort(), await freePort()];
    mkdirSync(join(mounted, 'config'));
    writeFileSync(
      join(mounted, 'config/sallyport.yaml'),
      `version: 1
publicOrigin: http://localhost:${port}
listeners:
  public: { address: "127.0.0.1:${port}" }
  admin: { address: "127.0.0.1:${adminPort}" }
store: { memory: {} }
upstreams:
  app: { endpoints: ["${upstream.origin}"] }
routes:
  - { id: app, match: { path: / }, credential: none, upstream: app }
`,
    );
    gateway = spawn(...inImage([...config.Entrypoint, ...config.Cmd]));
    gateway.stdout?.on('data', (part) => {
      log += part;
    });
    gateway.stderr?.on('data', (part) => {
      log += part;
    });
    const isReady = () =>
      fetch(`http://127.0.0.1:${adminPort}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await until(async () => gateway.exitCode !== null || (await isReady()), 'the gateway is ready');
    if (gateway.exitCode !== null) throw new Error(`the gateway did not start:\n${log}`);
  });

  afterAll(async () => {
    if (gateway?.exitCode === null && gateway.signalCode === null) {
      gateway.kill('SIGKILL');
      await once(gateway, 'exit');
    }
    await upstream?.[Symbol.asyncDispose]();
    rmSync(mounted, { recursive: true, force: true });
  });

  /** A command in the image, in its own mount namespace: nothing is writable, and the configuration is mounted. */
  function inImage(command: readonly string[]): [string, string[], { env: Record<string, string> }] {
    const script = `
      mount --bind "$0" "$0" && mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" &&
      mount -t tmpfs -o size=1m none "$0/etc/sallyport" 2>/dev/null || { mkdir -p "$0/etc/sallyport" && mount -t tmpfs -o size=1m none "$0/etc/sallyport"; } &&
      mkdir "$0/etc/sallyport/config" && mount --bind "$1" "$0/etc/sallyport/config" &&
      mount -o remount,ro,bind "$0" && shift && exec setpriv --no-new-privs chroot --userspec=${config.User} --groups= "$0" "$@"`;
    const env = Object.fromEntries(config.Env.map((it) => it.split(/=(.*)/s).slice(0, 2) as [string, string]));
    return ['unshare', ['--mount', 'sh', '-c', script, root, join(mounted, 'config'), ...command], { env }];
  }

  it('runs as 65532 on a read-only root, without capabilities and without a way to gain any', () => {
    const status = readFileSync(`/proc/${gateway.pid}/status`, 'utf8');
    expect(status).toMatch(/^Uid:\t65532\t65532\t65532\t65532$/m);
    expect(status).toMatch(/^CapEff:\t0{16}$/m);
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(readFileSync(`/proc/${gateway.pid}/mountinfo`, 'utf8')).toMatch(/^\S+ \S+ \S+ \S+ \/ ro,/m);
  });

  it('passes its own HEALTHCHECK', () => {
    const [program, args, options] = inImage(config.Healthcheck.Test.slice(1));
    const { status, stderr } = spawnSync(program, args, options);
    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: '' });
  });

  it('reports the commit it was built from, run by the program name alone', () => {
    const [program, args, options] = inImage(['/usr/local/bin/sallyport', 'version', '--json']);
    const { stdout } = spawnSync(program, args, options);
    expect((JSON.parse(stdout.toString()) as { revision: string }).revision).toMatch(/^[0-9a-f]{40}$/);
  });

  it('forwards a request', async () => {
    const answer = await fetch(`http://localhost:${port}/hello`);
    expect(answer.status).toBe(200);
  });

  it('has no shell, no package manager, and no file that the process could change', () => {
    for (const path of ['bin/sh', 'bin/bash', 'usr/bin/dpkg', 'usr/bin/apt', 'usr/local/bin/npm'])
      expect(spawnSync('test', ['-e', join(root, path)]).status, path).toBe(1);
    const writable = spawnSync('find', [
      root,
      '-xdev',
      '(',
      '-user',
      '65532',
      '-o',
      '-perm',
      '-o=w',
      ')',
      '-type',
      'f',
    ]);
    expect(writable.stdout.toString()).toBe('');
  });

  it('is small: less than 75 MB besides Node', () => {
    const bytes = (path: string) =>
      Number(spawnSync('du', ['-s', '--apparent-size', '--block-size=1', path]).stdout.toString().split('\t')[0]);
    expect((bytes(root) - bytes(join(root, 'usr/local/bin/node'))) / 1e6).toBeLessThan(75);
  });

  it('drains and exits with 0 on SIGTERM', async () => {
    gateway.kill('SIGTERM');
    const [code] = (await once(gateway, 'exit')) as [number | null];
    expect({ code, log: code === 0 ? '' : log }).toEqual({ code: 0, log: '' });
  });

  it('is built from these sources', () => {
    const program = readFileSync(join(root, 'app/package.json'), 'utf8');
    expect(program).toBe(readFileSync(repositoryPath('package.json'), 'utf8'));
  });
});
