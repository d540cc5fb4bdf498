/**
 * inject: adds the gateway as a sidecar to the Pod templates of manifests, and removes it again. Input and output are texts; a failure
 * is a `ConfigFault` that names the workload.
 *
 * An annotation of the template records which maps and lists were added with it, so that removing leaves what was there before, to the
 * byte, unless it has been changed since. Adding begins with removing, so a second time changes nothing, and other options
 * replace what the first time has added.
 */

import { isMap, isSeq, type Node, type YAMLMap, type YAMLSeq } from 'yaml';
import { z } from 'zod';
import { ConfigFault } from '../../errors.ts';
import { ManifestText, nodeAt } from './manifest-text.ts';
import {
  outboundVariables,
  SIDECAR_LABEL,
  SIDECAR_NAME,
  SIDECAR_VOLUMES,
  type SidecarOptions,
  sidecarContainer,
  sidecarVolumes,
} from './sidecar.ts';
import { naming, type PodTemplate, podTemplatesOf } from './templates.ts';

/** A text, and what was done to each Pod template in it. */
export interface Changed {
  readonly text: string;
  readonly templates: readonly { readonly title: string; readonly done: 'added' | 'removed' | 'unchanged' }[];
}

const ANNOTATION = 'sallyport-injected';
const [LABEL] = Object.keys(SIDECAR_LABEL) as ['sallyport-sidecar'];

/** The value of the annotation: maps and lists that were not there before, and the environment variables. */
const record = z.strictObject({ created: z.array(z.string()), env: z.array(z.string()).readonly() });
type Injection = z.output<typeof record>;

/**
 * The text with the sidecar in each Pod template, except those with the label `sallyport-sidecar: disabled`.
 *
 * @throws ConfigFault when the text is not YAML, or the sidecar does not fit into a Pod
 */
export function inject(text: string, options: SidecarOptions): Changed {
  const before = text.includes(ANNOTATION) ? remove(text).text : text;
  const manifest = new ManifestText(before);
  const templates = podTemplatesOf(before).map((template) => {
    const isWanted = labelOf(template) !== 'disabled';
    if (isWanted) naming(template.title, () => addTo(template, manifest, options));
    return { title: template.title, done: isWanted ? ('added' as const) : ('unchanged' as const) };
  });
  return { text: manifest.changed(), templates };
}

/**
 * The text without what {@link inject} has added.
 *
 * @throws ConfigFault when the text is not YAML
 */
export function remove(text: string): Changed {
  const manifest = new ManifestText(text);
  const templates = podTemplatesOf(text).map((template) => {
    const injection = naming(template.title, () => injectionOf(template));
    if (injection !== null) removeFrom(template, manifest, injection);
    return { title: template.title, done: injection === null ? ('unchanged' as const) : ('removed' as const) };
  });
  return { text: manifest.changed(), templates };
}

/** A map below the template's metadata; `null` when there is none. */
function metadataMap({ metadata }: PodTemplate, key: 'labels' | 'annotations'): YAMLMap | null {
  const value = metadata === null ? null : nodeAt(metadata, key);
  if (value !== null && !isMap(value)) throw new ConfigFault(`metadata.${key} of its Pod is not a map`);
  return value;
}

const labelOf = (template: PodTemplate): unknown => metadataMap(template, 'labels')?.get(LABEL);

function injectionOf(template: PodTemplate): Injection | null {
  const text = metadataMap(template, 'annotations')?.get(ANNOTATION);
  if (text === undefined) return null;
  try {
    return record.parse(JSON.parse(String(text)));
  } catch {
    throw new ConfigFault(
      `its annotation ${ANNOTATION} was changed, so what was added is not known: remove it by hand`,
    );
  }
}

function addTo(template: PodTemplate, manifest: ManifestText, options: SidecarOptions): void {
  const { pod, containers } = template;
  refuseMisfit(template, options);
  const isIndented = manifest.isIndentedUnder(pod, 'containers');
  const created: string[] = [];
  const lists = { initContainers: [sidecarContainer(options)], volumes: sidecarVolumes(options) };
  created.push(...addLists(pod, lists, manifest, isIndented, 'containers'));
  const variables = outboundVariables(options);
  for (const container of variables.length === 0 ? [] : containers) {
    const added = addLists(container, { env: variables }, manifest, isIndented);
    created.push(...added.map((key) => `${key}/${String(container.get('name'))}`));
  }
  addMetadata(template, manifest, created, Object.keys(options.outbound));
}

/** Adds items to lists of a map, and creates missing lists. @returns the names of the created ones */
function addLists(
  map: YAMLMap,
  lists: Readonly<Record<string, readonly unknown[]>>,
  manifest: ManifestText,
  isIndented: boolean,
  before?: string,
): string[] {
  const missing: Record<string, readonly unknown[]> = {};
  for (const [key, items] of Object.entries(lists)) {
    const list = nodeAt(map, key);
    if (!map.has(key)) missing[key] = items;
    else if (list === null) manifest.fillIn(map, key, items, isIndented);
    else if (isSeq(list)) manifest.addItems(list, items, isIndented);
    else throw new ConfigFault(`${key} is not a list`);
  }
  manifest.addPairs(map, missing, isIndented, before);
  return Object.keys(missing);
}

/** Adds the label and the annotation, which says what was created. */
function addMetadata(template: PodTemplate, manifest: ManifestText, created: string[], env: readonly string[]): void {
  const { owner, metadata } = template;
  const labels = labelOf(template) === undefined ? SIDECAR_LABEL : {};
  if (Object.keys(labels).length > 0) created.push('label');
  const isMissing = (key: string) => metadata?.has(key) !== true;
  if (!owner.has('metadata')) created.push('metadata');
  else created.push(...['labels', 'annotations'].filter(isMissing));
  const annotations = { [ANNOTATION]: JSON.stringify({ created, env } satisfies Injection) };
  const wanted = { labels, annotations };
  if (metadata === null) {
    if (owner.has('metadata')) manifest.fillIn(owner, 'metadata', wanted);
    else manifest.addPairs(owner, { metadata: wanted }, true, 'spec');
    return;
  }
  const missing = Object.entries(wanted).filter(([key]) => isMissing(key));
  manifest.addPairs(metadata, Object.fromEntries(missing));
  for (const [key, pairs] of Object.entries(wanted).filter(([it]) => !isMissing(it))) {
    const map = metadataMap(template, key as keyof typeof wanted);
    if (map === null) manifest.fillIn(metadata, key, pairs);
    else manifest.addPairs(map, pairs);
  }
}

/** @throws ConfigFault when the sidecar does not fit into the Pod */
function refuseMisfit({ pod, containers }: PodTemplate, options: SidecarOptions): void {
  if (pod.get('hostNetwork') === true) {
    throw new ConfigFault('it uses the network of the node (hostNetwork), where a sidecar protects nothing');
  }
  // A process of the same user then reads the files of another container (/proc/PID/root), and 65532 is that of many images.
  if (pod.get('shareProcessNamespace') === true && options.tokens.length > 0) {
    throw new ConfigFault(
      'its containers share processes (shareProcessNamespace), so that the app could read the tokens of the sidecar: leave it, or --token, out',
    );
  }
  const initContainers = namedItems(nodeAt(pod, 'initContainers'));
  const taken = [...containers, ...initContainers].find((it) => it.get('name') === SIDECAR_NAME);
  if (taken !== undefined) {
    throw new ConfigFault(
      `it already has a container called ${SIDECAR_NAME}, which inject did not add: remove it first`,
    );
  }
  const volume = namedItems(nodeAt(pod, 'volumes')).find((it) => SIDECAR_VOLUMES.includes(String(it.get('name'))));
  if (volume !== undefined) {
    throw new ConfigFault(
      `it already has a volume called ${String(volume.get('name'))}, which inject did not add: rename it`,
    );
  }
  const own = { '--port': options.port, '--admin-port': options.adminPort, '--outbound-port': options.outboundPort };
  for (const container of [...containers, ...initContainers]) {
    const where = `container ${String(container.get('name'))}`;
    const ports = namedItems(nodeAt(container, 'ports')).map((it) => Number(it.get('containerPort')));
    const [option, port] = Object.entries(own).find(([, it]) => ports.includes(it)) ?? [];
    if (port !== undefined) {
      throw new ConfigFault(`${where} listens on ${port}, which the sidecar needs: choose another port with ${option}`);
    }
    const names = namedItems(nodeAt(container, 'env')).map((it) => String(it.get('name')));
    const variable = names.find((name) => name in options.outbound);
    if (variable !== undefined) throw new ConfigFault(`${where} already sets ${variable}: remove it there first`);
  }
}

const namedItems = (list: Node | null): YAMLMap[] => (isSeq(list) ? list.items.filter((item) => isMap(item)) : []);

function removeFrom(template: PodTemplate, manifest: ManifestText, { created, env }: Injection): void {
  const { owner, pod, containers, metadata } = template;
  const removeItems = (map: YAMLMap, lists: Readonly<Record<string, readonly string[]>>, suffix = '') => {
    const isOurs = (list: YAMLSeq, names: readonly string[]) =>
      list.items.every((item) => isMap(item) && names.includes(String(item.get('name'))));
    const whole: string[] = [];
    for (const [key, names] of Object.entries(lists)) {
      const list = nodeAt(map, key);
      if (!isSeq(list)) continue;
      if (created.includes(key + suffix) && isOurs(list, names)) whole.push(key);
      else manifest.removeNamed(list, names);
    }
    manifest.removePairs(map, whole);
  };
  removeItems(pod, { initContainers: [SIDECAR_NAME], volumes: SIDECAR_VOLUMES });
  for (const container of env.length === 0 ? [] : containers) {
    removeItems(container, { env }, `/${String(container.get('name'))}`);
  }
  if (metadata !== null) removeMetadata(owner, metadata, manifest, created);
}

function removeMetadata(owner: YAMLMap, metadata: YAMLMap, manifest: ManifestText, created: readonly string[]): void {
  const ours = { labels: created.includes('label') ? [LABEL as string] : [], annotations: [ANNOTATION] };
  const maps = Object.entries(ours).map(([key, names]) => {
    const map = nodeAt(metadata, key);
    const isWhole = isMap(map) && map.items.every(({ key: it }) => names.includes(String(it)));
    return { key, names, map, goes: isWhole && (created.includes(key) || created.includes('metadata')) };
  });
  const gone = maps.filter(({ goes }) => goes).map(({ key }) => key);
  if (created.includes('metadata') && metadata.items.every(({ key }) => gone.includes(String(key)))) {
    manifest.removePairs(owner, ['metadata']);
    return;
  }
  manifest.removePairs(metadata, gone);
  for (const { names, map, goes } of maps) if (isMap(map) && !goes) manifest.removePairs(map, names);
}
