/**
 * text: the text of a configuration, read as YAML 1.2 (core schema, one document, no tags, no merge keys, no nested anchors),
 * its references expanded, and the place of every value in the text.
 *
 * Pure: variables and files come from the {@link VariableSource} that it gets. Never throws for bad text.
 *
 * Long because reading the text, expanding references and finding places share the parsed document.
 */

import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  visit,
  type YAMLError,
} from 'yaml';
import { codes } from '../findings/codes.ts';
import { maskLine } from '../findings/mask.ts';
import { type Code, formatPath, type KeyPath, type Problem } from '../findings/problem.ts';
import { type FormerName, type Renames, Renaming } from './renames.ts';
import { expandVariables, hasReference, type VariableSource } from './variables.ts';

/** Longer texts are not read. 10,000 routes are about 2 MiB. */
const MAX_LENGTH = 8 * 1024 * 1024;
const MAX_ALIASES = 200;
const MAX_DEPTH = 40;

/** `${NAME}` or `${file:…}` without a default and without text around it. */
const BARE_REFERENCE = /^\$\{(?:\w+(?::\?[^}]*)?|file:[^}]*)\}$/;

/** What a message is about: the key, or the value. */
type Spot = 'key' | 'value';

/** Offsets in the text: the first character, and the one behind the last. */
type Range = readonly [start: number, end: number];

interface Found {
  /** `null` for entries of lists and for the root. */
  readonly key: Node | null;
  /** `null` when the value is missing or null in YAML. */
  readonly value: Node | null;
}

/** What a scalar was before its references were expanded. */
interface Written {
  readonly text: string;
  readonly usesFile: boolean;
  readonly isIncomplete: boolean;
}

/** Makes findings with their places. */
export type FindingSource = Pick<ConfigSource, 'problemAt'>;

/** The text of one configuration, the values in it, and the findings about it so far. */
export class ConfigSource {
  readonly text: string;
  readonly problems: Problem[] = [];
  /** The document as plain data with references expanded; `undefined` when the text is not YAML. */
  readonly value: unknown;
  readonly #lines: LineCounter;
  readonly #anchors = new Map<string, Node>();
  readonly #written = new Map<Node, Written>();
  readonly #hidden: Range[] = [];
  /** If so, no alias is followed. */
  #hasNestedAliases = false;
  readonly #root: Node | null;

  /** @param renames  former names to understand; each one found is a warning */
  constructor(text: string, variables: VariableSource, renames: Renames) {
    this.text = text;
    this.#lines = countLines(text);
    if (text.length > MAX_LENGTH) {
      this.#root = null;
      this.#reportAt(codes['config/too-large'], [0, 0], 'the file is larger than 8 MiB');
      return;
    }
    const document = parseConfig(text);
    this.#root = document.contents;
    const syntaxError = document.errors.find((error) => error.code !== 'DUPLICATE_KEY');
    for (const error of document.errors) {
      // Later mistakes of syntax mostly follow from the first.
      if (error.code === 'DUPLICATE_KEY' || error === syntaxError) this.#reportYamlError(error);
    }
    if (document.directives.yaml.explicit === true || Object.keys(document.directives.tags).length > 1) {
      this.#reportAt(codes['yaml/tag'], [0, 1], 'a "%" directive is not accepted: the text is read as YAML 1.2');
    }
    if (syntaxError !== undefined) return;
    this.#refuseExtras();
    const hasBadAliases = this.problems.some(({ code }) => code === codes['yaml/alias'].code);
    const renaming = hasBadAliases ? null : new Renaming(this.#root);
    renaming?.replaceKeys(renames.keys);
    this.#expand(variables);
    renaming?.replaceValues(renames.values);
    for (const former of renaming?.found ?? []) this.#reportFormer(former);
    this.value = this.#toPlain(this.#root, [], 0);
  }

  /** Adds a finding about a value or its key. */
  report(code: Code, path: KeyPath, message: string, hint: string | null = null, spot: Spot = 'value'): void {
    this.problems.push(this.problemAt(code, path, message, hint, spot));
  }

  /** A finding about a value or its key; if it is missing, about the nearest map or list above it. */
  problemAt(code: Code, path: KeyPath, message: string, hint: string | null, spot: Spot): Problem {
    return this.#problem(code, this.#rangeOf(path, spot), path, message, hint);
  }

  /** The line (1-based) of a key or list entry, for messages that point to another place. */
  lineOf(path: KeyPath): number {
    return this.#lines.linePos(this.#rangeOf(path, 'key')[0]).line;
  }

  /** The text of a scalar before its references were expanded; `null` when it has none or is not a scalar. */
  writtenAt(path: KeyPath): Written | null {
    const value = this.#find(path)?.value ?? null;
    return value === null ? null : (this.#written.get(value) ?? null);
  }

  /** Masks a value in every line that is shown. */
  hide(path: KeyPath): void {
    const value = this.#find(path)?.value ?? null;
    if (!isScalar(value)) return;
    const text = this.#written.get(value)?.text ?? String(value.value);
    // The only secret in a URL is the password, which is masked in every line; a bare reference reveals nothing.
    if (!/^[a-z+]+:\/\//.test(text) && !BARE_REFERENCE.test(text)) this.#hidden.push(rangeOfNode(value));
  }

  /** A line as it may be shown: secrets masked, controls replaced, one column per character. */
  shownLine(number: number): string {
    const { text, start } = this.line(number);
    const masked = this.#hidden.reduce((line, [from, to]) => {
      const begin = Math.max(from - start, 0);
      const end = Math.min(to - start, line.length);
      return begin < end ? `${line.slice(0, begin)}${'*'.repeat(end - begin)}${line.slice(end)}` : line;
    }, text);
    return maskLine(masked)
      .replaceAll('\t', ' ')
      .replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, '\ufffd');
  }

  /** A line of the text, without its end; empty beyond the last. */
  line(number: number): { readonly text: string; readonly start: number } {
    const start = this.#lines.lineStarts[number - 1];
    if (start === undefined) return { text: '', start: this.text.length };
    const next = this.#lines.lineStarts[number] ?? this.text.length + 1;
    return { text: this.text.slice(start, next - 1).replace(/\r$/, ''), start };
  }

  #reportYamlError(error: YAMLError): void {
    const [start] = error.pos;
    const { text } = this.line(this.#lines.linePos(Math.min(start, this.text.length)).line);
    const { code, message, hint } = describeYamlError(error, text);
    this.#reportAt(code, error.pos, message, hint);
  }

  #reportAt(code: Code, range: Range, message: string, hint: string | null = null, path: KeyPath = []): void {
    this.problems.push(this.#problem(code, range, path, message, hint));
  }

  #problem(code: Code, [start, end]: Range, path: KeyPath, message: string, hint: string | null): Problem {
    const offset = Math.min(start, this.text.length);
    const { line, col: column } = this.#lines.linePos(offset);
    const lineLength = this.line(line).text.length;
    return {
      code: code.code,
      severity: code.severity,
      line,
      column,
      endColumn: Math.max(column + 1, Math.min(column + (end - start), lineLength + 1)),
      path: formatPath(path),
      message,
      hint,
    };
  }

  /** Refuses everything in YAML but maps, lists and scalars. Anchors must not nest, so that aliases cannot multiply each other. */
  #refuseExtras(): void {
    let aliases = 0;
    visit(this.#root, {
      Alias: (_key, node, ancestors) => {
        aliases += 1;
        if (ancestors.some(isAnchored)) {
          this.#hasNestedAliases = true;
          this.#reportAt(codes['yaml/alias'], rangeOfNode(node), `alias "${node.source}" is inside an anchor`);
        }
        if (aliases === MAX_ALIASES + 1) {
          this.#reportAt(codes['yaml/alias'], rangeOfNode(node), `there are more than ${MAX_ALIASES} aliases`);
        }
      },
      Node: (_key, node, ancestors) => {
        if (isAlias(node)) return;
        if (node.tag !== undefined) {
          this.#reportAt(
            codes['yaml/tag'],
            rangeOfNode(node),
            'tags are not accepted',
            'remove the tag; put text in quotes',
          );
        }
        if (node.anchor === undefined) return;
        if (ancestors.some(isAnchored)) {
          this.#reportAt(codes['yaml/alias'], rangeOfNode(node), `anchor "${node.anchor}" is inside another anchor`);
        }
        this.#anchors.set(node.anchor, node);
      },
      Pair: (_key, { key }) => {
        if (!isScalar(key)) return;
        if (key.value === '<<') {
          this.#reportAt(
            codes['yaml/merge-key'],
            rangeOfNode(key),
            'merge keys ("<<") are not accepted',
            'write the keys out',
          );
        } else if (key.value === '__proto__') {
          this.#reportAt(codes['config/unknown-key'], rangeOfNode(key), 'unknown key "__proto__"');
        }
      },
    });
  }

  #reportFormer(former: FormerName): void {
    const { from, to, present, node, isConflict } = former;
    const [path, name] = [formatPath(from), formatPath(to)];
    const range = rangeOfNode(node);
    if (isConflict) {
      const message = `${path} is the former name of ${name}, which is there as well`;
      this.#reportAt(codes['config/both-names'], range, message, 'keep the new one', from);
      return;
    }
    const isReference = isScalar(node) && this.#written.has(node);
    const hint = isReference ? 'change it where the reference leads' : '"sallyport migrate" rewrites it';
    if (path === name) {
      const message = `${path}: ${JSON.stringify(former.written)} is now written ${JSON.stringify(present)}`;
      this.#reportAt(codes['config/renamed-value'], range, message, hint, from);
    } else {
      this.#reportAt(codes['config/renamed-key'], range, `${path} is now ${name}`, hint, from);
    }
  }

  /** Expands references in scalar values, never in keys. Plain scalars take the type that the result looks like. */
  #expand(variables: VariableSource): void {
    visit(this.#root, {
      Scalar: (key, node) => {
        if (key === 'key' || typeof node.value !== 'string' || !hasReference(node.value)) return;
        const { text, usesFile, isIncomplete, problems } = expandVariables(node.value, variables);
        this.#written.set(node, { text: node.value, usesFile, isIncomplete });
        for (const { message, hint } of problems) {
          this.#reportAt(codes['config/variable'], rangeOfNode(node), `the value ${message}`, hint);
        }
        node.value = node.type === Scalar.PLAIN ? plainValue(text) : text;
      },
    });
  }

  #toPlain(node: unknown, path: KeyPath, depth: number): unknown {
    if (isAlias(node)) return this.#toPlain(this.#targetOf(node), path, depth);
    if (depth > MAX_DEPTH) {
      this.#reportAt(codes['yaml/syntax'], isNodeWithRange(node) ? rangeOfNode(node) : [0, 1], 'is nested too deeply');
      return null;
    }
    if (isMap(node)) {
      return Object.fromEntries(
        node.items
          .map((pair): [string, unknown] => {
            const key = keyText(pair);
            return [key, this.#toPlain(pair.value, [...path, key], depth + 1)];
          })
          .filter(([key]) => key !== '__proto__'),
      );
    }
    if (isSeq(node)) return node.items.map((item, index) => this.#toPlain(item, [...path, index], depth + 1));
    if (!isScalar(node)) return null;
    if (typeof node.value === 'number' && !this.#written.has(node) && !isPlainDecimal(node)) {
      const message = `${formatPath(path)} is the number ${node.source ?? ''}, which is not plain decimal`;
      this.#reportAt(
        codes['yaml/number'],
        rangeOfNode(node),
        message,
        'write plain decimal digits, or put text in quotes',
        path,
      );
    }
    return node.value;
  }

  /** The node that an alias stands for. Anchors do not nest, so this cannot loop. */
  #targetOf(alias: { readonly source: string } & Node): Node | null {
    if (this.#hasNestedAliases) return null;
    const target = this.#anchors.get(alias.source) ?? null;
    const isBefore = target !== null && rangeOfNode(target)[1] <= rangeOfNode(alias)[0];
    if (isBefore) return target;
    if (!this.problems.some((problem) => problem.code === codes['yaml/alias'].code)) {
      this.#reportAt(codes['yaml/alias'], rangeOfNode(alias), `alias "${alias.source}" has no anchor before it`);
    }
    return null;
  }

  #find(path: KeyPath): Found | null {
    let found: Found = { key: null, value: this.#root };
    for (const part of path) {
      const next = this.#child(found.value, part);
      if (next === null) return null;
      found = next;
    }
    return found;
  }

  #child(node: Node | null, part: string | number): Found | null {
    const parent = isAlias(node) ? (this.#anchors.get(node.source) ?? null) : node;
    if (isMap(parent)) {
      // The last of two equal keys counts, as in the plain data.
      const pair = parent.items.findLast((item) => keyText(item) === String(part));
      return pair === undefined ? null : { key: asNode(pair.key), value: asNode(pair.value) };
    }
    if (!isSeq(parent) || typeof part !== 'number' || part >= parent.items.length) return null;
    return { key: null, value: asNode(parent.items[part]) };
  }

  /** The place to show: the value if it is on one line, else its key; if neither exists, the nearest node above. */
  #rangeOf(path: KeyPath, spot: Spot): Range {
    let depth = path.length;
    let found = this.#find(path);
    while (found === null && depth > 0) {
      depth -= 1;
      found = this.#find(path.slice(0, depth));
    }
    const { key, value } = found ?? { key: null, value: null };
    const isMissing = depth < path.length;
    const isScalarValue = isScalar(value) && value.value !== null;
    if (key !== null && (spot === 'key' || isMissing || !(isScalarValue || isAlias(value)))) return rangeOfNode(key);
    if (value !== null) return rangeOfNode(value);
    return key === null ? [0, 1] : rangeOfNode(key);
  }
}

/** Reads a text as YAML 1.2, in the only form that a configuration may have. Never throws: the document has the errors. */
export const parseConfig = (text: string) =>
  parseDocument(text, {
    version: '1.2',
    schema: 'core',
    uniqueKeys: true,
    stringKeys: true,
    merge: false,
    strict: true,
    prettyErrors: false,
    // Warnings concern things that are refused elsewhere; with 'silent', a second document would go unnoticed.
    logLevel: 'error',
  });

/** All line ends of the text. The parser would miss those in text that it cannot read. */
function countLines(text: string): LineCounter {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) lines.addNewLine(end + 1);
  return lines;
}

const asNode = (value: unknown): Node | null => (isNodeWithRange(value) ? value : null);
const isNodeWithRange = (value: unknown): value is Node =>
  isMap(value) || isSeq(value) || isScalar(value) || isAlias(value);
const keyText = ({ key }: Pair): string => (isScalar(key) ? String(key.value) : '');

const isAnchored = (node: object): boolean => 'anchor' in node && node.anchor !== undefined;

/** Start and end of a node's own text. */
function rangeOfNode(node: Node): Range {
  const [start, end] = node.range ?? [0, 1];
  return [start, Math.max(end, start + 1)];
}

/** `0`, `-3`, `1.5`: forms that every YAML parser reads as the same number. */
const isPlainDecimal = (scalar: Scalar): boolean =>
  scalar.source === undefined || /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(scalar.source);

/** The type of an expanded plain scalar: integers and booleans by their form, everything else is text. */
function plainValue(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text;
}

/** Clear messages for common mistakes; all others keep the message of the library. */
function describeYamlError(error: YAMLError, line: string): { code: Code; message: string; hint: string | null } {
  const syntax = (message: string, hint: string | null = null) => ({ code: codes['yaml/syntax'], message, hint });
  switch (error.code) {
    case 'DUPLICATE_KEY':
      return { code: codes['yaml/duplicate-key'], message: 'this key appears twice in the same map', hint: null };
    case 'TAB_AS_INDENT':
      return syntax('a tab is used for indentation', 'use spaces');
    case 'MULTIPLE_DOCS':
      return syntax('the file has more than one YAML document', 'keep one document per file');
    case 'NON_STRING_KEY':
      return syntax('a key must be text');
    case 'BLOCK_AS_IMPLICIT_KEY':
      return syntax('a value cannot be followed by another key on the same line', 'put a value with ": " in quotes');
    case 'TAG_RESOLVE_FAILED':
      return { code: codes['yaml/tag'], message: 'tags are not accepted', hint: null };
    default: {
      const isReference = /[{[,:]\s*\$\{/.test(line) && /(?:^|[^$])[{[]|,/.test(line);
      // Drops the text that the library quotes, which may be a secret.
      const sentence = error.message.charAt(0).toLowerCase() + error.message.slice(1).replace(/:? ".*$/s, '');
      return syntax(sentence, isReference ? 'inside { } and [ ], put "${…}" in quotes' : null);
    }
  }
}
