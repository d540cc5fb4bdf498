/**
 * Writes `fixtures/kubernetes-schemas.json`: a Kubernetes API server's schemas of the kinds that `k8s/`, the chart and
 * `sallyport inject` use, without descriptions.
 *
 *     node test/shipping/extract-schemas.ts https://127.0.0.1:6443 "$TOKEN" "Kubernetes 1.35.4, …"
 *
 * The API server needs the CRDs of prometheus-operator, Traefik, Gateway API (experimental) and Envoy Gateway. Its
 * certificate is not verified: use your own server. The file keeps what can be checked: types, required fields, enums,
 * patterns, and the keys by which patches merge lists. Objects with named fields are closed, so that a misspelt field
 * is an error, as with `fieldValidation: Strict`.
 */

import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { fileURLToPath } from 'node:url';

interface Schema {
  readonly [keyword: string]: unknown;
  readonly properties?: Record<string, Schema>;
  readonly allOf?: readonly Schema[];
  readonly $ref?: string;
}

/** API → kinds. */
const KINDS: Readonly<Record<string, readonly string[]>> = {
  'api/v1': ['ConfigMap', 'Namespace', 'Pod', 'Secret', 'Service', 'ServiceAccount'],
  'apis/apps/v1': ['DaemonSet', 'Deployment', 'ReplicaSet', 'StatefulSet'],
  'apis/autoscaling/v2': ['HorizontalPodAutoscaler'],
  'apis/batch/v1': ['CronJob', 'Job'],
  'apis/gateway.envoyproxy.io/v1alpha1': ['SecurityPolicy'],
  'apis/gateway.networking.k8s.io/v1': ['HTTPRoute'],
  'apis/monitoring.coreos.com/v1': ['PodMonitor', 'PrometheusRule', 'ServiceMonitor'],
  'apis/networking.k8s.io/v1': ['Ingress', 'NetworkPolicy'],
  'apis/policy/v1': ['PodDisruptionBudget'],
  'apis/traefik.io/v1alpha1': ['IngressRoute', 'Middleware'],
};

const KEPT = ['type', 'required', 'enum', 'pattern', 'minLength', 'x-kubernetes-patch-merge-key'];
const REFERENCE = '#/components/schemas/';

const [server = '', token = '', origin = ''] = process.argv.slice(2);
const definitions: Record<string, unknown> = {};
const kinds: Record<string, string> = {};
for (const [api, names] of Object.entries(KINDS)) {
  const schemas = await schemasOf(api);
  for (const [id, schema] of Object.entries(schemas)) {
    const [gvk] = (schema['x-kubernetes-group-version-kind'] ?? []) as { kind: string }[];
    if (gvk === undefined || !names.includes(gvk.kind)) continue;
    kinds[`${api.replace(/^apis?\//, '')} ${gvk.kind}`] = id;
    define(id, schemas);
  }
}
const sorted = <T>(record: Record<string, T>) =>
  Object.fromEntries(Object.entries(record).toSorted(([a], [b]) => (a < b ? -1 : 1)));
const text = JSON.stringify({ origin, kinds: sorted(kinds), $defs: sorted(definitions) }, null, 1);
writeFileSync(fileURLToPath(new URL('fixtures/kubernetes-schemas.json', import.meta.url)), `${text}\n`);

/** Adds a definition and everything that it refers to. */
function define(id: string, schemas: Record<string, Schema>): void {
  if (definitions[id] !== undefined) return;
  definitions[id] = true;
  const isObject = schemas[id]?.properties?.['kind'] !== undefined;
  definitions[id] = trimmed(schemas[id] as Schema, schemas, isObject);
}

/** @param isObject  a Kubernetes object, whose status nobody writes */
function trimmed(schema: Schema, schemas: Record<string, Schema>, isObject = false): unknown {
  // JavaScript has no flags inside patterns.
  const isKept = (key: string) => key in schema && !(key === 'pattern' && String(schema[key]).includes('(?i)'));
  const kept = Object.fromEntries(KEPT.filter(isKept).map((key) => [key, schema[key]]));
  if (schema['x-kubernetes-int-or-string'] === true || schema['format'] === 'int-or-string')
    return { ...kept, type: ['integer', 'string'] };
  const reference = schema.$ref ?? schema.allOf?.[0]?.$ref;
  if (reference !== undefined) {
    const id = reference.slice(REFERENCE.length);
    define(id, schemas);
    return { ...kept, $ref: `#/$defs/${id}` };
  }
  const inner = (value: unknown) => trimmed(value as Schema, schemas);
  if (Array.isArray(schema['oneOf'])) return { ...kept, anyOf: schema['oneOf'].map(inner) };
  if (schema.properties !== undefined) {
    const unwritten = isObject ? ['status'] : ['managedFields'];
    const properties = Object.entries(schema.properties).filter(([name]) => !unwritten.includes(name));
    return {
      ...kept,
      properties: Object.fromEntries(properties.map(([name, value]) => [name, inner(value)])),
      additionalProperties: false,
    };
  }
  if (schema['items'] !== undefined) return { ...kept, items: inner(schema['items']) };
  if (schema['additionalProperties'] !== undefined)
    return { ...kept, additionalProperties: inner(schema['additionalProperties']) };
  return kept;
}

async function schemasOf(api: string): Promise<Record<string, Schema>> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const headers = { authorization: `Bearer ${token}` };
  request(`${server}/openapi/v3/${api}`, { headers, rejectUnauthorized: false }, async (response) => {
    let body = '';
    for await (const chunk of response) body += chunk;
    resolve(body);
  })
    .on('error', reject)
    .end();
  const { components } = JSON.parse(await promise) as { components: { schemas: Record<string, Schema> } };
  return components.schemas;
}
