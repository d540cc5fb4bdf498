/**
 * Changes YAML and JSON as text: comments, order, quotes and line ends of everything else stay as they are, and what was added
 * can be taken out again without a trace. A parser only says where things are.
 *
 * Maps and lists may be in block style (indented lines) or in flow style (`{}` and `[]`, as in JSON).
 */

import {
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  stringify,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { ConfigFault } from '../../errors.ts';

/** A map or a list of the parsed text. */
type Collection = YAMLMap | YAMLSeq;

/** What is from `start` to `end` becomes `text`. */
interface Splice {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

const isFlow = (collection: Collection): boolean => collection.flow === true;

/** The value of a key; `null` where there is none or an empty one. An alias is refused: a change would affect its other places. */
export function nodeAt(map: YAMLMap, key: string): Node | null {
  const value = pairOf(map, key)?.value;
  if (isAlias(value)) throw new ConfigFault(`${key} is an alias (*${value.source}): write it out`);
  return isNode(value) && !(isScalar(value) && value.value === null) ? value : null;
}

/** The entry of a key. */
const pairOf = (map: YAMLMap, key: string): Pair | undefined =>
  map.items.find(({ key: it }) => isScalar(it) && it.value === key);

/** Where a node begins and where it ends. */
function rangeOf(node: unknown): readonly [start: number, end: number] {
  const range = isNode(node) ? node.range : undefined;
  if (range == null) throw new ConfigFault('a part of the manifest has no place');
  return [range[0], range[1]];
}

/** The start of an entry, without the dash of a list, and its end. */
function entryRange(entry: unknown): readonly [start: number, end: number] {
  if (!isPair(entry)) return rangeOf(entry);
  const [start, keyEnd] = rangeOf(entry.key);
  return [start, isNode(entry.value) ? Math.max(keyEnd, rangeOf(entry.value)[1]) : keyEnd];
}

/** Collects changes of a text, and makes them at once. All of them are about the text as it was parsed. */
export class ManifestText {
  readonly #text: string;
  readonly #eol: string;
  readonly #splices: Splice[] = [];

  constructor(text: string) {
    this.#text = text;
    this.#eol = text.includes('\r\n') ? '\r\n' : '\n';
  }

  /** The text with all changes. Those at one place are in the order in which they were made. */
  changed(): string {
    let [result, at] = ['', 0];
    for (const { start, end, text } of this.#splices.toSorted((a, b) => a.start - b.start)) {
      result += this.#text.slice(at, start) + text;
      at = end;
    }
    return result + this.#text.slice(at);
  }

  /**
   * Adds entries to a map, before the entry with this key, or else as the first ones that begin a line.
   *
   * @param hasIndentedLists  whether lists in the entries are indented more than their key
   * @throws ConfigFault when no entry of a map in block style begins a line
   */
  addPairs(map: YAMLMap, pairs: Readonly<Record<string, unknown>>, hasIndentedLists = true, before?: string): void {
    const entries = Object.entries(pairs);
    if (entries.length === 0) return;
    if (isFlow(map)) {
      const texts = entries.map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`);
      this.#addToFlow(map, texts);
      return;
    }
    const anchor = before === undefined ? undefined : pairOf(map, before);
    const candidates = anchor === undefined ? map.items : [anchor];
    const starts = candidates.map((pair) => rangeOf(pair.key)[0]);
    const start = starts.find((offset) => this.#indentBefore(offset) !== null);
    if (start === undefined) throw new ConfigFault(`line ${this.lineOf(map)} has several keys: write each on a line`);
    this.#addLines(start, this.#blockText(pairs, hasIndentedLists));
  }

  /** Adds entries at the beginning of a list. */
  addItems(list: YAMLSeq, items: readonly unknown[], hasIndentedLists: boolean): void {
    const [first] = this.#dashes(list);
    if (first === undefined) {
      const texts = items.map((item) => JSON.stringify(item));
      this.#addToFlow(list, texts);
    } else this.#addLines(first, this.#blockText(items, hasIndentedLists));
  }

  /**
   * Gives a key without a value one.
   *
   * @throws ConfigFault when it is `null` or `~` in words
   */
  fillIn(map: YAMLMap, key: string, value: unknown, hasIndentedLists = true): void {
    const pair = pairOf(map, key);
    const [start, keyEnd] = rangeOf(pair?.key);
    const indent = this.#indentBefore(start);
    const isWritten = isNode(pair?.value) && this.#text.slice(...rangeOf(pair.value)).trim() !== '';
    if (isWritten || indent === null) throw new ConfigFault(`${key} in line ${this.#lineAt(start)} is null: remove it`);
    const isList = Array.isArray(value);
    const deeper = isList && !hasIndentedLists ? indent : `${indent}  `;
    const lines = this.#indented(this.#blockText(value, hasIndentedLists), deeper);
    const end = this.#text.indexOf('\n', keyEnd);
    if (end === -1) this.#splice(this.#text.length, this.#text.length, this.#eol + lines.slice(0, -this.#eol.length));
    else this.#splice(end + 1, end + 1, lines);
  }

  /** Removes the entries of a map with these keys. */
  removePairs(map: YAMLMap, keys: readonly string[]): void {
    this.#remove(map, (pair) => isPair(pair) && isScalar(pair.key) && keys.includes(String(pair.key.value)));
  }

  /** Removes the entries of a list that have one of these values for `name`. */
  removeNamed(list: YAMLSeq, names: readonly string[]): void {
    this.#remove(list, (item) => isMap(item) && names.includes(String(item.get('name'))));
  }

  /** The line of a node, from 1. */
  lineOf(node: Node): number {
    return this.#lineAt(rangeOf(node)[0]);
  }

  /** Whether the entries of a list in block style are indented more than its key. */
  isIndentedUnder(map: YAMLMap, key: string): boolean {
    const pair = pairOf(map, key);
    if (!isSeq(pair?.value) || isFlow(pair.value)) return true;
    const dash = this.#dashes(pair.value)[0];
    return dash === undefined || this.#columnOf(dash) > this.#columnOf(rangeOf(pair.key)[0]);
  }

  #remove(collection: Collection, isMeant: (entry: unknown) => boolean): void {
    const { items } = collection;
    const isRemoved = items.map(isMeant);
    if (isFlow(collection)) {
      this.#removeFromFlow(collection, isRemoved);
      return;
    }
    const dashes = isSeq(collection) ? this.#dashes(collection) : null;
    for (const [index, entry] of items.entries()) {
      if (isRemoved[index] !== true) continue;
      const [start, end] = entryRange(entry);
      const next = items[index + 1];
      // The first key of a map in a list follows a dash, which is then that of the next key.
      const isBehindDash = dashes === null && this.#indentBefore(start) === null && next !== undefined;
      if (isBehindDash) this.#splice(start, entryRange(next)[0], '');
      else this.#removeLines(dashes?.[index] ?? start, end);
    }
  }

  #removeFromFlow({ items }: Collection, isRemoved: readonly boolean[]): void {
    const ranges = items.map(entryRange);
    const firstKept = isRemoved.indexOf(false);
    const leading = firstKept === -1 ? items.length : firstKept;
    const first = ranges[0];
    if (leading > 0 && first !== undefined) {
      // To the next entry, so that what preceded the first one precedes that.
      this.#splice(first[0], ranges[leading]?.[0] ?? ranges[leading - 1]?.[1] ?? first[1], '');
    }
    for (let index = leading + 1; index < items.length; index += 1) {
      const [before, own] = [ranges[index - 1], ranges[index]];
      if (isRemoved[index] === true && before !== undefined && own !== undefined) this.#splice(before[1], own[1], '');
    }
  }

  #addToFlow(collection: Collection, texts: readonly string[]): void {
    const open = rangeOf(collection)[0] + 1;
    const [first] = collection.items;
    if (first === undefined) {
      this.#splice(open, open, texts.join(', '));
      return;
    }
    const [start] = entryRange(first);
    const space = this.#text.slice(open, start);
    const between = /^\s+$/.test(space) ? space : ' ';
    this.#splice(start, start, texts.map((text) => `${text},${between}`).join(''));
  }

  /** Adds lines above the line of this place and the comments that belong to it, indented like it. */
  #addLines(offset: number, block: string): void {
    const indent = this.#indentBefore(offset) ?? '';
    let start = this.#lineStart(offset);
    for (;;) {
      const above = start === 0 ? 0 : this.#lineStart(start - 1);
      if (!this.#text.slice(above, start).startsWith(`${indent}#`)) break;
      start = above;
    }
    this.#splice(start, start, this.#indented(block, indent));
  }

  #removeLines(offset: number, end: number): void {
    const start = this.#lineStart(offset);
    const isEnded = end > offset && this.#text[end - 1] === '\n';
    const newline = this.#text.indexOf('\n', end);
    if (isEnded || newline !== -1) this.#splice(start, isEnded ? end : newline + 1, '');
    // The last line, without an end: then the line before it has none either.
    else this.#splice(Math.max(0, start - this.#eol.length), this.#text.length, '');
  }

  /** YAML 1.1 and 1.2 read the text in the same way. */
  #blockText(value: unknown, hasIndentedLists: boolean): string {
    return stringify(value, { version: '1.1', lineWidth: 0, indentSeq: hasIndentedLists, directives: false } as object);
  }

  #indented(block: string, indent: string): string {
    const lines = block.trimEnd().split('\n');
    return lines.map((line) => `${indent}${line}${this.#eol}`).join('');
  }

  /** Where the dashes of a list in block style are. */
  #dashes(list: YAMLSeq): number[] {
    const token = list.srcToken;
    if (token?.type !== 'block-seq') return [];
    return token.items.flatMap(({ start }) => start.flatMap((it) => (it.type === 'seq-item-ind' ? [it.offset] : [])));
  }

  /** What precedes this place in its line, if that is only spaces. */
  #indentBefore(offset: number): string | null {
    const before = this.#text.slice(this.#lineStart(offset), offset);
    return /^ *$/.test(before) ? before : null;
  }

  #lineStart(offset: number): number {
    return offset === 0 ? 0 : this.#text.lastIndexOf('\n', offset - 1) + 1;
  }

  #columnOf(offset: number): number {
    return offset - this.#lineStart(offset);
  }

  #lineAt(offset: number): number {
    return this.#text.slice(0, offset).split('\n').length;
  }

  #splice(start: number, end: number, text: string): void {
    this.#splices.push({ start, end, text });
  }
}
