/**
 * What `charts/sallyport` promises: its objects keep the promises of all manifests and equal those of `k8s/`, bad
 * values are refused with the value to change, and the examples in `examples/helm/` render. Without Helm these tests
 * are skipped.
 */

import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { noFiles } from '../../src/config/files/files.ts';
import { loadConfig } from '../../src/gateway/configuration/load.ts';
import { podsOf } from '../support/kubernetes/pod.ts';
import { repositoryPath } from '../support/kubernetes/render.ts';
import type { KubernetesObject } from '../support/kubernetes/schema.ts';
import {
  BESIDE_NGINX,
  CHART,
  CREATED,
  EVERYTHING,
  example,
  helm,
  lint,
  MINIMAL,
  ORDERS,
  PROXIES,
  refusal,
  SETS,
  SHOP,
  template,
  withConfig,
} from './chart.ts';
import { gatewayPodsOf, KUSTOMIZATIONS, withExternalTraffic } from './deployment.ts';
import { describeManifests, listenersOf, ofKind, selects } from './promises.ts';

it('helm renders the chart', ({ skip }) => {
  if (helm === null) return skip('helm is not installed: it needs Go when test/support/prerequisites.ts runs');
  expect(Object.keys(SETS).length).toBeGreaterThan(10);
});
if (helm !== null) describeManifests(SETS);

/** Labels and annotations that only Helm's objects have. */
const OF_HELM = [
  'app.kubernetes.io/instance',
  'app.kubernetes.io/managed-by',
  'app.kubernetes.io/version',
  'checksum/config',
  'helm.sh/chart',
];

/**
 * An object without what only one of the two tools adds: labels of Helm, the pull policy that the chart sets, empty
 * maps of annotations, the namespace that Kustomize writes, and the order of lists whose order means nothing.
 */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const left = Object.entries(value)
    .filter(([key]) => !OF_HELM.includes(key) && key !== 'imagePullPolicy' && key !== 'namespace')
    .map(([key, part]) => [key, key === 'sallyport.yaml' ? plain(parse(String(part))) : plain(part)] as const)
    .filter(([key, part]) => key !== 'annotations' || Object.keys(part as object).length > 0);
  return Object.fromEntries(left);
}

/**
 * Objects of some kinds, plain and sorted by kind and name. Kustomize does not label the ConfigMaps that it creates.
 */
function comparable(objects: readonly KubernetesObject[], isMeant: (object: KubernetesObject) => boolean = () => true) {
  const orderOf = ({ kind, metadata: { name } }: KubernetesObject) => `${kind} ${name}`;
  return objects
    .filter(isMeant)
    .map((object) => plain(object) as KubernetesObject)
    .map((object) => (object.kind === 'ConfigMap' ? { ...object, metadata: { name: object.metadata.name } } : object))
    .toSorted((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1));
}

describe.skipIf(helm === null)('the chart renders the same objects as Kustomize', () => {
  it('in the ingress role, with everything in k8s/base and its external-traffic', () => {
    const kustomize = withExternalTraffic('base');
    expect(comparable(SETS['base']!)).toEqual(comparable(kustomize));
  });

  it.each(['ingress-nginx', 'traefik', 'envoy-gateway'])('for the authorizer beside %s', (proxy) => {
    const KINDS = ['HTTPRoute', 'Ingress', 'IngressRoute', 'Middleware', 'SecurityPolicy'];
    const isMeant = ({ kind, metadata: { name } }: KubernetesObject) =>
      KINDS.includes(kind) || name === 'sallyport-authorizer';
    const withoutLabels = (objects: readonly KubernetesObject[]) =>
      objects.map((object) => ({ ...object, metadata: { ...object.metadata, labels: undefined } }));
    // The example's names, with the prefix of the release that the chart's names have.
    const renamed = JSON.parse(
      JSON.stringify(KUSTOMIZATIONS[`examples/authorizer-${proxy}`])
        .replaceAll('"name":"clean"', '"name":"sallyport-clean"')
        .replaceAll(
          '"kind":"IngressRoute","metadata":{"name":"shop"',
          '"kind":"IngressRoute","metadata":{"name":"sallyport"',
        ),
    ) as KubernetesObject[];
    const ours = comparable(SETS[`both, ${proxy}`]!, isMeant);
    expect(ours.length).toBeGreaterThanOrEqual(4);
    expect(withoutLabels(ours)).toEqual(withoutLabels(comparable(renamed, isMeant)));
  });

  it('in the sidecar role, inside the chart of an app', () => {
    const isMeant = ({ kind }: KubernetesObject) => kind !== 'Namespace' && kind !== 'NetworkPolicy';
    // Kustomize's image has no registry in its name.
    const kustomize = JSON.parse(
      JSON.stringify(KUSTOMIZATIONS['examples/sidecar']).replaceAll('"sallyport:0', '"ghcr.io/sallyport/sallyport:0'),
    ) as KubernetesObject[];
    const byName = (volumes: readonly { name: string }[]) => volumes.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const sorted = (objects: readonly KubernetesObject[]) =>
      comparable(objects, isMeant).map(({ metadata: { name }, ...object }) => {
        const pod = podsOf([object as unknown as KubernetesObject])[0]?.spec;
        if (pod === undefined) return { name, ...object };
        const [sidecar, ...others] = pod.initContainers!;
        const initContainers = [{ ...sidecar, volumeMounts: byName(sidecar!.volumeMounts!) }, ...others];
        return { name, pod: { ...pod, initContainers, volumes: byName(pod.volumes!) } };
      });
    expect(sorted(SETS['orders']!).map((object) => JSON.stringify(object, sortedKeys))).toEqual(
      sorted(kustomize).map((object) => JSON.stringify(object, sortedKeys)),
    );
  });
});

/** For JSON.stringify: maps with their keys in order. */
const sortedKeys = (_key: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
    : value;

describe.skipIf(helm === null)('objects of the chart', () => {
  const everything = SETS['everything'] ?? [];
  const kinds = (name: string) => SETS[name]!.map(({ kind }) => kind).toSorted();

  it('with minimal values need nothing that a bare cluster lacks', () => {
    expect(kinds('minimal')).toEqual([
      'ConfigMap',
      'Deployment',
      'NetworkPolicy',
      'PodDisruptionBudget',
      'Service',
      'Service',
      'ServiceAccount',
    ]);
  });

  it('take the ports of Services, policies and Pod from the addresses of all listeners', () => {
    const [gatewayPod] = gatewayPodsOf({ everything });
    const { public: publicListener, redirect, authorizer, grpcAuthorizer, admin } = listenersOf(gatewayPod!);
    const all = [publicListener, admin, redirect, authorizer, grpcAuthorizer].map((it) => it?.address.port);
    expect(gatewayPod!.gateway.ports?.map(({ containerPort }) => containerPort)).toEqual(all);
    const open = ofKind(everything, 'NetworkPolicy').flatMap(({ spec }) =>
      spec.ingress.flatMap((rule: { ports: { port: number }[] }) => rule.ports.map(({ port }) => port)),
    );
    expect(open.toSorted()).toEqual(all.toSorted());
    const names = new Map(gatewayPod!.gateway.ports?.map(({ name, containerPort }) => [name, containerPort]));
    for (const { spec } of ofKind(everything, 'Service')) {
      for (const { targetPort } of spec.ports) expect(all).toContain(names.get(targetPort) ?? targetPort);
    }
  });

  it('may contain former names of the configuration, which the gateway understands', async () => {
    const route = { ...MINIMAL.config.routes[0], bodyLimit: '1MiB' };
    const app = { ...MINIMAL.config.upstreams.app, balance: 'round-robin' };
    const objects = await template(CHART, [withConfig(SHOP, { routes: [route], upstreams: { app } })]);
    const [{ data }] = ofKind(objects, 'ConfigMap').filter((it) => it.data['sallyport.yaml'] !== undefined);
    const options = {
      path: 'sallyport.yaml',
      cwd: '/etc/sallyport',
      env: { REDIS_URL: 'redis://redis' },
      files: noFiles,
    };
    const { loaded, problems } = loadConfig(data['sallyport.yaml'], options);
    expect(loaded?.config.routes[0]?.maxBodyBytes).toBe(1_048_576);
    expect(loaded?.config.upstreams['app']?.balance).toBe('roundRobin');
    expect(problems.map(({ code }) => code)).toEqual(
      expect.arrayContaining(['config/renamed-key', 'config/renamed-value']),
    );
  });

  it('select the Pods of this release, and begin with its name', () => {
    const [pod] = podsOf(everything);
    for (const { spec } of ofKind(everything, 'Service')) expect(selects(spec.selector, pod!.labels)).toBe(true);
    for (const { spec } of ofKind(everything, 'NetworkPolicy')) {
      expect(selects(spec.podSelector.matchLabels, pod!.labels)).toBe(true);
      expect(spec.podSelector.matchLabels).toHaveProperty(['app.kubernetes.io/instance'], 'sallyport');
    }
    const created = new Set(CREATED['everything']);
    for (const object of everything.filter((it) => !created.has(it))) {
      expect(object.metadata.name).toMatch(/^(?:edge|sallyport-text)/);
    }
  });

  it('put all values into the Pod: image digest, secrets, spread, scheduling, labels', () => {
    const [pod] = podsOf(everything);
    expect(pod?.gateway?.image).toBe(`ghcr.io/sallyport/sallyport@${EVERYTHING.image.digest}`);
    expect(pod?.labels).toMatchObject({ tier: 'edge' });
    expect(pod?.spec).toMatchObject({
      serviceAccountName: 'edge-account',
      priorityClassName: 'edge',
      nodeSelector: EVERYTHING.nodeSelector,
      tolerations: EVERYTHING.tolerations,
      imagePullSecrets: EVERYTHING.imagePullSecrets,
      topologySpreadConstraints: [
        { whenUnsatisfiable: 'DoNotSchedule' },
        { whenUnsatisfiable: 'DoNotSchedule', topologyKey: 'kubernetes.io/hostname' },
      ],
    });
    expect(pod?.spec.volumes?.flatMap(({ secret: it }) => it?.secretName ?? [])).toEqual([
      'edge-secrets',
      'edge-keys',
      'shop-redis',
      'edge-tls',
    ]);
    expect(pod?.gateway).toMatchObject({ envFrom: EVERYTHING.envFrom });
  });

  it('give Ingress and HTTPRoute the hosts of publicOrigin, without ports', () => {
    const [ingress] = ofKind(everything, 'Ingress');
    const [route] = ofKind(everything, 'HTTPRoute');
    const hosts = ['shop.example.com', 'www.example.com'];
    expect(ingress.spec.rules.map(({ host }: { host: string }) => host)).toEqual(hosts);
    expect(route.spec.hostnames).toEqual(hosts);
    expect(route.spec.rules[0].backendRefs).toEqual([{ name: 'edge', port: 443 }]);
  });

  it('send people to the login page of the first origin with its port, or of the given host (ingress-nginx)', async () => {
    const { authorizer } = BESIDE_NGINX;
    const ports = withConfig(BESIDE_NGINX, { publicOrigin: ['https://a.example.com:8443', 'https://b.example.com'] });
    const signIn = async (values: Parameters<typeof template>[1][number]) =>
      ofKind(await template(CHART, [values]), 'Ingress').flatMap(
        ({ metadata }) => metadata.annotations?.['nginx.ingress.kubernetes.io/auth-signin'] ?? [],
      );
    const path = '/auth/login?return_to=$escaped_request_uri';
    expect(await signIn(ports)).toEqual([`https://a.example.com:8443${path}`]);
    const stated = { ...ports, authorizer: { ...authorizer, host: 'c.example.com' } };
    expect(await signIn(stated)).toEqual([`https://c.example.com${path}`]);
  });

  it('include extraObjects, given as maps or as text', () => {
    const names = ofKind(everything, 'ConfigMap').map(({ metadata }) => metadata.name);
    expect(names).toEqual(expect.arrayContaining(['edge-more', 'sallyport-text']));
  });

  it('roll out new Pods when the configuration changes, unless the Pods reload it', () => {
    const annotations = (name: string) => ofKind(SETS[name]!, 'Deployment')[0].spec.template.metadata.annotations ?? {};
    const sums = ['minimal', 'base', 'shop'].map((name) => annotations(name)['checksum/config']);
    expect(new Set(sums).size).toBe(3);
    for (const sum of sums) expect(sum).toMatch(/^[0-9a-f]{64}$/);
    expect(annotations('everything')).toEqual({ note: 'yes' });
    expect(annotations('existing ConfigMap')).toEqual({});
  });

  it('expand the URL of a Redis from the file of its Secret, and keep it out of the ConfigMap', () => {
    const [map] = ofKind(everything, 'ConfigMap');
    expect(parse(map.data['sallyport.yaml']).store).toEqual({
      redis: { url: '${file:/etc/sallyport/redis/uri}', passwordFile: '/etc/sallyport/redis/password' },
    });
  });

  it('include the alerts of monitoring/, except disabled ones', () => {
    const { groups } = parse(readFileSync(repositoryPath('monitoring/alerts.yaml'), 'utf8'));
    const [all] = ofKind(SETS['production']!, 'PrometheusRule');
    expect(all.spec).toEqual({ groups });
    const [some] = ofKind(everything, 'PrometheusRule');
    expect(some.metadata.labels).toMatchObject({ release: 'prometheus' });
    const alertsOf = (rule: { spec: { groups: { rules: { alert?: string }[] }[] } }) =>
      rule.spec.groups.flatMap(({ rules }) => rules.flatMap(({ alert }) => alert ?? []));
    expect(alertsOf(some)).toEqual(alertsOf(all).filter((name) => name !== 'SallyportErrorBudgetBurnsSlowly'));
  });

  it('include the dashboard of monitoring/, where the Grafana sidecar finds it', () => {
    const map = ofKind(everything, 'ConfigMap').find(({ metadata }) => metadata.name === 'edge-dashboard');
    expect(map.metadata).toMatchObject({
      labels: { grafana_dashboard: '1' },
      annotations: { grafana_folder: 'Edge' },
    });
    const dashboard = readFileSync(repositoryPath('monitoring/dashboard.json'), 'utf8');
    expect(JSON.parse(map.data['sallyport.json'])).toEqual(JSON.parse(dashboard));
  });

  it('include no Redis', () => {
    for (const objects of Object.values(SETS)) {
      for (const { containers, gateway } of podsOf(objects).filter((it) => it.owner.metadata.name !== 'orders')) {
        expect(containers).toEqual([gateway]);
      }
    }
  });

  it('are only those beside the app in the sidecar role', () => {
    const sidecar = SETS['sidecar']!;
    expect(kinds('sidecar')).toEqual(['ConfigMap', 'NetworkPolicy', 'PodMonitor']);
    const [policy] = ofKind(sidecar, 'NetworkPolicy');
    const [monitor] = ofKind(sidecar, 'PodMonitor');
    for (const selector of [policy.spec.podSelector, monitor.spec.selector]) {
      expect(selector.matchLabels).toEqual({ 'sallyport-sidecar': 'shop' });
    }
    // Egress rules would be the app's.
    expect(policy.spec.policyTypes).toEqual(['Ingress']);
  });
});

describe.skipIf(helm === null)('bad values', () => {
  it('are refused by the schema, with their paths', async () => {
    const stderr = await refusal({
      ...withConfig(SHOP, {
        publicOrigi: 'https://shop.example.com',
        workers: 'many',
        listeners: { public: { address: '8080' } },
      }),
      replica: 3,
      autoscaling: { enabled: 'yes' },
      image: { digest: 'latest' },
      redis: { url: 'http://redis' },
      service: { port: 65_536 },
      mounts: [{ secret: 'a', path: 'relative' }],
      authorizer: { proxy: 'caddy', from: [] },
      networkPolicy: { metricsFrom: [] },
    });
    for (const message of [
      "at '': additional properties 'replica' not allowed",
      "at '/config': additional properties 'publicOrigi' not allowed",
      "at '/config/workers': value must be 'auto'",
      "at '/config/listeners/public/address': '8080' does not match pattern",
      "at '/autoscaling/enabled': got string, want boolean",
      "at '/image/digest': 'latest' does not match pattern",
      "at '/redis/url': 'http://redis' does not match pattern",
      "at '/service/port': maximum: got 65,536, want 65,535",
      "at '/mounts/0/path': 'relative' does not match pattern",
      "at '/authorizer/proxy': value must be one of '', 'ingress-nginx', 'traefik', 'envoy-gateway'",
      "at '/authorizer/from': minItems: got 0, want 1",
      "at '/networkPolicy/metricsFrom': minItems: got 0, want 1",
    ]) {
      expect(stderr).toContain(message);
    }
  });

  const authorizer = { enabled: true, proxy: 'envoy-gateway' };
  const listeners = { authorizer: { address: '0.0.0.0:4180', peers: PROXIES } };
  const grpc = { grpcAuthorizer: { address: '0.0.0.0:4181', peers: PROXIES } };
  it.each([
    ['no origin', withConfig(SHOP, { publicOrigin: '' }), 'config.publicOrigin is missing'],
    [
      'several replicas without a shared store',
      { ...MINIMAL, replicas: 2 },
      'several replicas need one store: set redis.url',
    ],
    ['a password in a value', { ...SHOP, redis: { url: 'redis://:pw@redis' } }, 'redis.url has a password in it'],
    ['two addresses of Redis', { ...SHOP, redis: { url: 'redis://a', urlKey: 'b' } }, 'redis.url and redis.urlKey'],
    ['a key of a Secret without Redis', { ...SHOP, redis: { passwordKey: 'p' } }, 'redis.url is missing'],
    [
      'a listener that probes cannot reach',
      withConfig(SHOP, { listeners: { admin: { address: '127.0.0.1:9090' } } }),
      'config.listeners.admin.address is 127.0.0.1:9090: it must be reachable from outside of the Pod',
    ],
    [
      'too short a grace period',
      withConfig(SHOP, { shutdown: { delay: '1m', timeout: '1500ms' } }),
      'terminationGracePeriodSeconds is 45: config.shutdown.delay, config.shutdown.timeout and 5 s to exit need 67',
    ],
    [
      'an authorizer without a listener',
      { ...SHOP, authorizer: { enabled: true } },
      'needs config.listeners.authorizer',
    ],
    [
      'a proxy that asks on another listener',
      { ...withConfig(SHOP, { listeners }), authorizer },
      'authorizer.proxy envoy-gateway asks on config.listeners.grpcAuthorizer, which is missing',
    ],
    [
      'routes without a Gateway',
      { ...withConfig(SHOP, { listeners: grpc }), authorizer },
      'authorizer.parentRefs is missing',
    ],
    [
      'an alert that does not exist',
      { ...SHOP, metrics: { prometheusRule: { enabled: true, disabled: ['SallyportStoreDwn'] } } },
      'there is no alert SallyportStoreDwn; there are Sallyport',
    ],
    ['an HTTPRoute without a Gateway', { ...SHOP, httpRoute: { enabled: true } }, 'httpRoute.parentRefs is missing'],
  ])('%s: the message names the value to change', async (_what, values, message) => {
    expect(await refusal(values)).toContain(message);
  });
});

describe.skipIf(helm === null)('the chart package', () => {
  it('passes helm lint --strict, alone and inside the chart of an app', async () => {
    const results = await Promise.all([lint(CHART, '--values', example('shop.yaml')), lint(CHART), lint(ORDERS)]);
    for (const said of results) expect(said).toContain('1 chart(s) linted, 0 chart(s) failed');
  });

  it('has the version of package.json, and examples/helm/README.md lists every example', () => {
    const { version } = JSON.parse(readFileSync(repositoryPath('package.json'), 'utf8')) as { version: string };
    const chart = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string; appVersion: string };
    expect(chart).toMatchObject({ version, appVersion: version });
    const app = parse(readFileSync(join(ORDERS, 'Chart.yaml'), 'utf8')) as { dependencies: { version: string }[] };
    expect(app.dependencies.map((it) => it.version)).toEqual([version]);
    const readme = readFileSync(example('README.md'), 'utf8');
    for (const path of globSync('*.yaml', { cwd: example('.') })) expect(readme).toContain(`(${basename(path)})`);
  });

  it('has a page with the values of the example, which installs this version', () => {
    const read = (path: string) => readFileSync(repositoryPath(path), 'utf8');
    const page = read('docs/how-to/install-with-helm.md');
    const [, values = ''] = /^ {3}```yaml[^\n]*\n( {3}redis:[\s\S]*?)^ {3}```$/m.exec(page) ?? [];
    expect(parse(values)).toEqual(parse(readFileSync(example('shop.yaml'), 'utf8')));
    const versions = [...`${page}${read('charts/sallyport/README.md')}`.matchAll(/--version ([\d.]*\d)/g)].map(
      ([, version]) => version,
    );
    expect(new Set(versions)).toEqual(new Set([parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')).version]));
  });

  it('lists every value of the schema in values.yaml', () => {
    const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as { required: string[] };
    const values = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8')) as object;
    expect(Object.keys(values).toSorted()).toEqual(schema.required.toSorted());
  });
});
