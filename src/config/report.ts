/** Turns zod's issues into findings: with a place, a clear message and a suggestion. */

import type { z } from 'zod';
import { nearest } from '../lib/text/nearest.ts';
import { codes } from './findings/codes.ts';
import { type Code, formatPath, type KeyPath } from './findings/problem.ts';
import type { ConfigSource } from './text/source.ts';
import { alternativesOf, schemasAt, shapeOf, unwrap } from './walk.ts';

type Issue = z.core.$ZodIssue;
type Schema = z.core.$ZodType;

/** Marks an issue without a message of its own: the best matching branch supplies it. */
const NO_FORM = 'has none of the accepted forms';

/** The message of an issue for which the schema has none. Pass it to `safeParse` as `error`. */
export function describeIssue(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'is required';
      return issue.input === null
        ? 'is empty: give it a value, or leave the key out'
        : `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      if (issue.input === undefined) return 'is required';
      return issue.values.length === 1
        ? `must be ${String(issue.values[0])}`
        : `must be one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return limitText(issue.origin, issue.minimum, 'at least');
    case 'too_big':
      return limitText(issue.origin, issue.maximum, 'at most');
    case 'invalid_union':
      return NO_FORM;
    default:
      return 'is not accepted';
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'a map of keys',
  record: 'a map of keys',
};

function limitText(origin: string, limit: number | bigint, bound: 'at least' | 'at most'): string {
  if (origin === 'string') {
    return limit === 1 && bound === 'at least' ? 'must not be empty' : `must have ${bound} ${limit} characters`;
  }
  if (origin === 'array') {
    return limit === 1 && bound === 'at least' ? 'must not be an empty list' : `must have ${bound} ${limit} entries`;
  }
  return `must be ${bound} ${limit}`;
}

/** Adds a finding for every issue. */
export function reportIssues(issues: readonly Issue[], schema: Schema, source: ConfigSource): void {
  const reporter = new IssueReporter(schema, source);
  // A misspelt key is unknown and missing at once, but one mistake; so unknown keys come first.
  const flat = issues.flatMap((issue) => reporter.flatten(issue, []));
  for (const issue of flat) if (issue.code === 'unrecognized_keys') reporter.reportUnknownKeys(issue);
  for (const issue of flat) if (issue.code !== 'unrecognized_keys') reporter.report(issue);
}

class IssueReporter {
  readonly #schema: Schema;
  readonly #source: ConfigSource;
  /** Paths with a misspelt or misplaced key, and the paths that were meant. */
  readonly #misspelt = new Set<string>();

  constructor(schema: Schema, source: ConfigSource) {
    this.#schema = schema;
    this.#source = source;
  }

  /** Replaces the issue of a union with those of the branch that fits best, with full paths. */
  flatten(issue: Issue, base: KeyPath): Issue[] {
    const path = [...base, ...(issue.path as KeyPath)];
    const placed = { ...issue, path } as Issue;
    if (placed.code !== 'invalid_union' || placed.message !== NO_FORM) return [placed];
    const branches = placed.errors.filter((branch) => branch.length > 0);
    const fitting = branches.filter((branch) => !branch.some((inner) => inner.path.length === 0 && isWrongKind(inner)));
    const [best] = fitting.toSorted((a, b) => a.length - b.length);
    if (best !== undefined) return best.flatMap((inner) => this.flatten(inner, path));
    const kinds = [...new Set(branches.flatMap((branch) => branch.map((inner) => inner.message)))];
    return [
      {
        ...placed,
        message: kinds.map((kind, index) => (index === 0 ? kind : kind.replace(/^must be /, ''))).join(' or '),
      },
    ];
  }

  reportUnknownKeys(issue: Issue & { code: 'unrecognized_keys' }): void {
    const path = issue.path as KeyPath;
    const present = Object.keys((valueAt(this.#source.value, path) ?? {}) as object);
    const shapes = schemasAt(this.#schema, path).map(shapeOf);
    const known = [...new Set(shapes.flatMap((shape) => Object.keys(shape ?? {})))].filter(
      (key) => !present.includes(key),
    );
    for (const key of issue.keys) {
      // A secret that is written down in the configuration belongs in a file.
      const meant = known.find((name) => name === `${key}File`) ?? nearest(key, known);
      if (meant !== null) this.#misspelt.add(formatPath([...path, meant]));
      if (SECRET_NAME.test(key)) this.#source.hide([...path, key]);
      const where = path.length === 0 ? '' : ` in ${formatPath(path)}`;
      const parent = meant === null ? parentOf(key, shapes) : null;
      const hint =
        meant !== null ? `did you mean "${meant}"?` : parent !== null ? `it belongs under "${parent}"` : null;
      if (parent !== null) this.#misspelt.add(formatPath([...path, parent]));
      if (hint !== null) this.#misspelt.add(formatPath(path));
      this.#source.report(
        codes['config/unknown-key'],
        [...path, key],
        `unknown key ${JSON.stringify(key)}${where}`,
        hint,
        'key',
      );
    }
  }

  report(issue: Issue): void {
    const path = issue.path as KeyPath;
    // The value of an unresolved reference is unknown, so it cannot be judged.
    if (this.#source.writtenAt(path)?.isIncomplete === true) return;
    const isMissing = valueAt(this.#source.value, path) === undefined;
    if ((isMissing || issue.code === 'custom') && this.#misspelt.has(formatPath(path))) return;
    const isKey = issue.code === 'invalid_key';
    const text = isKey ? (issue.issues[0]?.message ?? issue.message) : issue.message;
    const message = isMissing && !text.startsWith('is required') ? `is required: it ${text}` : text;
    if (path.length === 0) {
      const isEmpty = this.#source.value === null;
      this.#source.report(codes['config/invalid-value'], path, isEmpty ? 'the file is empty' : `the file ${message}`);
      return;
    }
    const code = isMissing ? codes['config/missing-key'] : codeOf(issue);
    this.#source.report(code, path, `${formatPath(path)} ${message}`, this.#hint(issue), isKey ? 'key' : 'value');
  }

  #hint(issue: Issue): string | null {
    if (issue.code === 'custom' && typeof issue.params?.['hint'] === 'string') return issue.params['hint'];
    const path = issue.path as KeyPath;
    const value = valueAt(this.#source.value, path);
    const alternatives = schemasAt(this.#schema, path);
    if (typeof value === 'string') {
      const known = alternatives.flatMap(literalsOf);
      const meant = known.includes(value) ? null : nearest(value, known);
      if (meant !== null) return `did you mean "${meant}"?`;
    }
    if (issue.code === 'invalid_union' && typeof value === 'object' && value !== null) {
      const known = alternatives.flatMap((schema) => Object.keys(shapeOf(schema) ?? {}));
      const [key, meant] =
        Object.keys(value).map((key) => [key, known.includes(key) ? null : nearest(key, known)] as const)[0] ?? [];
      if (key !== undefined && meant != null) return `did you mean "${meant}"?`;
    }
    const wantsList = issue.code === 'invalid_type' ? issue.expected === 'array' : / a list\b/.test(issue.message);
    if (wantsList && typeof value === 'string') return 'a list is written in brackets: […]';
    const isScalar = typeof value === 'number' || typeof value === 'boolean';
    return isScalar && issue.message === `must be ${TYPE_NAMES['string']}` ? 'put it in quotes' : null;
  }
}

/** Keys that probably hold a secret, so that their values are not shown. */
const SECRET_NAME = /pass|pwd|secret|token|cred|key/i;

/** Whether the branch expects a value of another type, or another fixed word. */
const isWrongKind = (issue: Issue) => issue.code === 'invalid_type' || issue.code === 'invalid_value';

/** The code of an issue; a rule of the schema can name its own. */
function codeOf(issue: Issue): Code {
  const code: unknown = issue.code === 'custom' ? issue.params?.['code'] : undefined;
  return isCode(code) ? code : codes['config/invalid-value'];
}

const isCode = (value: unknown): value is Code =>
  typeof value === 'object' && value !== null && 'code' in value && 'severity' in value;

/** The words that a schema accepts, if it accepts fixed words. */
function literalsOf(schema: Schema): string[] {
  const def = schema._zod.def as { type: string; values?: unknown[]; entries?: Record<string, unknown> };
  const values =
    def.type === 'literal' ? (def.values ?? []) : def.type === 'enum' ? Object.values(def.entries ?? {}) : [];
  return values.filter((value) => typeof value === 'string');
}

/** The key under which a misplaced one exists: `roles` belongs under `allow`. */
function parentOf(key: string, shapes: readonly ReturnType<typeof shapeOf>[]): string | null {
  for (const shape of shapes) {
    for (const [parent, child] of Object.entries(shape ?? {})) {
      const below = alternativesOf(unwrap(child).schema).map(shapeOf);
      if (below.some((inner) => inner !== null && Object.hasOwn(inner, key))) return parent;
    }
  }
  return null;
}

/** What plain data has at a path; `undefined` where it has nothing. */
export function valueAt(data: unknown, path: KeyPath): unknown {
  return path.reduce<unknown>((value, part) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return undefined;
    return (value as Record<string | number, unknown>)[part];
  }, data);
}
