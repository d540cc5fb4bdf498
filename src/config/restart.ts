/** Finds the changes between two configurations that a reload cannot apply. */

import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { formatPath, type KeyPath } from './findings/problem.ts';
import { entriesOf, shapeOf, unwrap } from './walk.ts';

/**
 * Compares two configurations.
 *
 * @returns paths of the keys that differ and whose change needs a restart, in the order of the schema
 */
export function keysThatNeedRestart<S extends z.ZodType>(
  schema: S,
  running: z.output<S>,
  wanted: z.output<S>,
): string[] {
  return changed(schema, running, wanted, []).map(formatPath);
}

function changed(outer: z.core.$ZodType, before: unknown, after: unknown, path: KeyPath): KeyPath[] {
  if (isDeepStrictEqual(before, after)) return [];
  const { schema, meta } = unwrap(outer);
  if (meta.restart === true) return [path];
  const keys = keysOf(schema, before, after);
  const below = keys.flatMap((key) => {
    const child = shapeOf(schema)?.[key] ?? entriesOf(schema);
    return child === null ? [] : changed(child, memberOf(before, key), memberOf(after, key), [...path, key]);
  });
  // A section that appears or disappears is reported as one.
  return below.length > 0 && (before === undefined || after === undefined) ? [path] : below;
}

function keysOf(schema: z.core.$ZodType, before: unknown, after: unknown): readonly string[] {
  const shape = shapeOf(schema);
  if (shape !== null) return Object.keys(shape);
  return [...new Set([...Object.keys(Object(before)), ...Object.keys(Object(after))])];
}

const memberOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
