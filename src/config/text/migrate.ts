/** Rewrites the text of a configuration without former names. Pure: reads neither files nor the environment. */

import { isDeepStrictEqual } from 'node:util';
import { type Document, visit } from 'yaml';
import type { Problem } from '../findings/problem.ts';
import { type FormerName, type Renames, Renaming } from './renames.ts';
import { ConfigSource, parseConfig } from './source.ts';

/** What rewriting a text gives. */
interface Migrated {
  /** The new text, the same as before where nothing was replaced; `null` when the text cannot be rewritten. */
  readonly text: string | null;
  /**
   * What is wrong with the text when it cannot be rewritten: it is not YAML, or a key is there under both names. Else the
   * former names that were replaced, and those that remain because they come from a reference.
   */
  readonly problems: readonly Problem[];
  readonly source: ConfigSource;
}

/** References without a default are unknown here, and what depends on them is left. */
const NOTHING = { env: {}, readFile: () => null };

/**
 * Replaces the former names in a text. Only the names change; where a key moves to another map, or an alias must be written
 * out, the YAML is serialised again: comments, order and quotes stay, white space may change.
 */
export function migrate(text: string, renames: Renames): Migrated {
  const source = new ConfigSource(text, NOTHING, renames);
  // Variables and files are not read here.
  const problems = source.problems.filter(({ code }) => code !== 'config/variable');
  if (problems.some(({ severity }) => severity === 'error')) return { text: null, problems, source };
  const document = parseConfig(text);
  const renaming = replaceNames(document, renames);
  if (renaming.found.length === 0) return { text, problems, source };
  const spliced = renaming.isStructural ? null : splice(text, renaming.found);
  const isSame = (written: string) =>
    isDeepStrictEqual(new ConfigSource(written, NOTHING, renames).value, source.value);
  const hasNone = (written: string) => replaceNames(parseConfig(written), renames).found.length === 0;
  const written = [spliced, rewritten(document, text)].find((it) => it !== null && isSame(it) && hasNone(it));
  if (written == null) throw new Error('the rewritten configuration does not mean the same');
  return { text: written, problems, source };
}

function replaceNames(document: Document.Parsed, renames: Renames): Renaming {
  const renaming = new Renaming(document.contents);
  renaming.replaceKeys(renames.keys);
  renaming.replaceValues(renames.values);
  return renaming;
}

/** The text with the names replaced in place. */
function splice(text: string, found: readonly FormerName[]): string {
  const places = found.toSorted((a, b) => startOf(b) - startOf(a));
  return places.reduce((rest, { node, written, present }) => {
    const [start, end] = node.range ?? [0, 0];
    return `${rest.slice(0, start)}${rest.slice(start, end).replace(written, () => present)}${rest.slice(end)}`;
  }, text);
}

const startOf = ({ node }: FormerName) => node.range?.[0] ?? 0;

/** The document as text, in the style of the original: line ends, indentation, spaces inside `{ }`. */
function rewritten(document: Document.Parsed, text: string): string {
  const indent = /\n( +)[^\s#-]/.exec(text)?.[1]?.length ?? 2;
  let flowCollectionPadding = true;
  visit(document, {
    Collection: (_key, { flow, range }) => {
      if (flow !== true || range == null) return undefined;
      flowCollectionPadding = /^.\s/.test(text.slice(range[0], range[0] + 2));
      return visit.BREAK;
    },
  });
  const indentSeq = !/^- /m.test(text);
  const written = document.toString({ lineWidth: 0, indent, indentSeq, flowCollectionPadding });
  return text.includes('\r\n') ? written.replace(/\r?\n/g, '\r\n') : written;
}
