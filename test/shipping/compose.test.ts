/**
 * The Compose example. No engine runs in the tests, so they check what it relies on: that its files exist and are right, that `setup`
 * writes what the configuration reads, and that nothing is open to the network.
 */

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { cli } from '../cli/support.ts';
import { repositoryPath } from '../support/kubernetes-render.ts';
import { readDockerfile } from './dockerfile.ts';

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

  it('names every image by a version, ours by that of package.json', () => {
    const { version } = JSON.parse(readFileSync(repositoryPath('package.json'), 'utf8')) as { version: string };
    for (const { image } of Object.values(services)) expect(image).toMatch(/:v?\d+\.\d+/);
    expect([gateway.image, setup.image]).toEqual(Array(2).fill(`ghcr.io/sallyport/sallyport:${version}`));
  });

  it('lets only the services that need one another reach one another', () => {
    const of = (name: string) => services[name]?.networks ?? [];
    expect(Object.keys(networks)).toEqual(['app', 'data', 'monitoring']);
    expect([of('redis'), of('demo'), of('prometheus'), of('grafana')]).toEqual([
      ['data'],
      ['app'],
      ['monitoring'],
      ['monitoring'],
    ]);
  });

  it('has a configuration without a warning, where the gateway looks for it', async () => {
    const { code, out } = await cli(['validate', '--strict', '--no-files', CONFIG]);
    expect([code, out]).toEqual([0, expect.stringContaining('no problems')]);
    const [source, target] = (gateway.volumes?.[0] ?? '').split(':');
    expect(join(DIRECTORY, source ?? '')).toBe(join(CONFIG, '..'));
    expect(gateway.environment?.['SALLYPORT_CONFIG']).toBe(`${target}/sallyport.yaml`);
  });

  it('sets up the files that the configuration names', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-compose-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const home = '/home/nonroot';
    expect(setup.volumes).toEqual([`state:${home}`]);
    const [command = '', ...args] = (setup.command ?? []).map((word) => word.replace(home, directory));
    expect(await cli([command, ...args])).toMatchObject({ code: 0 });
    const named = [...readFileSync(CONFIG, 'utf8').matchAll(/\/home\/nonroot\/[\w./-]+/g)].map(([path]) => path);
    expect(named).toHaveLength(3);
    for (const path of named) expect([path, existsSync(path.replace(home, directory))]).toEqual([path, true]);
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
