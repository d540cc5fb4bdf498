/**
 * Rules about names: every name that is used must exist, and every id is unique. They read the written text, so that a
 * mistake elsewhere in an entry does not hide a wrong name in it.
 */

import { nearest } from '../lib/text/nearest.ts';
import { codes } from './findings/codes.ts';
import type { Code, KeyPath } from './findings/problem.ts';
import type { LintContext } from './lint.ts';
import { valueAt } from './report.ts';

type Context = Pick<LintContext<unknown>, 'source'>;

/** One place where a name is used. */
export interface Use {
  readonly path: KeyPath;
  readonly name: string;
}

/** The texts at one place in each entry of a list. */
export function uses(context: Context, list: KeyPath, place: KeyPath): Use[] {
  const entries = valueAt(context.source.value, list);
  return Array.isArray(entries) ? entries.flatMap((_, index) => use(context, [...list, index, ...place])) : [];
}

/** The same for a map by name. */
export function usesByName(context: Context, map: KeyPath, place: KeyPath): Use[] {
  const entries = valueAt(context.source.value, map);
  if (typeof entries !== 'object' || entries === null || Array.isArray(entries)) return [];
  return Object.keys(entries).flatMap((name) => use(context, [...map, name, ...place]));
}

function use({ source }: Context, path: KeyPath): Use[] {
  const name = valueAt(source.value, path);
  return typeof name === 'string' && source.writtenAt(path)?.isIncomplete !== true ? [{ path, name }] : [];
}

/** Reports names that do not exist. */
export function reportUnknown(
  { source }: Context,
  found: readonly Use[],
  known: readonly string[],
  code: Code,
  what: string,
  key: string,
): void {
  for (const { path, name } of found) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    const hint =
      meant === null
        ? `${key} has ${known.length === 0 ? 'no entries' : known.join(', ')}`
        : `did you mean "${meant}"?`;
    source.report(code, path, `${what} ${JSON.stringify(name)} is not one of "${key}"`, hint);
  }
}

/** Reports entries that nothing refers to. */
export function reportUnused(
  { source }: Context,
  key: string,
  known: readonly string[],
  found: readonly Use[],
  why: string,
): void {
  const used = new Set(found.map(({ name }) => name));
  for (const name of known) {
    if (!used.has(name))
      source.report(codes['config/unused'], [key, name], `${key}.${name} is not used: ${why}`, null, 'key');
  }
}

/**
 * Reports names that an earlier entry already has.
 *
 * @param reported  the names to report; the others are only compared with
 */
export function reportDuplicates(
  { source }: Context,
  found: readonly Use[],
  code: Code,
  what: string,
  reported: readonly Use[] = found,
): void {
  const first = new Map<string, KeyPath>();
  for (const use of found) {
    const { path, name } = use;
    const earlier = first.get(name);
    if (earlier === undefined) first.set(name, path);
    else if (reported.includes(use))
      source.report(code, path, `${what} ${JSON.stringify(name)} is already used on line ${source.lineOf(earlier)}`);
  }
}
