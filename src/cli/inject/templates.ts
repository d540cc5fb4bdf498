/** Finds the Pod templates in manifests: of workloads, in a stream of documents, in a List, in YAML or JSON. */

import { isMap, isSeq, LineCounter, parseAllDocuments, type YAMLMap } from 'yaml';
import { ConfigFault } from '../../errors.ts';
import { nodeAt } from './manifest-text.ts';

/** A Pod template. */
export interface PodTemplate {
  /** `Deployment orders`. */
  readonly title: string;
  /** The map with its `metadata` and `spec`. */
  readonly owner: YAMLMap;
  readonly metadata: YAMLMap | null;
  readonly pod: YAMLMap;
  readonly containers: readonly YAMLMap[];
}

/** Where the template is in a workload, by its kind. A Pod is its own. */
const TEMPLATE_PATHS: Readonly<Record<string, readonly string[]>> = {
  Deployment: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
  Pod: [],
};
const API_GROUPS = ['apps', 'batch'];

/**
 * The Pod templates of a text. Documents of other kinds are passed over.
 *
 * @throws ConfigFault when the text is not YAML, or a workload in it cannot be read
 */
export function podTemplatesOf(text: string): PodTemplate[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, { keepSourceTokens: true, lineCounter: lines });
  if (!Array.isArray(documents)) return [];
  return documents.flatMap(({ errors: [error], contents }) => {
    if (error !== undefined) {
      const { line, col } = lines.linePos(error.pos[0]);
      throw new ConfigFault(`line ${line}, column ${col}: ${error.message.split('\n')[0]}`);
    }
    return isMap(contents) ? templatesIn(contents) : [];
  });
}

function templatesIn(object: YAMLMap): PodTemplate[] {
  const kind = String(object.get('kind'));
  if (kind === 'List') {
    const items = nodeAt(object, 'items');
    return isSeq(items) ? items.items.flatMap((item) => (isMap(item) ? templatesIn(item) : [])) : [];
  }
  const path = TEMPLATE_PATHS[kind];
  const [group] = String(object.get('apiVersion')).split('/');
  if (path === undefined || !(kind === 'Pod' || API_GROUPS.includes(group ?? ''))) return [];
  const own = nodeAt(object, 'metadata');
  const name = isMap(own) ? (own.get('name') ?? own.get('generateName')) : undefined;
  const title = `${kind} ${String(name ?? 'without a name')}`;
  return [naming(title, () => templateAt(object, path, title))];
}

/** Runs a function; a ConfigFault of it names what it is about. */
export function naming<T>(what: string, act: () => T): T {
  try {
    return act();
  } catch (thrown) {
    if (thrown instanceof ConfigFault) throw new ConfigFault(`${what}: ${thrown.message}`);
    throw thrown;
  }
}

function templateAt(object: YAMLMap, path: readonly string[], title: string): PodTemplate {
  const owner = path.reduce((map, key) => mapAt(map, key), object);
  const pod = mapAt(owner, 'spec');
  const containers = nodeAt(pod, 'containers');
  if (!isSeq(containers) || containers.items.length === 0) throw new ConfigFault('its Pod has no containers');
  const maps = containers.items.filter((item) => isMap(item));
  if (maps.length < containers.items.length)
    throw new ConfigFault('a container is not a map, or an alias: write it out');
  const metadata = nodeAt(owner, 'metadata');
  if (metadata !== null && !isMap(metadata)) throw new ConfigFault('metadata of its Pod is not a map');
  for (const map of [owner, pod, metadata, ...maps]) {
    if (map?.has('<<')) throw new ConfigFault('a merge key (<<) is in the way: write out what it brings');
  }
  return { title, owner, metadata, pod, containers: maps };
}

function mapAt(map: YAMLMap, key: string): YAMLMap {
  const value = nodeAt(map, key);
  if (!isMap(value)) throw new ConfigFault(`${key} is missing, or not a map`);
  return value;
}
