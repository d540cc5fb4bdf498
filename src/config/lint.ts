/**
 * Rules between keys, which the parts of the gateway state. A rule gets the valid part of a configuration, so that one
 * wrong value does not hide mistakes elsewhere, and reports each finding with its place.
 */

import type { KeyPath } from './findings/problem.ts';
import { valueAt } from './report.ts';
import type { ConfigSource } from './text/source.ts';

/**
 * The parameter of a rule.
 *
 * @typeParam D  the part of the draft that the rule reads. `undefined` stands for a section that is not valid, and for
 *   an optional one that is left out.
 */
export interface LintContext<D> {
  readonly draft: D;
  readonly source: ConfigSource;
}

/** The entries of a map by name, in the order of the file; `undefined` for those that are not valid. */
export type DraftEntries<T> = ReadonlyMap<string, T | undefined>;

/** The path of an entry, where a single value can stand for a list. */
export function entryPath({ source }: Pick<LintContext<unknown>, 'source'>, base: KeyPath, index: number): KeyPath {
  return Array.isArray(valueAt(source.value, base)) ? [...base, index] : base;
}
