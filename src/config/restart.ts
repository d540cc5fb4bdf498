/** Finds the changes between two configurations that a reload cannot apply. */

import { isDeepStrictEqual } from 'node:util';
import type { z } from 'zod';
import { formatPath, type KeyPath } from './findings/problem.ts';
import { entriesOf, shapeOf, unwrap } from './walk.ts';

/** A key whose change needs a restart; or those below it that do, by name or in every entry of a list or a map. */
export type RestartKeys =
  | 'restart'
  | { readonly keys: ReadonlyMap<string, RestartKeys> }
  | { readonly entries: RestartKeys };

/** Finds them in a schema; `null` when there are none. */
export function restartKeys(outer: z.core.$ZodType): RestartKeys | null {
  const { schema, meta } = unwrap(outer);
  if (meta.restart === true) return 'restart';
  const entries = entriesOf(schema);
  if (entries !== null) {
    const below = restartKeys(entries);
    return below === null ? null : { entries: below };
  }
  const keys = new Map<string, RestartKeys>();
  for (const [key, child] of Object.entries(shapeOf(schema) ?? {})) {
    const below = restartKeys(child);
    if (below !== null) keys.set(key, below);
  }
  return keys.size === 0 ? null : { keys };
}

/**
 * Compares two configurations in these keys.
 *
 * @returns paths of those that differ, in the order of the schema
 */
export const keysThatNeedRestart = (keys: RestartKeys | null, running: unknown, wanted: unknown): string[] =>
  keys === null ? [] : changed(keys, running, wanted, []).map(formatPath);

function changed(keys: RestartKeys, before: unknown, after: unknown, path: KeyPath): KeyPath[] {
  if (keys === 'restart') return isDeepStrictEqual(before, after) ? [] : [path];
  const below = childrenOf(keys, before, after).flatMap(([key, child]) =>
    changed(child, memberOf(before, key), memberOf(after, key), [...path, key]),
  );
  // A section that appears or disappears is reported as one.
  return below.length > 0 && (before === undefined || after === undefined) ? [path] : below;
}

function childrenOf(keys: Exclude<RestartKeys, 'restart'>, before: unknown, after: unknown) {
  if ('keys' in keys) return [...keys.keys];
  const names = new Set([...Object.keys(Object(before)), ...Object.keys(Object(after))]);
  return [...names].map((name) => [name, keys.entries] as const);
}

const memberOf = (value: unknown, key: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
