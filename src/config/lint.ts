/**
 * Rules between keys, as the parts of the gateway state them. A rule is asked of what is valid of a configuration, so
 * that one wrong value does not hide what is wrong elsewhere, and reports each finding with its place.
 */

import type { KeyPath } from './problem.ts';
import { valueAt } from './report.ts';
import type { ConfigSource } from './source.ts';

/**
 * What rules are asked with.
 *
 * @typeParam D  the part of the draft that the rule reads. `undefined` stands for a section that is not valid, and for
 *   one that may be left out and is.
 */
export interface LintContext<D> {
  readonly draft: D;
  readonly source: ConfigSource;
}

/** The entries of a map by name, as far as they are valid, in the order of the file. */
export type DraftEntries<T> = ReadonlyMap<string, T | undefined>;

/** The path of an entry where one value can stand for a list of one. */
export function entryPath({ source }: Pick<LintContext<unknown>, 'source'>, base: KeyPath, index: number): KeyPath {
  return Array.isArray(valueAt(source.value, base)) ? [...base, index] : base;
}
