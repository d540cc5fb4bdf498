/**
 * text: texts that people or programs write: trimmed, measured, counted, compared.
 *
 * This file trims in linear time. A pattern such as `/[ \t]+$/` tries each run of blanks again from every position in
 * it, which takes quadratic time on a long run that is not at the end: 15,000 blanks in one header stopped the event
 * loop for a quarter of a second.
 */

/** Optional whitespace of HTTP (RFC 9110 §5.6.3). */
const BLANKS = ' \t';

/**
 * Removes characters from both ends of a text.
 *
 * @param characters  which ones; default: space and horizontal tab
 */
export function trim(text: string, characters = BLANKS): string {
  return trimEnd(trimStart(text, characters), characters);
}

/** Removes characters from the start of a text; default: space and horizontal tab. */
export function trimStart(text: string, characters = BLANKS): string {
  let start = 0;
  while (start < text.length && characters.includes(text.charAt(start))) start += 1;
  return start === 0 ? text : text.slice(start);
}

/** Removes characters from the end of a text; default: space and horizontal tab. */
export function trimEnd(text: string, characters = BLANKS): string {
  let end = text.length;
  while (end > 0 && characters.includes(text.charAt(end - 1))) end -= 1;
  return end === text.length ? text : text.slice(0, end);
}
