/**
 * Former names: keys that were renamed or moved, and values that were renamed. Loading understands them by one table, and
 * `sallyport migrate` rewrites a file by the same one. The gateway's table is `gateway/configuration/renames.ts`.
 *
 * It changes the nodes of a YAML document, so that comments, order, anchors and the places of findings survive.
 */

import { isAlias, isMap, isNode, isScalar, isSeq, type Node, Pair, Scalar, visit, YAMLMap } from 'yaml';
import { formatPath, type KeyPath } from '../findings/problem.ts';

/** A key that was renamed or moved. */
export interface KeyRename {
  /** The version that has the new name. */
  readonly since: string;
  /** The former key: `routes[].bodyLimit`. `[]` is every entry of a list, `<name>` every key of a map. */
  readonly from: string;
  /** The key now, in the same form. What `from` has up to its last `[]` or `<name>`, this has too. */
  readonly to: string;
  /** One sentence, for people who upgrade. */
  readonly why: string;
}

/** A key whose values were renamed. */
export interface ValueRename {
  /** The version that has the new values. */
  readonly since: string;
  /** In the form of {@link KeyRename.from}. */
  readonly key: string;
  /** Former → present. */
  readonly values: Readonly<Record<string, string>>;
  /** One sentence, for people who upgrade. */
  readonly why: string;
}

/** Every former name, in the order in which they are replaced: the oldest first. */
export interface Renames {
  readonly keys: readonly KeyRename[];
  readonly values: readonly ValueRename[];
}

/** The same rows for a configuration that is a part of another document, such as the values of a chart. */
export function renamesBelow(path: string, { keys, values }: Renames): Renames {
  const below = (key: string) => `${path}.${key}`;
  return {
    keys: keys.map((row) => ({ ...row, from: below(row.from), to: below(row.to) })),
    values: values.map((row) => ({ ...row, key: below(row.key) })),
  };
}

/** One former name in a document. */
export interface FormerName {
  /** The path to the key, as it is written and as it is now; equal where the value was renamed. */
  readonly from: KeyPath;
  readonly to: KeyPath;
  /** The name that was written, and the one that it has now. */
  readonly written: string;
  readonly present: string;
  /** The key or value in the text. */
  readonly node: Node;
  /** Whether the present key is there too. Then the document still has both. */
  readonly isConflict: boolean;
}

/** `[]` and `<name>` in the key of a row. */
export const EACH = Symbol('each');
/** The key of a row in parts. */
export type Pattern = readonly (string | typeof EACH)[];

/** Takes the key of a row apart. */
export const patternOf = (text: string): Pattern =>
  text
    .replaceAll('[]', '.[]')
    .split('.')
    .map((part) => (part === '[]' || /^<.*>$/.test(part) ? EACH : part));

/** A key of a document that a pattern leads to. */
interface Site {
  readonly path: KeyPath;
  /** The maps and lists on the way, aliases followed; the last one is the map that has the pair. */
  readonly way: readonly Node[];
  readonly pair: Pair;
  readonly met: readonly MetAnchor[];
}

/** A node that aliases may share, and the place where it was met. */
interface MetAnchor {
  readonly anchor: string;
  readonly at: string;
}

/** Replaces former names in a document without nested anchors. */
export class Renaming {
  /** What was replaced so far, and what could not be. */
  readonly found: FormerName[] = [];
  readonly #root: Node | null;
  readonly #anchors = new Map<string, Node>();
  /** Anchor → number of its aliases. */
  readonly #aliases = new Map<string, number>();
  #isStructural = false;

  constructor(root: Node | null) {
    this.#root = root;
    visit(root, {
      Alias: (_key, { source }) => {
        this.#aliases.set(source, (this.#aliases.get(source) ?? 0) + 1);
      },
      Node: (_key, node) => {
        if (!isAlias(node) && node.anchor !== undefined) this.#anchors.set(node.anchor, node);
      },
    });
  }

  /** Whether more has changed than the text of keys and values: a key was moved, or an alias was written out. */
  get isStructural(): boolean {
    return this.#isStructural;
  }

  /** Replaces former keys. One that is there under both names is found, and dropped. */
  replaceKeys(rows: readonly KeyRename[]): void {
    for (const { from, to } of rows) {
      const [former, present] = [patternOf(from), patternOf(to)];
      const depth = sharedDepth(former, present);
      const isMove = depth < former.length - 1 || depth < present.length - 1;
      const sites = this.#sites(former);
      this.#writeOutShared(sites, isMove ? sites.flatMap((site) => this.#movedAnchors(site, depth, present)) : []);
      for (const site of once(this.#sites(former))) this.#replaceKey(site, depth, present.slice(depth).map(String));
    }
  }

  /** Replaces former values. Values are compared as they are: with references expanded, or as written. */
  replaceValues(rows: readonly ValueRename[]): void {
    for (const { key, values } of rows) {
      const sites = this.#sites(patternOf(key)).filter(({ pair }) => Object.hasOwn(values, this.#textOf(pair)));
      const met = sites.flatMap(({ path, pair }) => this.#follow(pair.value, path).met);
      this.#writeOutShared([...sites, { met }], []);
      for (const { path, pair } of once(this.#sites(patternOf(key)))) {
        const { node } = this.#follow(pair.value, path);
        const written = this.#textOf(pair);
        const present = Object.hasOwn(values, written) ? values[written] : undefined;
        if (!isScalar(node) || present === undefined) continue;
        node.value = present;
        this.found.push({ from: path, to: path, written, present, node, isConflict: false });
      }
    }
  }

  #replaceKey({ path, way, pair }: Site, depth: number, present: readonly string[]): void {
    const [home, map, key] = [way[depth], way.at(-1), pair.key];
    const [written, name] = [path.at(-1), present.at(-1)];
    if (!(isMap(home) && isMap(map) && isScalar(key) && typeof written === 'string' && name !== undefined)) return;
    const beside = pairOf(home, path[depth]);
    const target = targetMap(home, present.slice(0, -1), beside, map.flow === true);
    if (target === null) return;
    const isConflict = pairOf(target, name) !== null;
    const to = [...path.slice(0, depth), ...present];
    this.found.push({ from: path, to, written, present: name, node: key, isConflict });
    if (isConflict) map.items.splice(map.items.indexOf(pair), 1);
    if (isConflict || target === map) {
      key.value = name;
      return;
    }
    this.#isStructural = true;
    takeOut(map, pair);
    key.value = name;
    key.spaceBefore = key.spaceBefore === true && target.items.length > 0;
    target.items.push(pair);
    removeEmpty(home, path.slice(depth, -1));
  }

  /** Follows a pattern through the document, and through aliases. */
  #sites(pattern: Pattern): readonly Site[] {
    const walk = (outer: unknown, depth: number, before: Omit<Site, 'pair'>): readonly Site[] => {
      const { node, met } = this.#follow(outer, before.path);
      if (node === null) return [];
      const on = (part: string | number) => ({
        path: [...before.path, part],
        way: [...before.way, node],
        met: [...before.met, ...met],
      });
      const part = pattern[depth];
      if (isSeq(node) && part === EACH) return node.items.flatMap((item, index) => walk(item, depth + 1, on(index)));
      if (!isMap(node)) return [];
      const pairs = node.items.filter((pair) => part === EACH || keyOf(pair) === part);
      return pairs.flatMap((pair) =>
        depth === pattern.length - 1 ? [{ ...on(keyOf(pair)), pair }] : walk(pair.value, depth + 1, on(keyOf(pair))),
      );
    };
    return walk(this.#root, 0, { path: [], way: [], met: [] });
  }

  /** The node itself, or the one that an alias stands for. */
  #follow(node: unknown, path: KeyPath): { readonly node: Node | null; readonly met: readonly MetAnchor[] } {
    if (!isNode(node)) return { node: null, met: [] };
    const anchor = isAlias(node) ? node.source : node.anchor;
    if (anchor === undefined) return { node, met: [] };
    const target = isAlias(node) ? (this.#anchors.get(anchor) ?? null) : node;
    return { node: target, met: [{ anchor, at: formatPath(path) }] };
  }

  #textOf({ value }: Pair): string {
    const { node } = this.#follow(value, []);
    return isScalar(node) && typeof node.value === 'string' ? node.value : '';
  }

  /** Anchors that a move must not share with another place: on both ways, and in what is moved. */
  #movedAnchors({ met, way, pair }: Site, depth: number, present: Pattern): readonly string[] {
    const names = met.map(({ anchor }) => anchor);
    for (const node of [asNode(pair.key), asNode(pair.value)]) {
      visit(node, {
        Node: (_key, inner) => {
          const anchor = isAlias(inner) ? inner.source : inner.anchor;
          if (anchor !== undefined) names.push(anchor);
        },
      });
    }
    let outer: unknown = way[depth];
    for (const part of present.slice(depth, -1)) {
      outer = isMap(outer) ? pairOf(outer, part)?.value : null;
      names.push(...this.#follow(outer, []).met.map(({ anchor }) => anchor));
    }
    return names;
  }

  /** Writes out what the sites share with other places, and these anchors. */
  #writeOutShared(sites: readonly Pick<Site, 'met'>[], always: readonly string[]): void {
    const met = Map.groupBy(
      sites.flatMap((site) => site.met),
      ({ anchor }) => anchor,
    );
    for (const anchor of new Set([...met.keys(), ...always])) {
      const places = new Set(met.get(anchor)?.map(({ at }) => at)).size;
      const aliases = this.#aliases.get(anchor) ?? 0;
      if (aliases > 0 && (always.includes(anchor) || places !== aliases + 1)) this.#writeOut(anchor);
    }
  }

  /** Replaces every alias of an anchor by a copy of what it stands for. */
  #writeOut(anchor: string): void {
    const target = this.#anchors.get(anchor);
    if (target === undefined || isAlias(target)) return;
    Reflect.deleteProperty(target, 'anchor');
    visit(this.#root, { Alias: (_key, { source }) => (source === anchor ? (target.clone() as Node) : undefined) });
    this.#aliases.delete(anchor);
    this.#isStructural = true;
  }
}

/** One site for each key: aliases lead to the same one on several ways. */
const once = (sites: readonly Site[]): readonly Site[] =>
  [...new Map(sites.toReversed().map((site) => [site.pair, site])).values()].toReversed();

const keyOf = ({ key }: Pair): string => (isScalar(key) ? String(key.value) : '');

const pairOf = (map: YAMLMap, key: unknown): Pair | null => map.items.find((pair) => keyOf(pair) === key) ?? null;

/** How many parts, but for the last, two patterns have in common. */
function sharedDepth(one: Pattern, other: Pattern): number {
  const most = Math.min(one.length, other.length) - 1;
  const differs = one.slice(0, most).findIndex((part, index) => part !== other[index]);
  return differs < 0 ? most : differs;
}

/** The map at a path; maps that are missing are added after a pair. `null` where something else is in the way. */
function targetMap(home: YAMLMap, path: readonly string[], beside: Pair | null, isFlow: boolean): YAMLMap | null {
  let map = home;
  for (const part of path) {
    const present = pairOf(map, part);
    if (present !== null && !isMap(present.value)) return null;
    const inner = present === null ? new YAMLMap() : (present.value as YAMLMap);
    if (present === null) {
      const key = new Scalar(part);
      // Findings about what is added are shown where the former key is.
      key.range = inner.range = asNode(beside?.key)?.range ?? null;
      inner.flow = isFlow;
      const at = map === home && beside !== null ? home.items.indexOf(beside) + 1 : map.items.length;
      map.items.splice(at, 0, new Pair(key, inner));
    }
    map = inner;
  }
  return map;
}

/** Takes a pair out of a map, with the comment above it. */
function takeOut(map: YAMLMap, pair: Pair): void {
  const index = map.items.indexOf(pair);
  // The parser gives the comment above the first key to the map.
  if (index === 0 && map.commentBefore != null && isScalar(pair.key)) {
    pair.key.commentBefore = map.commentBefore;
    map.commentBefore = null;
  }
  map.items.splice(index, 1);
}

/** Removes the maps at a path that are empty and have no comments. */
function removeEmpty(map: YAMLMap, [part, ...rest]: KeyPath): void {
  const pair = pairOf(map, part);
  if (pair === null || !isMap(pair.value)) return;
  removeEmpty(pair.value, rest);
  const comments = [asNode(pair.key)?.commentBefore, pair.value.commentBefore, pair.value.comment];
  if (pair.value.items.length === 0 && comments.every((comment) => comment == null)) {
    map.items.splice(map.items.indexOf(pair), 1);
  }
}

const asNode = (value: unknown): Node | null => (isNode(value) ? value : null);
