/**
 * Renders a kustomization as `kustomize build` does, for the few fields that `k8s/` uses; any other is an error. So
 * `npm test` needs no kustomize. The order of objects and fields differs from that of kustomize.
 */

import { readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { type KubernetesObject, resolved, type Schema, schemaOf } from './schema.ts';

const target = z.strictObject({
  group: z.string().optional(),
  version: z.string().optional(),
  kind: z.string(),
  name: z.string().optional(),
  labelSelector: z.string().optional(),
});

const kustomization = z.strictObject({
  apiVersion: z.enum(['kustomize.config.k8s.io/v1beta1', 'kustomize.config.k8s.io/v1alpha1']),
  kind: z.enum(['Kustomization', 'Component']),
  namespace: z.string().optional(),
  resources: z.array(z.string()).prefault([]),
  components: z.array(z.string()).prefault([]),
  images: z.array(z.strictObject({ name: z.string(), newName: z.string(), newTag: z.string() })).prefault([]),
  configMapGenerator: z
    .array(
      z.strictObject({
        name: z.string(),
        behavior: z.enum(['create', 'replace']).prefault('create'),
        files: z.array(z.string()),
        options: z.strictObject({ disableNameSuffixHash: z.literal(true) }),
      }),
    )
    .prefault([]),
  patches: z.array(z.strictObject({ path: z.string().optional(), patch: z.string().optional(), target })).prefault([]),
});
type Kustomization = z.output<typeof kustomization>;

type Json = Record<string, unknown>;

/** Renders a directory with a `kustomization.yaml`. */
export function render(directory: string): KubernetesObject[] {
  return renderOnto([], directory);
}

/** Renders a component over objects. */
export function renderOnto(objects: readonly KubernetesObject[], directory: string): KubernetesObject[] {
  const [document] = readYaml(join(directory, 'kustomization.yaml'));
  const rules = kustomization.parse(document);
  const own = rules.resources.flatMap((path) => resource(join(directory, path)));
  const withComponents = rules.components.reduce(
    (known, path) => renderOnto(known, join(directory, path)),
    [...objects, ...own],
  );
  return rules.patches
    .reduce(
      (known, patch) => patched(known, patch, directory),
      rules.configMapGenerator.reduce((known, map) => generated(known, map, directory), withComponents),
    )
    .map((object) => withImages(inNamespace(object, rules.namespace), rules.images));
}

/** The object with other names for its images. */
function withImages<T>(value: T, images: Kustomization['images']): T {
  if (Array.isArray(value)) return value.map((part) => withImages(part, images)) as T;
  if (!isMap(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => {
      const image = key === 'image' ? images.find(({ name }) => name === String(part).split(':')[0]) : undefined;
      return [key, image === undefined ? withImages(part, images) : `${image.newName}:${image.newTag}`];
    }),
  ) as T;
}

/** The objects in a YAML file. */
export const readYaml = (path: string): KubernetesObject[] => parseObjects(readFileSync(path, 'utf8'), path);

/** The objects in a YAML text from this place. */
export function parseObjects(text: string, path: string): KubernetesObject[] {
  const read = (version: '1.1' | '1.2') =>
    parseAllDocuments(text, { version }).map((document) => {
      if (document.errors.length > 0) throw new Error(`${path}: ${document.errors[0]?.message}`);
      return document.toJS() as KubernetesObject;
    });
  const objects = read('1.2');
  // Kubernetes reads YAML 1.1, where `no`, `on` and 0440 have other meanings than in YAML 1.2.
  if (!isDeepStrictEqual(objects, read('1.1'))) throw new Error(`${path}: YAML 1.1 and 1.2 read it differently`);
  return objects;
}

function resource(path: string): KubernetesObject[] {
  return statSync(path).isDirectory() ? render(path) : readYaml(path);
}

function generated(
  objects: readonly KubernetesObject[],
  { name, behavior, files }: Kustomization['configMapGenerator'][number],
  directory: string,
): KubernetesObject[] {
  const data = Object.fromEntries(files.map((file) => [basename(file), readFileSync(join(directory, file), 'utf8')]));
  const isSame = (object: KubernetesObject) => object.kind === 'ConfigMap' && object.metadata.name === name;
  if (objects.some(isSame) !== (behavior === 'replace')) throw new Error(`ConfigMap ${name}: wrong behavior`);
  return [
    ...objects.filter((object) => !isSame(object)),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data },
  ];
}

function patched(
  objects: readonly KubernetesObject[],
  { path, patch, target: { group, version, kind, name, labelSelector } }: Kustomization['patches'][number],
  directory: string,
): KubernetesObject[] {
  const [change] =
    path === undefined
      ? parseAllDocuments(patch ?? '').map((it) => it.toJS() as Json)
      : readYaml(join(directory, path));
  const [label = '', value = ''] = labelSelector?.split('=') ?? [];
  const isMeant = (object: KubernetesObject) => {
    const [objectVersion, objectGroup = ''] = object.apiVersion.split('/').toReversed();
    return (
      object.kind === kind &&
      objectGroup === (group ?? '') &&
      (version === undefined || version === objectVersion) &&
      (name === undefined || name === object.metadata.name) &&
      (labelSelector === undefined || object.metadata.labels?.[label] === value)
    );
  };
  return objects.flatMap((object) => {
    if (!isMeant(object)) return [object];
    const { $patch, apiVersion: _version, kind: _kind, metadata, ...fields } = change as Json;
    if ($patch === 'delete') return [];
    const { name: _name, ...otherMetadata } = metadata as Json;
    return [merged(object, { ...fields, metadata: otherMetadata }, schemaOf(object)) as KubernetesObject];
  });
}

/** A strategic merge: it merges maps, merges lists by the key that their schema names, and replaces everything else. */
function merged(value: unknown, change: unknown, schema: Schema): unknown {
  const { properties = {}, additionalProperties, items, ...rest } = resolved(schema);
  const mergeKey = rest['x-kubernetes-patch-merge-key'];
  if (isMap(value) && isMap(change)) {
    if ('$patch' in change) throw new Error('$patch is only known at the top');
    const changed = Object.entries(change).map(([name, part]) => {
      const inner = properties[name] ?? (additionalProperties === false ? undefined : additionalProperties) ?? {};
      return [name, name in value ? merged(value[name], part, inner) : part];
    });
    return { ...value, ...Object.fromEntries(changed) };
  }
  if (Array.isArray(value) && Array.isArray(change) && mergeKey !== undefined) {
    const keyOf = (entry: unknown) => (entry as Json)[mergeKey];
    const added = change.filter((entry) => !value.some((present) => keyOf(present) === keyOf(entry)));
    const kept = value.map((present) => {
      const part = change.find((entry) => keyOf(entry) === keyOf(present));
      return part === undefined ? present : merged(present, part, items ?? {});
    });
    return [...added, ...kept];
  }
  return change;
}

const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);

function inNamespace(object: KubernetesObject, namespace: string | undefined): KubernetesObject {
  if (namespace === undefined || object.kind === 'Namespace') return object;
  return { ...object, metadata: { ...object.metadata, namespace } };
}

/** The absolute path of a file, from its path in this repository. */
export const repositoryPath = (...parts: string[]): string => join(import.meta.dirname, '../../..', ...parts);
