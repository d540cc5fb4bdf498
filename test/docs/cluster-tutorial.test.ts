/**
 * The tutorial for a cluster, as far as it can be tested without one: every `kubectl` command names objects that exist by then, the
 * commands create the Secrets that the Pods need, and the requests and the commands in the Pod go to a gateway with the tutorial's
 * configuration. Redis and the cluster are left out.
 */

import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { cli, temporaryDirectory } from '../cli/support.ts';
import { startInstance } from '../support/instance.ts';
import { podsOf } from '../support/kubernetes/pod.ts';
import { readYaml, render, repositoryPath } from '../support/kubernetes/render.ts';
import type { KubernetesObject } from '../support/kubernetes/schema.ts';
import { rawRequest } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { blocksOf } from './blocks.ts';
import { type ShellCommand, shellCommands } from './shell.ts';

const PAGE = 'docs/tutorial/in-a-cluster.md';
const COMMANDS = blocksOf(PAGE, readFileSync(repositoryPath(PAGE), 'utf8'))
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => shellCommands(text));
const EXAMPLE = render(repositoryPath('k8s/examples/ingress'));

/** What the cluster has after the commands so far. */
interface Cluster {
  readonly objects: KubernetesObject[];
  /** Name of a Secret → its keys; `null` for those of a directory. */
  readonly secrets: Map<string, readonly (string | null)[]>;
}

/** The words of a command without options and their values, and the value of an option. */
function read(args: readonly string[]) {
  const takesValue = ['-n', '-f', '-k', '-l'];
  const words = args.filter((arg, at) => !arg.startsWith('-') && !takesValue.includes(args[at - 1] ?? ''));
  return {
    words,
    option: (name: string) => args[args.indexOf(name) + 1] ?? '',
    has: (name: string) => args.includes(name),
  };
}

/** Applies a `kubectl` command to the cluster, and returns what is wrong with it. */
function problemsOf(args: readonly string[], { objects, secrets }: Cluster): readonly string[] {
  const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args;
  const { words, option, has } = read(own);
  const [verb = '', what = '', ...rest] = words;
  const namespace = has('-n') ? option('-n') : null;
  const missing =
    namespace !== null && !objects.some((it) => it.kind === 'Namespace' && it.metadata.name === namespace);
  if (missing) return [`there is no namespace ${namespace} yet`];
  const find = (ref: string) => {
    const [kind, name] = ref.split('/');
    const found = objects.find((it) => it.kind.toLowerCase() === kind && it.metadata.name === name);
    return found?.metadata.namespace === namespace ? found : undefined;
  };
  switch (verb) {
    case 'apply':
      objects.push(...(has('-k') ? EXAMPLE : readYaml(repositoryPath(option('-f')))));
      return has('-k') && option('-k') !== 'k8s/examples/ingress' ? [`${option('-k')} is another kustomization`] : [];
    case 'delete':
      return option('-k') === 'k8s/examples/ingress' ? [] : [`${option('-k')} was never applied`];
    case 'create': {
      const files = own.flatMap((arg) => (arg.startsWith('--from-file=') ? [arg.slice('--from-file='.length)] : []));
      secrets.set(
        rest[1] ?? '',
        files.map((file) => (basename(file) === 'keys' ? null : basename(file))),
      );
      return what === 'secret' && rest[0] === 'generic' ? [] : ['creates no Secret'];
    }
    case 'get': {
      const labels = option('-l').split('=') as [string, string];
      const pods = what === 'pods' ? podsOf(objects).filter((pod) => pod.labels[labels[0]] === labels[1]) : [];
      return pods.some(({ gateway }) => gateway !== undefined) ? [] : ['finds no Pod of the gateway'];
    }
    case 'port-forward': {
      const ports = (find(what)?.['spec'] as { ports?: { port: number }[] } | undefined)?.ports ?? [];
      return ports.some(({ port }) => String(port) === rest[0]?.split(':')[1]) ? [] : [`${what} has no such port`];
    }
    case 'rollout':
      return find(rest[0] ?? '') === undefined ? [`there is no ${rest[0]} yet`] : [];
    case 'exec':
      return find(what) === undefined ? [`there is no ${what} yet`] : [];
    default:
      return [`the tutorial does not use ${verb}`];
  }
}

test('every kubectl command names objects that exist by then', () => {
  const cluster: Cluster = { objects: [], secrets: new Map() };
  const run = COMMANDS.filter(({ program }) => program === 'kubectl');
  expect(run.length).toBeGreaterThan(10);
  expect(run.flatMap(({ args }) => problemsOf(args, cluster).map((it) => `${args.join(' ')}: ${it}`))).toEqual([]);
  expect(problemsOf(['-n', 'shop', 'rollout', 'status', 'deployment/sallyprot'], cluster)).not.toEqual([]);
  expect(problemsOf(['-n', 'shops', 'get', 'pods'], cluster)).not.toEqual([]);
});

test('the commands create the Secrets and keys that the Pods and the configuration need', () => {
  const cluster: Cluster = { objects: [], secrets: new Map() };
  for (const { program, args } of COMMANDS) if (program === 'kubectl') problemsOf(args, cluster);
  const mounted = podsOf(EXAMPLE).flatMap(
    ({ spec }) => spec.volumes?.flatMap(({ secret }) => secret?.secretName ?? []) ?? [],
  );
  expect([...cluster.secrets.keys()].toSorted()).toEqual([...new Set(mounted)].toSorted());
  const text = readFileSync(repositoryPath('k8s/examples/ingress/sallyport.yaml'), 'utf8');
  const files = [...text.matchAll(/\/etc\/sallyport\/secrets\/([\w.-]+)/g)].map(([, file]) => file);
  expect(cluster.secrets.get('sallyport-secrets')?.toSorted()).toEqual(files.toSorted());
  expect(cluster.secrets.get('sallyport-signing-keys')).toEqual([null]);
});

/** A `curl` request as bytes, with the tutorial's placeholders filled in. */
function bytesOf({ args }: ShellCommand, placeholders: Readonly<Record<string, string>>): string {
  const filled = args.map((arg) =>
    Object.entries(placeholders).reduce((text, [name, value]) => text.replace(name, value), arg),
  );
  const valuesOf = (option: string) => filled.filter((_, at) => filled[at - 1] === option);
  const { pathname } = new URL(filled.find((arg) => arg.startsWith('http://')) ?? '');
  const body = [
    ...valuesOf('-d'),
    ...valuesOf('--data-urlencode').map((it) => it.replace(/=(.*)/, (_, value) => `=${encodeURIComponent(value)}`)),
  ].join('&');
  const form = body === '' ? [] : ['Content-Type: application/x-www-form-urlencoded', `Content-Length: ${body.length}`];
  const lines = [
    `${body === '' ? 'GET' : 'POST'} ${pathname} HTTP/1.1`,
    ...valuesOf('-H'),
    ...form,
    'Connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

const PASSWORD = 'correct horse & battery staple';

test('the requests and the commands in the Pod do what the page says', async () => {
  await using upstream = await RecordingUpstream.start();
  const directory = temporaryDirectory();
  const at = (path: string) => path.replaceAll(/~\/sallyport-secrets|\$HOME\/sallyport-secrets/g, directory);
  for (const { program, args } of COMMANDS) {
    if (program !== 'sallyport' || args[0] === 'validate') continue;
    const done = await cli(args.map(at), { stdin: `${PASSWORD}\n` });
    expect([args, done.code, done.err]).toEqual([args, 0, expect.any(String)]);
  }
  const written = parse(readFileSync(repositoryPath('k8s/examples/ingress/sallyport.yaml'), 'utf8'));
  await using instance = await startInstance({
    config: {
      ...written,
      listeners: { public: { ...written.listeners.public, address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0' } },
      store: {},
      login: { password: { usersFile: join(directory, 'users.yaml') } },
      upstreamToken: { ...written.upstreamToken, keys: { directory: join(directory, 'keys') } },
      upstreams: { ...written.upstreams, app: { endpoints: [upstream.origin] } },
    },
  });
  const admin = [
    '--admin-url',
    `http://127.0.0.1:${instance.adminPort}`,
    '--token-file',
    join(instance.file.directory, 'admin.token'),
  ];
  const seen: unknown[] = [];
  let cookie = '';
  for (const command of COMMANDS) {
    const inPod = command.args.indexOf('--');
    if (command.program === 'curl') {
      const { status, head } = await rawRequest(instance.port, bytesOf(command, { PASSWORD, VALUE: cookie }));
      cookie = /__Host-sid=([\w-]{43})/.exec(head)?.[1] ?? cookie;
      seen.push(status);
    } else if (command.program === 'kubectl' && inPod !== -1) {
      const [, ...args] = command.args.slice(inPod + 1);
      const { code, out } = await cli([...args, ...admin]);
      seen.push([args[1], code]);
      if (args[1] === 'list') expect(out).toContain('password');
    }
  }
  expect(seen).toEqual([401, 303, 200, ['list', 0], ['revoke', 0], 401]);
  expect(upstream.requests.map((request) => request.values('authorization'))).toEqual([
    [expect.stringMatching(/^Bearer /)],
  ]);
});
