/**
 * The chart in tests: the sets of values to render, the objects that Helm makes of them, and the objects that an
 * operator adds. Without Helm there are no sets.
 */

import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';
import { parse } from 'yaml';
import { parseObjects, repositoryPath } from '../support/kubernetes/render.ts';
import type { KubernetesObject } from '../support/kubernetes/schema.ts';
import { findProgram, HELM } from '../support/programs.ts';

/** Values of the chart. */
type Values = Readonly<Record<string, unknown>>;

/** Helm; `null` where it is not installed. */
export const helm = findProgram([HELM, 'helm']);
export const CHART = repositoryPath('charts/sallyport');
/** The path of a file in `examples/helm/`. */
export const example = (name: string) => repositoryPath('examples/helm', name);

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'sallyport-chart-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The example of an app's chart, with this chart in it, where `helm dependency update` would put it. */
export const ORDERS = join(directory, 'orders');
cpSync(example('orders'), ORDERS, { recursive: true });
cpSync(CHART, join(ORDERS, 'charts/sallyport'), { recursive: true });

/** Addresses of the proxies in front. */
export const PROXIES = ['10.0.0.0/16'];

/** The minimum for the ingress role. */
export const MINIMAL = {
  replicas: 1,
  config: {
    listeners: { public: { trustedProxies: PROXIES } },
    publicOrigin: 'https://shop.example.com',
    login: { password: { usersFile: '/etc/sallyport/secrets/users.yaml' } },
    upstreams: { app: { endpoints: ['http://app'], insecureHttp: true } },
    routes: [{ id: 'app', match: { path: '/' }, credential: 'session', upstream: 'app' }],
  },
};
/** The same with two replicas and Redis. */
export const SHOP = { ...MINIMAL, replicas: 2, redis: { url: 'redis://redis:6379/0', passwordKey: 'redis-password' } };
/** Values with other keys of the configuration. */
export const withConfig = (values: Values, change: Values): Values => ({
  ...values,
  config: { ...(values['config'] as Values), ...change },
});

/** As `k8s/base` with its component for external traffic. */
const LIKE_BASE = {
  ...SHOP,
  image: { repository: 'sallyport' },
  autoscaling: { enabled: true },
  networkPolicy: { egress: { enabled: true, external: true } },
  metrics: { serviceMonitor: { enabled: true } },
};

/** As much as possible at once. */
export const EVERYTHING = {
  ...withConfig(SHOP, {
    publicOrigin: ['https://shop.example.com', 'https://www.example.com:8443'],
    listeners: {
      public: {
        address: '0.0.0.0:8443',
        tls: { certificates: [{ certFile: '/etc/sallyport/tls/tls.crt', keyFile: '/etc/sallyport/tls/tls.key' }] },
      },
      redirect: { address: '0.0.0.0:8081' },
      authorizer: { address: '0.0.0.0:4180', peers: PROXIES },
      grpcAuthorizer: { address: '0.0.0.0:4181', peers: PROXIES },
      admin: { address: '0.0.0.0:9191' },
    },
    shutdown: { delay: '1m30s', timeout: '500ms' },
  }),
  fullnameOverride: 'edge',
  commonLabels: { team: 'platform' },
  image: { digest: `sha256:${'0'.repeat(64)}` },
  imagePullSecrets: [{ name: 'registry' }],
  redis: { existingSecret: 'shop-redis', urlKey: 'uri', passwordKey: 'password' },
  existingSecret: 'edge-secrets',
  existingSigningKeys: 'edge-keys',
  mounts: [
    { secret: 'edge-tls', path: '/etc/sallyport/tls' },
    { configMap: 'corporate-ca', path: '/etc/sallyport/ca' },
  ],
  configFiles: { 'jwks.json': '{ "keys": [] }' },
  rolloutOnConfigChange: false,
  terminationGracePeriodSeconds: 120,
  topologySpread: { whenUnsatisfiable: 'DoNotSchedule' },
  nodeSelector: { 'kubernetes.io/arch': 'arm64' },
  affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
  tolerations: [{ key: 'edge', operator: 'Exists' }],
  priorityClassName: 'edge',
  podAnnotations: { note: 'yes' },
  podLabels: { tier: 'edge' },
  envFrom: [{ configMapRef: { name: 'edge-env' } }],
  extraVolumes: [{ name: 'more', emptyDir: {} }],
  extraVolumeMounts: [{ name: 'more', mountPath: '/var/more', readOnly: true }],
  serviceAccount: { name: 'edge-account', annotations: { role: 'edge' } },
  podDisruptionBudget: { maxUnavailable: '25%' },
  service: {
    type: 'LoadBalancer',
    port: 443,
    annotations: { zone: 'all' },
    loadBalancerClass: 'example.com/lb',
    loadBalancerSourceRanges: PROXIES,
    externalTrafficPolicy: 'Local',
  },
  ingress: { enabled: true, className: 'nginx', annotations: { note: 'yes' } },
  httpRoute: { enabled: true, parentRefs: [{ name: 'shop' }] },
  metrics: {
    prometheusRule: { enabled: true, labels: { release: 'prometheus' }, disabled: ['SallyportErrorBudgetBurnsSlowly'] },
    dashboard: { enabled: true, annotations: { grafana_folder: 'Edge' } },
  },
  networkPolicy: { clientsFrom: [{ ipBlock: { cidr: '10.0.0.0/16' } }] },
  authorizer: { enabled: true },
  extraObjects: [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: '{{ include "sallyport.fullname" . }}-more' } },
    'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-text\n',
  ],
};

/** Both listeners, like the Service of `k8s/components/authorizer`. */
const bothForms = (name: string): Values => {
  const values = parse(readFileSync(example(`authorizer-${name}.yaml`), 'utf8')) as Values;
  const { listeners, ...config } = values['config'] as Values & { listeners: Values };
  const forms = {
    authorizer: { address: '0.0.0.0:4180', peers: PROXIES },
    grpcAuthorizer: { address: '0.0.0.0:4181', peers: PROXIES },
  };
  return { ...values, config: { ...config, listeners: { ...listeners, ...forms } } };
};

/** The example beside ingress-nginx. */
export const BESIDE_NGINX = parse(readFileSync(example('authorizer-ingress-nginx.yaml'), 'utf8')) as Values & {
  readonly authorizer: Values;
};

/** Name of the set → its values: files and maps. */
const MATRIX: Readonly<Record<string, readonly (string | Values)[]>> = {
  minimal: [withConfig(MINIMAL, { store: { memory: {} } })],
  base: [LIKE_BASE],
  everything: [EVERYTHING],
  'existing ConfigMap': [
    { redis: { url: '' }, config: { listeners: { public: { address: '0.0.0.0:8888' } } }, existingConfigMap: 'own' },
  ],
  sidecar: [
    { role: 'sidecar', config: MINIMAL.config, metrics: { podMonitor: { enabled: true } }, sidecar: { label: 'shop' } },
  ],
  shop: [example('shop.yaml')],
  production: [example('shop.yaml'), example('production.yaml')],
  'ingress-nginx': [example('authorizer-ingress-nginx.yaml')],
  traefik: [example('authorizer-traefik.yaml')],
  'envoy-gateway': [example('authorizer-envoy-gateway.yaml')],
  'both, ingress-nginx': [bothForms('ingress-nginx')],
  'both, traefik': [bothForms('traefik')],
  'both, envoy-gateway': [bothForms('envoy-gateway')],
};

let written = 0;
const fileOf = (values: string | Values): string => {
  if (typeof values === 'string') return values;
  written += 1;
  const path = join(directory, `values-${written}.json`);
  writeFileSync(path, JSON.stringify(values));
  return path;
};

/** The objects that Helm renders with these values, in the namespace shop and for a release called sallyport. */
export async function template(chart: string, values: readonly (string | Values)[]): Promise<KubernetesObject[]> {
  const files = values.flatMap((it) => ['--values', fileOf(it)]);
  const args = ['template', 'sallyport', chart, '--namespace', 'shop', '--kube-version', '1.35.0', ...files];
  const { stdout } = await run(helm!, args, { maxBuffer: 1e8 });
  return parseObjects(stdout, chart).filter((object) => object !== null);
}

/** The message with which Helm refuses values. */
export async function refusal(values: Values): Promise<string> {
  const { stderr } = await template(CHART, [values]).then(
    () => ({ stderr: 'nothing is refused' }),
    (error: { stderr: string }) => error,
  );
  return stderr;
}

const secret = (name: string, stringData: Readonly<Record<string, string>>): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  stringData,
});
/** What an operator creates for the sets. */
export const CREATED: Readonly<Record<string, readonly KubernetesObject[]>> = {
  everything: [
    secret('edge-secrets', { 'admin-token': '…', 'users.yaml': '…' }),
    secret('edge-keys', { 'a.key.json': '…' }),
    secret('edge-tls', { 'tls.crt': '…', 'tls.key': '…' }),
    secret('shop-redis', { uri: 'rediss://redis.example.com:6380/0', password: '…' }),
  ],
  'existing ConfigMap': [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'own' }, data: { 'sallyport.yaml': ownConfiguration() } },
  ],
  shop: [secret('sallyport-secrets', { 'admin-token': '…', 'client-secret': '…', 'redis-password': '…' })],
};

function ownConfiguration(): string {
  const listeners = {
    public: { address: '0.0.0.0:8888', trustedProxies: PROXIES },
    admin: { address: '0.0.0.0:9090', tokenFile: '/etc/sallyport/secrets/admin-token' },
  };
  const upstreamToken = { keys: { directory: '/etc/sallyport/keys' } };
  return JSON.stringify({ version: 1, ...MINIMAL.config, listeners, store: { memory: {} }, upstreamToken });
}

/** The objects of each set, with those that an operator creates for it. */
export const SETS: Readonly<Record<string, readonly KubernetesObject[]>> = Object.fromEntries(
  helm === null
    ? []
    : await Promise.all([
        ...Object.entries(MATRIX).map(async ([name, values]) => {
          const objects = await template(CHART, values);
          return [name, [...objects, ...(CREATED[name === 'production' ? 'shop' : name] ?? [])]] as const;
        }),
        template(ORDERS, []).then((objects) => ['orders', objects] as const),
      ]),
);

/** The output of `helm lint --strict`. */
export const lint = async (chart: string, ...args: string[]) =>
  (await run(helm!, ['lint', '--strict', chart, ...args])).stdout;
