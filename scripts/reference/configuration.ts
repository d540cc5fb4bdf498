/** `docs/reference/configuration.md`: every key of the configuration, generated from the schema. */

import type { z } from 'zod';
import { formatPath } from '../../src/config/findings/problem.ts';
import { alternativesOf, entriesOf, type KeySchema, shapeOf, unwrap } from '../../src/config/walk.ts';
import { bareSchema } from '../../src/gateway/configuration/schema.ts';
import { cell, code, generated, table } from './markdown.ts';

type Schema = z.core.$ZodType;

const INTRODUCTION = `# Configuration

One YAML file (YAML 1.2: \`no\` and \`on\` are text; no tags, no merge keys, no duplicate keys). \`sallyport validate\` checks it
and reports every mistake at once; [problems.md](problems.md) explains the codes. An editor that knows the YAML language
server completes and checks it with this first line:

\`\`\`yaml
# yaml-language-server: $schema=./sallyport.schema.json
\`\`\`

**Durations** are written with units: \`250ms\`, \`30s\`, \`2m\`, \`12h\`, \`30d\`, \`1h30m\`. **Sizes** too: \`512B\`, \`64KiB\`, \`10MiB\`.
**Files** are relative to the configuration file.

**References** are expanded in values, after YAML is parsed, so a value cannot add structure: \`\${VAR}\`,
\`\${VAR:-default}\` (also when it is empty), \`\${VAR:?message}\`, \`\${file:/path}\` (one newline at the end is not part of it).
A variable that is not set is a mistake. \`$\${\` is a literal \`\${\`. Without quotes the result is a number or a boolean if it
looks like one; in quotes it is text. Inside \`{ }\` and \`[ ]\` a reference must be in quotes.

A **reload** (when the file changes, on SIGHUP, by \`POST /-/reload\`) applies everything but the keys marked *restart*; it says
which of those changed. A configuration with a mistake changes nothing.
`;

/** Writes the page. */
export function configurationPage(): string {
  const root = unwrap(bareSchema()).schema;
  return [generated('src/gateway/configuration/schema.ts'), INTRODUCTION, ...sections([], root, '')].join('\n');
}

/** A section for a map with fixed keys, then one for each such map below it. */
function sections(path: readonly string[], schema: Schema, description: string): string[] {
  const keys = Object.entries(shapeOf(schema) ?? {}).map(([name, outer]) => ({ name, key: unwrap(outer) }));
  // `<name>` in a heading would be HTML.
  const title = path.length === 0 ? '## Top level' : `## ${titleOf(path).replaceAll('<', '\\<')}`;
  const rows = keys.map(({ name, key }) => row(name, key, [...path, name]));
  const own = `${title}\n\n${description === '' ? '' : `${description}\n\n`}${table(['Key', 'Type', 'Default', 'Meaning'], rows)}`;
  return [own, ...keys.flatMap(({ name, key }) => sectionsBelow([...path, name], key))];
}

/** The sections below a key: its own map, its entries, or the maps among its alternatives. */
function sectionsBelow(path: readonly string[], { schema, meta }: KeySchema): string[] {
  if (shapeOf(schema) !== null) return sections(path, schema, meta.description ?? '');
  const entries = entriesOf(schema);
  if (entries === null) return [];
  const entry = unwrap(entries);
  const mark = schema._zod.def.type === 'array' ? '[]' : '.<name>';
  return shapeOf(entry.schema) === null ? [] : sections([...path, mark], entry.schema, meta.description ?? '');
}

const titleOf = (path: readonly string[]) =>
  path.reduce(
    (text, part) => (part === '[]' || part === '.<name>' ? text + part : text === '' ? part : `${text}.${part}`),
    '',
  );

/** The anchor that GitHub generates for a title. */
const anchorOf = (path: readonly string[]) =>
  titleOf(path)
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, '');

function row(name: string, { schema, meta, isOptional, fallback }: KeySchema, path: readonly string[]): string[] {
  const target = sectionTarget(schema, path);
  const type = target === null ? cell(typeText(schema, meta.kind)) : `[${linkText(schema)}](#${anchorOf(target)})`;
  const limits = meta.limits === undefined || meta.limits === '' ? limitsOf(schema) : meta.limits;
  const notes = [
    meta.description ?? '',
    limits === '' ? '' : `${limits.charAt(0).toUpperCase()}${limits.slice(1)}.`,
    meta.restart === true ? '*Restart.*' : '',
  ];
  return [
    code(formatPath([name])),
    type,
    defaultText(isOptional, fallback),
    cell(notes.filter((note) => note !== '').join(' ')),
  ];
}

function sectionTarget(schema: Schema, path: readonly string[]): readonly string[] | null {
  if (shapeOf(schema) !== null) return path;
  const entries = entriesOf(schema);
  if (entries === null || shapeOf(unwrap(entries).schema) === null) return null;
  return [...path, schema._zod.def.type === 'array' ? '[]' : '.<name>'];
}

/** A link to a section. */
function linkText(schema: Schema): string {
  const { type } = schema._zod.def;
  return type === 'array' ? 'list' : type === 'record' ? 'map by name' : 'keys';
}

function defaultText(isOptional: boolean, fallback: unknown): string {
  if (!isOptional) return '**required**';
  if (
    fallback === undefined ||
    (typeof fallback === 'object' && fallback !== null && Object.keys(fallback).length === 0)
  )
    return '';
  return code(typeof fallback === 'string' ? fallback : JSON.stringify(fallback));
}

function limitsOf(schema: Schema): string {
  const { minimum, maximum } = (schema as { _zod: { bag: { minimum?: number; maximum?: number } } })._zod.bag;
  const isBounded = maximum !== undefined && maximum < 1_000_000_000;
  const lower =
    minimum !== undefined && minimum !== 1 && minimum !== 0 && Number.isSafeInteger(minimum) && minimum > -1e9;
  return [...(lower ? [`at least ${minimum}`] : []), ...(isBounded ? [`at most ${maximum}`] : [])].join(', ');
}

type Def = z.core.$ZodTypeDef & Record<string, unknown>;

/** The accepted values, in words. */
function typeText(schema: Schema, kind: string | undefined): string {
  const def = schema._zod.def as Def;
  const inner = (item: Schema) => {
    const { schema: unwrapped, meta } = unwrap(item);
    return typeText(unwrapped, meta.kind);
  };
  switch (def.type) {
    case 'string':
      return kind ?? 'text';
    case 'int':
    case 'number':
      return 'number';
    case 'boolean':
      return 'true or false';
    case 'enum':
      if (kind !== undefined) return kind;
      return Object.values(def['entries'] as Record<string, string>)
        .map(code)
        .join(' or ');
    case 'literal':
      return (def['values'] as unknown[]).map((value) => code(String(value))).join(' or ');
    case 'array': {
      const item = inner(def['element'] as Schema);
      return `list of ${item.startsWith('`') ? item : plural(item)}`;
    }
    case 'record':
      return `map of ${inner(def['keyType'] as Schema)} to ${inner(def['valueType'] as Schema)}`;
    case 'tuple':
      return `[${(def['items'] as Schema[]).map(inner).join(', ')}]`;
    case 'object':
      return shortShape(schema);
    case 'union':
      return [
        ...new Set(alternativesOf(schema).map((alternative) => typeText(alternative, unwrap(alternative).meta.kind))),
      ].join(' or ');
    default:
      return 'any value';
  }
}

/** `{ any }` for a map with few keys, `keys` for one with its own section. */
function shortShape(schema: Schema): string {
  const names = Object.keys(shapeOf(schema) ?? {});
  return names.length <= 2 ? code(`{ ${names.map((name) => `${name}: …`).join(', ')} }`) : 'keys';
}

const plural = (words: string) =>
  words === 'keys' || words === 'text' ? (words === 'text' ? 'texts' : words) : `${words}s`;
