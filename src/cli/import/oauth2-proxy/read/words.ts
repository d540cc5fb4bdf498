/** Words of a command line, as a shell would split them. */

const PART =
  /(?<comment>(?<=^|\s)#[^\n]*)|(?<space>\s+)|'(?<single>[^']*)'|"(?<double>(?:\\[\s\S]|[^"\\])*)"|\\(?<escaped>[\s\S])|(?<plain>[^\s'"\\]+)/g;

/**
 * Splits a command line into words. Quotes, backslashes and comments are those of a POSIX shell; nothing is expanded, and an
 * open quote counts for nothing.
 *
 * @returns the words, without quotes
 */
export function readWords(text: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  for (const { groups } of text.matchAll(PART)) {
    const { comment, space, single, double, escaped, plain } = groups ?? {};
    if (space !== undefined) {
      if (word !== null) words.push(word);
      word = null;
    } else if (comment === undefined && escaped !== '\n')
      word = (word ?? '') + (single ?? double?.replaceAll(/\\(["\\$`])/g, '$1') ?? escaped ?? plain ?? '');
  }
  if (word !== null) words.push(word);
  return words;
}
