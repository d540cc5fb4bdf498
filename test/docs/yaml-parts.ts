/** Whether YAML in a document is valid: a part of our configuration, a Kubernetes object, or a part of one of these. */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { z } from 'zod';
import { noFiles } from '../../src/config/files/files.ts';
import { shapeOf } from '../../src/config/walk.ts';
import { loadConfig } from '../../src/gateway/configuration/load.ts';
import { bareSchema } from '../../src/gateway/configuration/schema.ts';
import { type KubernetesObject, schemaProblems } from '../support/kubernetes/schema.ts';

const ROOT = join(import.meta.dirname, '../..');

/** The rest of a configuration of which a document shows a part. */
const BASE = `
version: 1
publicOrigin: https://shop.example.com
listeners:
  public: { address: 127.0.0.1:8080, trustedProxies: [127.0.0.1] }
  admin: { address: 127.0.0.1:9090 }
store: { redis: { url: "redis://127.0.0.1:6379" } }
login:
  oidc:
    - { name: corporate, issuer: https://id.example.com, clientId: shop, clientSecretFile: client-secret }
upstreamToken: { keys: { directory: keys } }
upstreams: { shop: { endpoints: ["http://127.0.0.1:3000"] } }
routes: []
`;
const ROUTE = { id: 'page', match: { path: '/page' }, credential: 'session', upstream: 'shop' };
const DESTINATION = { id: 'orders', upstream: 'shop', match: { path: '/orders' }, token: { service: {} } };
const OUTBOUND = { address: '127.0.0.1:15001', workload: 'cart', destinations: [DESTINATION] };
const KEYS = Object.keys(shapeOf(bareSchema()) ?? {});

type Values = Record<string, unknown>;

/**
 * What is wrong with a value, one line each.
 *
 * @param inside  its place in a larger file (`in=` of the fence); `null` for a part with keys of the top level, or an object
 */
export function yamlProblems(value: object, inside: string | null): readonly string[] {
  if (inside === 'kustomization' || ('kind' in value && value.kind === 'Kustomization'))
    return kustomizationProblems(value);
  if (inside !== null) return problemsInside(value, inside);
  if (isObject(value)) return schemaProblems(value);
  const unknown = Object.keys(value).filter((key) => !KEYS.includes(key));
  return unknown.length > 0
    ? unknown.map((key) => `no key of the configuration: ${key}`)
    : partProblems(value as Values);
}

const isObject = (value: object): value is KubernetesObject => 'apiVersion' in value && 'kind' in value;

/** What is wrong with a part of a larger file, given its place. */
function problemsInside(value: object, inside: string): readonly string[] {
  const [only = value as Values, ...others] = Array.isArray(value) ? (value as Values[]) : [value as Values];
  const items = [only, ...others];
  switch (inside) {
    case 'routes[]':
      return partProblems({ routes: items.map((item) => ({ ...ROUTE, ...credentialOf(item), ...item })) });
    case 'login.oidc[]': {
      const { login } = parse(BASE) as { login: { oidc: [object] } };
      return partProblems({
        login: { oidc: items.map((item) => ('preset' in item ? item : withoutSecret({ ...login.oidc[0], ...item }))) },
      });
    }
    case 'login.trustedBackends[]':
      return partProblems({ login: { trustedBackends: items } });
    case 'outbound.destinations[]':
      return partProblems({ outbound: { ...OUTBOUND, destinations: items } });
    case 'pod':
      return podProblems(value as Values);
    case 'container':
      return podProblems({ containers: [{ name: 'app', image: 'app', ...value }] });
    case 'values':
      return valuesProblems(value);
    case 'SecurityPolicy':
      return schemaProblems({ ...securityPolicy, spec: { ...securityPolicy.spec, ...value } });
    default:
      return [`no such place: ${inside}`];
  }
}

/** A rule about an issuer's services belongs to a route that accepts its tokens. */
function credentialOf(route: Values): object {
  const issuers = [...JSON.stringify(route).matchAll(/"issuer":"(\w+)"/g)].map(([, name]) => name);
  return issuers.length === 0 ? {} : { credential: ['session', { service: [...new Set(issuers)] }] };
}

const securityPolicy = {
  apiVersion: 'gateway.envoyproxy.io/v1alpha1',
  kind: 'SecurityPolicy',
  metadata: { name: 'sallyport' },
  spec: { targetRefs: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', name: 'orders' }] },
};

/** Merges values as Helm does: maps key by key, everything else replaced. */
const merged = (under: Values, over: Values): Values => {
  const isMap = (value: unknown): value is Values =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const entries = Object.entries(over).map(([key, value]) => [
    key,
    isMap(value) && isMap(under[key]) ? merged(under[key], value) : value,
  ]);
  return { ...under, ...Object.fromEntries(entries) };
};

/** Validates values, merged over the chart's defaults, by the schema that Helm uses. */
function valuesProblems(value: object): readonly string[] {
  const chart = (name: string) => readFileSync(join(ROOT, 'charts/sallyport', name), 'utf8');
  const schema = JSON.parse(chart('values.schema.json')) as Parameters<typeof z.fromJSONSchema>[0];
  const { error } = z.fromJSONSchema(schema).safeParse(merged(parse(chart('values.yaml')) as Values, value as Values));
  return (error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`);
}

/** A client has a secret or a key, not both. */
function withoutSecret(client: Values): Values {
  const { clientSecretFile, ...others } = client;
  return 'clientAssertion' in client ? others : client;
}

/** Validates a Pod as the template of a Deployment. */
function podProblems({ containers = [{ name: 'app' }], ...spec }: Values): readonly string[] {
  const labels = { app: 'app' };
  const images = (containers as Values[]).map((container) => ({ image: 'app', ...container }));
  const template = { metadata: { labels }, spec: { containers: images, ...spec } };
  const deployment = { selector: { matchLabels: labels }, template };
  return schemaProblems({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'app' }, spec: deployment });
}

const KUSTOMIZATION = [
  'apiVersion',
  'kind',
  'namespace',
  'resources',
  'components',
  'images',
  'configMapGenerator',
  'patches',
  'labels',
];

function kustomizationProblems(value: object): readonly string[] {
  const unknown = Object.keys(value).filter((key) => !KUSTOMIZATION.includes(key));
  const { components = [] } = value as { components?: readonly string[] };
  const lost = components.filter((path) => !existsSync(join(ROOT, 'k8s', path.replace(/^(?:\.\.\/)+/, ''))));
  return [...unknown.map((key) => `no key of a kustomization: ${key}`), ...lost.map((path) => `${path} is not there`)];
}

/** What is wrong with a part of a configuration, once completed. Upstreams and issuers that it refers to are added. */
function partProblems(part: Values): readonly string[] {
  const base = parse(BASE) as Values;
  const whole: Values = { ...base, ...part };
  for (const key of ['listeners', 'login']) whole[key] = { ...(base[key] as object), ...(part[key] as object) };
  if (part['outbound'] !== undefined) whole['outbound'] = { ...OUTBOUND, ...(part['outbound'] as object) };
  const text = JSON.stringify(whole);
  const named = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, name = '']) => name);
  const upstreams = named(/"upstream":"([^"]+)"/g).map((name) => [name, { endpoints: ['http://127.0.0.1:3000'] }]);
  whole['upstreams'] = {
    ...(base['upstreams'] as object),
    ...Object.fromEntries(upstreams),
    ...(part['upstreams'] as object),
  };
  const issuers = [
    ...named(/"service":\["([^\]]+)"\]/g).flatMap((names) => names.split('","')),
    ...named(/"issuer":"(\w+)"/g),
  ];
  if (issuers.length > 0)
    whole['issuers'] = {
      ...Object.fromEntries(issuers.map((name) => [name, issuerOf(name)])),
      ...(part['issuers'] as object),
    };
  whole['routes'] = [
    ...(whole['routes'] as object[]),
    ...(text.includes('"path":"/"') ? [] : [{ ...ROUTE, id: 'others', match: { path: '/' } }]),
  ];
  const { problems } = loadConfig(stringify(whole), { path: 'part.yaml', cwd: ROOT, env: {}, files: noFiles });
  return problems.filter(({ severity }) => severity === 'error').map(({ message, code }) => `${code}: ${message}`);
}

const issuerOf = (name: string) => ({
  issuer: `https://${name}.example.com`,
  jwksUrl: `https://${name}.example.com/keys`,
  algorithms: ['ES256'],
  audience: 'shop',
});
