/**
 * The schema of the values of `charts/sallyport`, with which Helm refuses misspelt and impossible values before it renders
 * anything. `config` has the schema of the configuration, so a mistake in it is refused too; keys that the chart fills in are
 * optional there. What several values say together is checked by `templates/_checks.tpl`.
 */

import { z } from 'zod';
import { jsonSchema } from '../../src/gateway/configuration/load.ts';

interface Schema {
  readonly [keyword: string]: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly definitions?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/** What Kubernetes judges when the object is applied. */
const anyMap = z.record(z.string(), z.unknown());
const anyList = z.array(anyMap);
const labels = z.record(z.string(), z.string());
const port = z.int().min(1).max(65_535);
const quantityOrCount = z.union([z.int().min(0), z.string().regex(/^\d+%$/)]);
/** The name of a Kubernetes object, or nothing. */
const name = z.string().regex(/^(?:[a-z0-9]([a-z0-9.-]*[a-z0-9])?)?$/);
const directory = z.string().regex(/^\/[^\s]*[^\s/]$/);
const peers = z.array(anyMap).describe('Peers of a NetworkPolicy: namespaceSelector, podSelector or ipBlock.');
const host = z.string().regex(/^(?:\*\.)?[a-z0-9.-]+$/);

const scrape = z.strictObject({
  enabled: z.boolean(),
  labels,
  interval: z.string().regex(/^\d+(?:ms|s|m)$/),
  scrapeTimeout: z.string().regex(/^\d+(?:ms|s|m)$/),
  relabelings: anyList,
  metricRelabelings: anyList,
});

const pods = {
  replicas: z.int().min(0),
  strategy: anyMap,
  revisionHistoryLimit: z.int().min(0),
  terminationGracePeriodSeconds: z.int().min(1),
  resources: anyMap,
  topologySpread: z.strictObject({
    enabled: z.boolean(),
    whenUnsatisfiable: z.enum(['ScheduleAnyway', 'DoNotSchedule']),
  }),
  nodeSelector: labels,
  affinity: anyMap,
  tolerations: anyList,
  priorityClassName: z.string(),
  podAnnotations: labels,
  podLabels: labels,
  env: anyList,
  envFrom: anyList,
  extraContainers: anyList,
  extraVolumes: anyList,
  extraVolumeMounts: anyList,
  serviceAccount: z.strictObject({ create: z.boolean(), name, annotations: labels, automountToken: z.boolean() }),
  autoscaling: z.strictObject({
    enabled: z.boolean(),
    minReplicas: z.int().min(1),
    maxReplicas: z.int().min(1),
    targetCPUUtilizationPercentage: z.int().min(1),
    metrics: anyList,
    behavior: anyMap,
  }),
  podDisruptionBudget: z.strictObject({ enabled: z.boolean(), maxUnavailable: quantityOrCount }),
};

const network = {
  service: z.strictObject({
    type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']),
    port,
    redirectPort: port,
    annotations: labels,
    loadBalancerClass: z.string(),
    loadBalancerSourceRanges: z.array(z.string()),
    externalTrafficPolicy: z.enum(['', 'Cluster', 'Local']),
  }),
  ingress: z.strictObject({
    enabled: z.boolean(),
    className: z.string(),
    annotations: labels,
    hosts: z.array(host),
    tls: anyList,
  }),
  httpRoute: z.strictObject({
    enabled: z.boolean(),
    annotations: labels,
    parentRefs: anyList,
    hostnames: z.array(host),
  }),
  networkPolicy: z.strictObject({
    enabled: z.boolean(),
    clientsFrom: peers,
    metricsFrom: peers.min(1),
    egress: z.strictObject({
      enabled: z.boolean(),
      dnsTo: peers.min(1),
      redisTo: peers.min(1),
      redisPorts: z.array(port),
      upstreamsTo: peers.min(1),
      external: z.boolean(),
      extra: anyList,
    }),
  }),
  authorizer: z.strictObject({
    enabled: z.boolean(),
    // An empty list would let everyone ask, and answers contain tokens.
    from: peers.min(1),
    proxy: z.enum(['', 'ingress-nginx', 'traefik', 'envoy-gateway']),
    host: z.union([z.literal(''), host]),
    className: z.string(),
    entryPoints: z.array(z.string()).min(1),
    parentRefs: anyList,
    identityHeaders: z.array(z.string().regex(/^[A-Za-z0-9-]+$/)),
    apps: z.array(
      z.strictObject({
        name: name.min(1),
        path: z.string().startsWith('/').optional(),
        service: name.optional(),
        port: z.union([port, z.string().min(1)]).optional(),
      }),
    ),
  }),
};

const values = z.strictObject({
  role: z.enum(['ingress', 'sidecar']),
  nameOverride: z.string(),
  fullnameOverride: z.string(),
  commonLabels: labels,
  image: z.strictObject({
    repository: z.string().min(1),
    tag: z.string(),
    digest: z.string().regex(/^(?:sha256:[0-9a-f]{64})?$/),
    pullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']),
  }),
  imagePullSecrets: anyList,
  config: anyMap,
  configFiles: z.record(z.string().regex(/^[A-Za-z0-9._-]+$/), z.string()),
  existingConfigMap: name,
  rolloutOnConfigChange: z.boolean(),
  redis: z.strictObject({
    url: z.string().regex(/^(?:rediss?(?:\+sentinel|\+cluster)?:\/\/\S+)?$/),
    existingSecret: name,
    passwordKey: z.string(),
    urlKey: z.string(),
  }),
  existingSecret: name,
  existingSigningKeys: name,
  mounts: z.array(
    z.union([
      z.strictObject({ secret: name.min(1), path: directory }),
      z.strictObject({ configMap: name.min(1), path: directory }),
    ]),
  ),
  ...pods,
  ...network,
  sidecar: z.strictObject({ label: z.string().min(1), resources: anyMap }),
  metrics: z.strictObject({
    serviceMonitor: scrape,
    podMonitor: scrape,
    prometheusRule: z.strictObject({ enabled: z.boolean(), labels, disabled: z.array(z.string()) }),
    dashboard: z.strictObject({ enabled: z.boolean(), labels, annotations: labels }),
  }),
  extraObjects: z.array(z.union([anyMap, z.string()])),
  // What Helm and charts that depend on this one set.
  global: anyMap.optional(),
  enabled: z.boolean().optional(),
});

/** Maps of the configuration whose keys the chart fills in. */
const FILLED_IN = [[], ['listeners'], ['listeners', 'public'], ['listeners', 'admin'], ['store', 'redis']];

/** `charts/sallyport/values.schema.json`. */
export function chartValuesSchema(): string {
  const { $schema, title: _title, definitions, ...config } = jsonSchema() as Schema;
  const generated = z.toJSONSchema(values, { target: 'draft-07', io: 'input' }) as Schema;
  const schema = {
    $schema,
    title: 'Values of the chart sallyport',
    ...generated,
    properties: { ...generated.properties, config: forHelm(FILLED_IN.reduce(withoutRequired, config as Schema)) },
    definitions: forHelm(definitions as Schema),
  };
  return `${JSON.stringify(schema, null, 1)}\n`;
}

/** The schema, with the keys of the map at this path optional. */
function withoutRequired(schema: Schema, [key, ...rest]: readonly string[]): Schema {
  if (key === undefined) {
    const { required: _required, ...others } = schema;
    return others;
  }
  const inner = schema.properties?.[key];
  if (inner === undefined) throw new Error(`no schema of ${key}`);
  return { ...schema, properties: { ...schema.properties, [key]: withoutRequired(inner, rest) } };
}

/**
 * The schema as Helm can use it: without patterns that Go's regular expressions do not know (the gateway judges those values
 * itself), and without descriptions, because every release stores its chart in the cluster.
 */
function forHelm(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(forHelm);
  if (typeof schema !== 'object' || schema === null) return schema;
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key, value]) => typeof value !== 'string' || !(key === 'description' || isUnknownToGo(key, value)))
      .map(([key, value]) => [key, forHelm(value)]),
  );
}

const isUnknownToGo = (key: string, value: string) => key === 'pattern' && /\(\?[=!<]/.test(value);
