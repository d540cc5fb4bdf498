/** The configuration that an import writes: keys and values, each with a comment that says which option it comes from. */

import { isMap, isScalar, isSeq, type Node, type Pair, type YAMLMap } from 'yaml';
import type { Origin, Report } from './report.ts';
import type { SecretStore } from './secrets.ts';

/** What an import writes. */
export interface ImportOutput {
  readonly draft: ConfigDraft;
  readonly report: Report;
  readonly secrets: SecretStore;
}

type Value = string | boolean | number | readonly Value[] | { readonly [key: string]: Value };
type Path = readonly (string | number)[];

/** The order of the keys at the top. */
const TOP = [
  'version',
  'publicOrigin',
  'basePath',
  'listeners',
  'store',
  'session',
  'login',
  'pages',
  'issuers',
  'upstreams',
  'routes',
  'log',
];

/** Collects keys, values and comments. */
export class ConfigDraft {
  readonly #root: Record<string, unknown> = {};
  readonly #comments = new Map<string, string[]>();
  readonly #carried = new Set<string>();

  /**
   * Sets a key, and everything above it.
   *
   * @param path  keys, and indexes of lists
   * @param from  the options it comes from, or words for the comment
   */
  set(path: Path, value: Value, ...from: readonly (Origin | string | null)[]): void {
    let at = this.#root as Record<string | number, unknown>;
    for (const [index, key] of path.slice(0, -1).entries()) {
      at[key] ??= typeof path[index + 1] === 'number' ? [] : {};
      at = at[key] as Record<string | number, unknown>;
    }
    at[path.at(-1) as string] = from.some(isOption) ? literal(value) : value;
    for (const origin of from) this.#comment(path, origin);
  }

  /** What a key has; `undefined` where it is not set. */
  get(path: Path): unknown {
    let at: unknown = this.#root;
    for (const key of path) at = (at as Record<string | number, unknown> | undefined)?.[key];
    return at;
  }

  /** Puts a key of a map behind its others. */
  putLast(path: Path): void {
    const map = this.get(path.slice(0, -1)) as Record<string | number, unknown> | undefined;
    const key = path.at(-1) ?? '';
    const value = map?.[key];
    if (map === undefined || value === undefined) return;
    delete map[key];
    map[key] = value;
  }

  /** Notes that an option was carried over without a key of its own. */
  carry(...origins: readonly (Origin | null)[]): void {
    for (const origin of origins) if (origin !== null) this.#carried.add(idOf(origin));
  }

  /** Whether something comes from an option. */
  hasCarried(origin: Origin): boolean {
    return this.#carried.has(idOf(origin));
  }

  /** How many options were carried over. */
  get carriedCount(): number {
    return this.#carried.size;
  }

  #comment(path: Path, origin: Origin | string | null): void {
    if (origin === null) return;
    this.carry(typeof origin === 'string' ? null : origin);
    const key = JSON.stringify(path);
    const text = typeof origin === 'string' ? origin : origin.name;
    const texts = this.#comments.get(key) ?? [];
    if (!texts.includes(text)) this.#comments.set(key, [...texts, text]);
  }

  /**
   * The configuration as YAML.
   *
   * @param heading  lines above it, without `#`
   */
  async text(heading: readonly string[]): Promise<string> {
    const { Document } = await import('yaml');
    const ordered = Object.fromEntries(
      TOP.flatMap((key) => (this.#root[key] === undefined ? [] : [[key, this.#root[key]]])),
    );
    const document = new Document(ordered, { aliasDuplicateObjects: false });
    document.commentBefore = heading.map((line) => ` ${line}`).join('\n');
    compact(document.contents as Node);
    for (const [key, texts] of this.#comments)
      comment(document.contents as Node, JSON.parse(key) as Path, texts.join(', '));
    for (const pair of (document.contents as unknown as YAMLMap<Node & { spaceBefore?: boolean }>).items.slice(1))
      if (isMap(pair.value) || isSeq(pair.value)) pair.key.spaceBefore = true;
    return document.toString({ lineWidth: 0, flowCollectionPadding: false });
  }
}

/** The value of an option is text. In an alpha configuration, `${…}` is a variable, as it is here. */
const isOption = (origin: Origin | string | null) => typeof origin === 'object' && /^[\w-]+$/.test(origin?.name ?? '.');

const literal = (value: Value): Value => {
  if (typeof value === 'string') return value.replaceAll('${', () => '$${');
  return Array.isArray(value) ? value.map(literal) : value;
};

const idOf = ({ name, file }: Origin) => JSON.stringify([name, file]);

/** Lists of scalars on one line. */
function compact(node: unknown): void {
  if (isMap(node)) for (const { value } of node.items) compact(value);
  if (!isSeq(node)) return;
  if (node.items.every((item) => isScalar(item))) node.flow = true;
  else for (const item of node.items) compact(item);
}

/** Puts a comment behind a value of one line, and above a longer one. */
function comment(root: Node, path: Path, text: string): void {
  let node: unknown = root;
  let pair: Pair | null = null;
  for (const key of path) {
    if (isSeq(node)) [pair, node] = [null, node.items[key as number]];
    else if (isMap(node)) {
      pair = node.items.find((item) => (item.key as { value?: unknown }).value === key) ?? null;
      node = pair?.value ?? null;
    }
  }
  const isShort = isScalar(node) || (isSeq(node) && node.flow === true);
  const target = (isShort || pair === null ? node : pair.key) as Node | null;
  if (target === null) return;
  if (isShort) target.comment = ` ${text}`;
  else target.commentBefore = ` ${text}`;
}
