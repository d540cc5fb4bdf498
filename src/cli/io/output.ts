/** What commands write: tables for people, JSON for programs. */

import type { CliIo } from '../command.ts';

/** Writes a result as JSON, or in words. */
export function show(io: CliIo, isJson: boolean, result: unknown, words: string): void {
  io.stdout.write(isJson ? `${JSON.stringify(result, null, 2)}\n` : words);
}

/**
 * Lays out rows in aligned columns, each with its heading. The last column is not padded.
 *
 * @param columns  by heading: the text of a row in that column
 * @returns lines, each with its line break
 */
export function formatTable<T>(rows: readonly T[], columns: Readonly<Record<string, (row: T) => string>>): string {
  const cells = rows.map((row) => Object.values(columns).map((textOf) => textOf(row)));
  const all = [Object.keys(columns), ...cells];
  const widths = Object.keys(columns).map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  return all
    .map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

/** One line that others may have written, without the characters that control a terminal or turn the direction of text. */
export const withoutControls = (line: string): string =>
  line.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]/g, '\ufffd');
