/**
 * The text of a configuration: read as YAML 1.2 (core schema, one document, no tags, no merge keys, no nested anchors),
 * its references expanded, and every value findable again in the text.
 *
 * Pure: variables and files come from the {@link VariableSource} that is handed in. Never throws for bad text.
 *
 * Long because reading the text, expanding references and finding places again share the parsed document.
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
import { codes } from './codes.ts';
import { maskLine } from './mask.ts';
import { type Code, formatPath, type KeyPath, type Problem } from './problem.ts';
import { expandVariables, hasReference, type VariableSource } from './variables.ts';

/** Longer texts are not read. 10,000 routes are about 2 MiB. */
const MAX_LENGTH = 8 * 1024 * 1024;
const MAX_ALIASES = 200;
const MAX_DEPTH = 40;

/** `${NAME}` or `${file:…}` without a default, and nothing around it. */
const BARE_REFERENCE = /^\$\{(?:\w+(?::\?[^}]*)?|file:[^}]*)\}$/;

/** What a message is about: the key, or the value. */
export type Spot = 'key' | 'value';

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

/** The text of one configuration, the values in it, and the findings about it so far. */
export class ConfigSource {
  readonly text: string;
  readonly problems: Problem[] = [];
  /** The document as plain data with references expanded; `undefined` when the text is not YAML. */
  readonly value: unknown;
  readonly #lines: LineCounter;
  readonly #anchors = new Map<string, Node>();
  readonly #written = new Map<Node, Written>();
  readonly #hidden: (readonly [number, number])[] = [];
  /** Then no alias is followed. */
  #hasNestedAliases = false;
  readonly #root: Node | null;

  constructor(text: string, variables: VariableSource) {
    this.text = text;
    this.#lines = countLines(text);
    if (text.length > MAX_LENGTH) {
      this.#root = null;
      this.#reportRange(codes['config/too-large'], [0, 0], [], 'the file is larger than 8 MiB', null);
      return;
    }
    const document = parseDocument(text, {
      version: '1.2',
      schema: 'core',
      uniqueKeys: true,
      stringKeys: true,
      merge: false,
      strict: true,
      prettyErrors: false,
      // Warnings are about what is refused below; with 'silent' a second document would go unnoticed.
      logLevel: 'error',
    });
    this.#root = document.contents;
    const syntaxError = document.errors.find((error) => error.code !== 'DUPLICATE_KEY');
    for (const error of document.errors) {
      // What follows the first mistake of syntax is mostly its echo.
      if (error.code === 'DUPLICATE_KEY' || error === syntaxError) this.#reportYamlError(error);
    }
    if (document.directives.yaml.explicit === true || Object.keys(document.directives.tags).length > 1) {
      this.#reportRange(
        codes['yaml/tag'],
        [0, 1],
        [],
        'a "%" directive is not accepted: the text is read as YAML 1.2',
        null,
      );
    }
    if (syntaxError !== undefined) return;
    this.#refuseExtras();
    this.#expand(variables);
    this.value = this.#toPlain(this.#root, [], 0);
  }

  /** Adds a finding about a value or its key. */
  report(code: Code, path: KeyPath, message: string, hint: string | null = null, spot: Spot = 'value'): void {
    this.problems.push(this.problemAt(code, path, message, hint, spot));
  }

  /** A finding about a value or its key; where it is missing, about what it is missing from. */
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

  /** Keeps a value out of what is shown of the text. */
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
    this.#reportRange(code, error.pos, [], message, hint);
  }

  #reportRange(code: Code, range: readonly [number, number], path: KeyPath, message: string, hint: string | null) {
    this.problems.push(this.#problem(code, range, path, message, hint));
  }

  #problem(
    code: Code,
    [start, end]: readonly [number, number],
    path: KeyPath,
    message: string,
    hint: string | null,
  ): Problem {
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

  /** Refuses what YAML has beyond maps, lists and scalars. An alias stands for plain data only, so none multiplies another. */
  #refuseExtras(): void {
    let aliases = 0;
    visit(this.#root, {
      Alias: (_key, node, ancestors) => {
        aliases += 1;
        if (ancestors.some(isAnchored)) {
          this.#hasNestedAliases = true;
          this.#reportRange(
            codes['yaml/alias'],
            rangeOfNode(node),
            [],
            `alias "${node.source}" is inside an anchor`,
            null,
          );
        }
        if (aliases === MAX_ALIASES + 1) {
          this.#reportRange(
            codes['yaml/alias'],
            rangeOfNode(node),
            [],
            `there are more than ${MAX_ALIASES} aliases`,
            null,
          );
        }
      },
      Node: (_key, node, ancestors) => {
        if (isAlias(node)) return;
        if (node.tag !== undefined) {
          this.#reportRange(
            codes['yaml/tag'],
            rangeOfNode(node),
            [],
            'tags are not accepted',
            'remove the tag; put text in quotes',
          );
        }
        if (node.anchor === undefined) return;
        if (ancestors.some(isAnchored)) {
          this.#reportRange(
            codes['yaml/alias'],
            rangeOfNode(node),
            [],
            `anchor "${node.anchor}" is inside another anchor`,
            null,
          );
        }
        this.#anchors.set(node.anchor, node);
      },
      Pair: (_key, { key }) => {
        if (!isScalar(key)) return;
        if (key.value === '<<') {
          this.#reportRange(
            codes['yaml/merge-key'],
            rangeOfNode(key),
            [],
            'merge keys ("<<") are not accepted',
            'write the keys out',
          );
        } else if (key.value === '__proto__') {
          this.#reportRange(codes['config/unknown-key'], rangeOfNode(key), [], 'unknown key "__proto__"', null);
        }
      },
    });
  }

  /** Expands references in scalar values, never in keys. Plain scalars take the type that the result looks like. */
  #expand(variables: VariableSource): void {
    visit(this.#root, {
      Scalar: (key, node) => {
        if (key === 'key' || typeof node.value !== 'string' || !hasReference(node.value)) return;
        const { text, usesFile, isIncomplete, problems } = expandVariables(node.value, variables);
        this.#written.set(node, { text: node.value, usesFile, isIncomplete });
        for (const { message, hint } of problems) {
          this.#reportRange(codes['config/variable'], rangeOfNode(node), [], `the value ${message}`, hint);
        }
        node.value = node.type === Scalar.PLAIN ? plainValue(text) : text;
      },
    });
  }

  #toPlain(node: unknown, path: KeyPath, depth: number): unknown {
    if (isAlias(node)) return this.#toPlain(this.#targetOf(node), path, depth);
    if (depth > MAX_DEPTH) {
      this.#reportRange(
        codes['yaml/syntax'],
        isNodeWithRange(node) ? rangeOfNode(node) : [0, 1],
        [],
        'is nested too deep',
        null,
      );
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
      this.#reportRange(
        codes['yaml/number'],
        rangeOfNode(node),
        path,
        message,
        'write plain decimal digits, or put text in quotes',
      );
    }
    return node.value;
  }

  /** What an alias stands for. Anchors do not nest, so this cannot go in circles. */
  #targetOf(alias: { readonly source: string } & Node): Node | null {
    if (this.#hasNestedAliases) return null;
    const target = this.#anchors.get(alias.source) ?? null;
    const isBefore = target !== null && rangeOfNode(target)[1] <= rangeOfNode(alias)[0];
    if (isBefore) return target;
    if (!this.problems.some((problem) => problem.code === codes['yaml/alias'].code)) {
      this.#reportRange(
        codes['yaml/alias'],
        rangeOfNode(alias),
        [],
        `alias "${alias.source}" has no anchor before it`,
        null,
      );
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

  /** Where to point to: the value if it is on one line, else its key; the nearest thing above where there is neither. */
  #rangeOf(path: KeyPath, spot: Spot): readonly [number, number] {
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

/** Every line end of the text. The parser, asked to count them, leaves out those in what it cannot read. */
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
function rangeOfNode(node: Node): readonly [number, number] {
  const [start, end] = node.range ?? [0, 1];
  return [start, Math.max(end, start + 1)];
}

/** `0`, `-3`, `1.5`: what every reader of YAML takes for the same number. */
const isPlainDecimal = (scalar: Scalar): boolean =>
  scalar.source === undefined || /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(scalar.source);

/** The type of an expanded plain scalar: integers and booleans by their form, everything else is text. */
function plainValue(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : text;
}

/** Our words for the mistakes that people make; the library's for the rest. */
function describeYamlError(error: YAMLError, line: string): { code: Code; message: string; hint: string | null } {
  const syntax = (message: string, hint: string | null = null) => ({ code: codes['yaml/syntax'], message, hint });
  switch (error.code) {
    case 'DUPLICATE_KEY':
      return { code: codes['yaml/duplicate-key'], message: 'this key stands twice in the same map', hint: null };
    case 'TAB_AS_INDENT':
      return syntax('a tab is used for indentation', 'use spaces');
    case 'MULTIPLE_DOCS':
      return syntax('the file has more than one YAML document', 'keep one document per file');
    case 'NON_STRING_KEY':
      return syntax('a key has to be text');
    case 'BLOCK_AS_IMPLICIT_KEY':
      return syntax('a value cannot be followed by another key on the same line', 'put a value with ": " in quotes');
    case 'TAG_RESOLVE_FAILED':
      return { code: codes['yaml/tag'], message: 'tags are not accepted', hint: null };
    default: {
      const isReference = /[{[,:]\s*\$\{/.test(line) && /(?:^|[^$])[{[]|,/.test(line);
      // Without the text that the library quotes: it may be a secret.
      const sentence = error.message.charAt(0).toLowerCase() + error.message.slice(1).replace(/:? ".*$/s, '');
      return syntax(sentence, isReference ? 'inside { } and [ ], put "${…}" in quotes' : null);
    }
  }
}
