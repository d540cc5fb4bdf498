/**
 * Reads the schema: which keys a path has, and their metadata. Everything derived from the schema alone (suggestions,
 * restart keys, redaction, documentation) uses this module.
 */

import type { z } from 'zod';
import type { KeyPath } from './findings/problem.ts';

type Schema = z.core.$ZodType;
type AnyDef = z.core.$ZodTypeDef & Record<string, unknown>;

/** Metadata of a key, as sections write it. */
export interface KeyMeta {
  readonly description?: string;
  /** Kind of text, for the documentation: `duration`, `header name`. */
  readonly kind?: string;
  /** Of a duration, for the documentation: `at least 1s`. */
  readonly limits?: string;
  /** Whether a change needs a restart. */
  readonly restart?: boolean;
  /** Whether the value may hold a secret, which is never shown. */
  readonly secret?: boolean;
  /** Set when the value names a file with a secret: what the secret is for. */
  readonly secretFile?: string;
}

/** A key's schema without its wrappers, and the metadata of the wrappers. */
export interface KeySchema {
  /** Of the written value, before transformation. */
  readonly schema: Schema;
  readonly meta: KeyMeta;
  readonly isOptional: boolean;
  /** Default in its written form; `undefined` for none. */
  readonly fallback: unknown;
}

const registry = (schema: Schema): KeyMeta => ((schema as z.ZodType).meta() as KeyMeta | undefined) ?? {};
const defOf = (schema: Schema): AnyDef => schema._zod.def as AnyDef;

/** Removes the wrappers of a schema: optional, default, transformation. The outermost metadata wins. */
export function unwrap(outer: Schema): KeySchema {
  let schema = outer;
  let meta: KeyMeta = {};
  let isOptional = false;
  let fallback: unknown;
  for (;;) {
    meta = { ...registry(schema), ...meta };
    const def = defOf(schema);
    switch (def.type) {
      case 'optional':
        isOptional = true;
        schema = def['innerType'] as Schema;
        break;
      case 'prefault':
        isOptional = true;
        fallback = def['defaultValue'];
        schema = def['innerType'] as Schema;
        break;
      case 'pipe':
        schema = def['in'] as Schema;
        break;
      default:
        return { schema, meta, isOptional, fallback };
    }
  }
}

/** The keys of a map with fixed keys; `null` for anything else. */
export function shapeOf(schema: Schema): Readonly<Record<string, Schema>> | null {
  const def = defOf(schema);
  return def.type === 'object' ? (def['shape'] as Record<string, Schema>) : null;
}

/** The schema of the entries of a list, or of the values of a map with free keys; `null` for anything else. */
export function entriesOf(schema: Schema): Schema | null {
  const def = defOf(schema);
  if (def.type === 'array') return def['element'] as Schema;
  return def.type === 'record' ? (def['valueType'] as Schema) : null;
}

/** The alternatives of a union, unwrapped; the schema itself for anything else. */
export function alternativesOf(schema: Schema): readonly Schema[] {
  const def = defOf(schema);
  return def.type === 'union'
    ? (def['options'] as Schema[]).flatMap((option) => alternativesOf(unwrap(option).schema))
    : [schema];
}

/** The schemas that a path can lead to, unwrapped; several where a union is on the way. */
export function schemasAt(root: Schema, path: KeyPath): readonly Schema[] {
  return path.reduce<readonly Schema[]>(
    (schemas, part) =>
      schemas.flatMap((schema) => {
        const child = childOf(schema, part);
        return child === null ? [] : alternativesOf(unwrap(child).schema);
      }),
    alternativesOf(unwrap(root).schema),
  );
}

/** Visits every key of the written data that the schema knows, with its metadata, parents before children. */
export function walkKeys(
  root: Schema,
  data: unknown,
  visit: (path: KeyPath, value: unknown, meta: KeyMeta) => void,
  path: KeyPath = [],
): void {
  const { schema, meta } = unwrap(root);
  visit(path, data, meta);
  for (const alternative of alternativesOf(schema)) {
    for (const [key, value] of entriesIn(data)) {
      const child = childOf(alternative, key);
      if (child !== null) walkKeys(child, value, visit, [...path, key]);
    }
  }
}

function entriesIn(data: unknown): readonly (readonly [string | number, unknown])[] {
  if (Array.isArray(data)) return [...data.entries()];
  return typeof data === 'object' && data !== null ? Object.entries(data) : [];
}

function childOf(schema: Schema, key: string | number): Schema | null {
  const def = defOf(schema);
  const fixed = typeof key === 'number' ? (def.type === 'tuple' ? (def['items'] as Schema[]) : null) : shapeOf(schema);
  if (fixed === null) return entriesOf(schema);
  return Object.hasOwn(fixed, key) ? ((fixed as Record<string | number, Schema>)[key] ?? null) : null;
}
