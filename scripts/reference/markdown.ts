/** Markdown, as the reference pages need it. */

/** Marks a page as generated, so that no one edits it. */
export const generated = (source: string): string => `<!-- Generated from ${source} by \`npm run generate\`. -->\n`;

/** Escapes text for a cell of a table. */
export const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

/** Code in a cell of a table; long lists of it can break between lines. */
export const code = (text: string): string => `\`${text.replaceAll('|', '\\|')}\``;

/** A table; cells are Markdown. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`;
  return [line(heading), line(heading.map(() => '---')), ...rows.map(line)].join('');
}
