/**
 * The Compose example. The tests have no container engine, so they check what the example relies on: that its files
 * exist and are correct, that the gateway starts with its configuration and the files of `setup`, and that no port is
 * open to the network.
 */

import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Program } from '../cli/program.ts';
import { cli, temporaryDirectory } from '../cli/support.ts';
import { repositoryPath } from '../support/kubernetes/render.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { RedisServer } from '../support/redis.ts';
import { readDockerfile } from './dockerfile.ts';

const run = promisify(execFile);

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly user?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly networks?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

const DIRECTORY = repositoryPath('examples/compose');
const { services, volumes, networks } = parse(readFileSync(join(DIRECTORY, 'compose.yaml'), 'utf8')) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: object;
  readonly networks: object;
};
const { gateway, setup } = services as { gateway: Service; setup: Service };
const CONFIG = join(DIRECTORY, 'gateway/sallyport.yaml');

describe('the Compose example', () => {
  it('mounts files that exist, read-only, and volumes that it declares', () => {
    const mounts = Object.values(services).flatMap(({ volumes: of = [] }) => of);
    expect(mounts.length).toBeGreaterThan(5);
    for (const mount of mounts) {
      const [source = '', , mode] = mount.split(':');
      if (!source.startsWith('.')) expect(Object.keys(volumes)).toContain(source);
      else expect([mount, existsSync(resolve(DIRECTORY, source)), mode]).toEqual([mount, true, 'ro']);
    }
  });

  it('publishes ports on this machine only', () => {
    const ports = Object.values(services).flatMap(({ ports: of = [] }) => of);
    expect(ports.length).toBeGreaterThan(3);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
  });

  it('names a version of every image, and for the gateway that of package.json', () => {
    const { version } = JSON.parse(readFileSync(repositoryPath('package.json'), 'utf8')) as { version: string };
    for (const { image } of Object.values(services)) expect(image).toMatch(/:v?\d+\.\d+/);
    expect([gateway.image, setup.image]).toEqual(Array(2).fill(`ghcr.io/sallyport/sallyport:${version}`));
  });

  it('connects only services that need each other', () => {
    const of = (name: string) => services[name]?.networks ?? [];
    expect(Object.keys(networks)).toEqual(['app', 'data', 'monitoring']);
    expect([of('redis'), of('demo'), of('prometheus'), of('grafana')]).toEqual([
      ['data'],
      ['app'],
      ['monitoring'],
      ['monitoring'],
    ]);
  });

  it('has a configuration without warnings, where the gateway looks for it', async () => {
    const { code, out } = await cli(['validate', '--strict', '--no-files', CONFIG]);
    expect([code, out]).toEqual([0, expect.stringContaining('no problems')]);
    const [source, target] = (gateway.volumes?.[0] ?? '').split(':');
    expect(join(DIRECTORY, source ?? '')).toBe(join(CONFIG, '..'));
    expect(gateway.environment?.['SALLYPORT_CONFIG']).toBe(`${target}/sallyport.yaml`);
  });

  it('is accepted by Compose', ({ skip }) => {
    const compose = (...args: string[]) =>
      spawnSync('docker', ['compose', ...args], { cwd: DIRECTORY, encoding: 'utf8' });
    if (compose('version').status !== 0) return skip('docker compose is not installed; ci.yml runs it');
    const { status, stderr } = compose('config', '--quiet');
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  const home = '/home/nonroot';

  it('sets up the files that the configuration names, and starts with them', async () => {
    const directory = temporaryDirectory();
    expect(setup.volumes).toEqual([`state:${home}`]);
    const args = (setup.command ?? []).map((word) => word.replace(home, directory));
    const { code, out } = await cli(args);
    expect(code).toBe(0);
    const named = [...readFileSync(CONFIG, 'utf8').matchAll(/\/home\/nonroot\/[\w./-]+/g)].map(([path]) => path);
    expect(named).toHaveLength(3);
    for (const path of named) expect([path, existsSync(path.replace(home, directory))]).toEqual([path, true]);

    await using redis = await RedisServer.start();
    await using demo = await RecordingUpstream.start();
    const places = { '"http://demo"': demo.origin, '"redis://redis:6379"': redis.url, [home]: directory };
    const listeners = { '"0.0.0.0:8080"': '127.0.0.1:0', '"0.0.0.0:9090"': '127.0.0.1:0' };
    const text = Object.entries({ ...places, ...listeners }).reduce(
      (all, [here, there]) => {
        expect(all).toContain(here);
        return all.replaceAll(here, there);
      },
      readFileSync(CONFIG, 'utf8'),
    );
    writeFileSync(join(directory, 'compose.yaml'), text, { mode: 0o600 });
    const program = new Program(['start', '--config', join(directory, 'compose.yaml')]);
    const [ready] = await program.says(/^\{.*"readyAfterMs".*\}$/m);
    const { public: shop, admin } = JSON.parse(ready) as { readonly public: string; readonly admin: string };

    // The commands that `setup` prints to try: without a cookie, the login, and with a cookie.
    const curls = [...out.matchAll(/^ {2}(curl .*)$/gm)].map(([, line = '']) => line);
    const statuses: unknown[] = [];
    for (const curl of curls) {
      const connected = curl.replace(/^curl /, `curl -s --connect-to ::${new URL(shop).host} `);
      const { stdout } = await run('sh', ['-c', connected], { cwd: directory });
      statuses.push(stdout.split(' ')[1]);
    }
    expect(statuses).toEqual(['401', '303', '200']);
    expect(demo.requests).toHaveLength(1);
    expect(demo.text).toMatch(/^authorization: Bearer /im);
    expect(demo.text).not.toMatch(/^cookie:/im);
    // As Prometheus scrapes, without a token.
    expect((await fetch(`${admin}/metrics`)).status).toBe(200);
  });

  it('gives the volume to the user of the image', () => {
    const { stages } = readDockerfile();
    const user = stages.at(-1)?.instructions.find(({ name }) => name === 'USER')?.text;
    expect([user, gateway.user, setup.user]).toEqual(['65532:65532', undefined, undefined]);
  });

  it('scrapes the gateway, and loads alerts and dashboard where Prometheus and Grafana look for them', () => {
    const { scrape_configs: jobs, rule_files: rules } = parse(
      readFileSync(join(DIRECTORY, 'prometheus.yaml'), 'utf8'),
    ) as { scrape_configs: { static_configs: { targets: string[] }[] }[]; rule_files: string[] };
    expect(jobs[0]?.static_configs[0]?.targets).toEqual(['gateway:9090']);
    const targetsOf = ({ volumes: of = [] }: Service) => of.map((mount) => mount.split(':')[1]);
    expect(targetsOf(services['prometheus'] as Service)).toContain(rules[0]);
    const provider = parse(readFileSync(repositoryPath('monitoring/grafana/dashboards.yaml'), 'utf8')) as {
      providers: { options: { path: string } }[];
    };
    const { path } = (provider.providers[0] as { options: { path: string } }).options;
    expect(targetsOf(services['grafana'] as Service)).toContain(`${path}/sallyport.json`);
    const source = parse(readFileSync(repositoryPath('monitoring/grafana/datasource.yaml'), 'utf8')) as {
      datasources: { url: string }[];
    };
    expect(source.datasources[0]?.url).toBe('http://prometheus:9090');
  });
});
