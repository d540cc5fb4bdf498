/** What JSON can say, and JSON that two parsers may read differently. */

/** The deepest nesting accepted: no token or request that the gateway reads needs more (JWT-39). */
const MAX_DEPTH = 8;

/**
 * Whether a JSON text has an object with two members of the same name, or nests too deep. JSON.parse keeps the last of two
 * such members, other parsers keep the first (JWT-15, JWT-16).
 *
 * perf: bench/micro/json.ts. A text with more members than the value that was read from it has lost some: counting is a
 * third of the cost of keeping the names of each object.
 *
 * @param text   valid JSON
 * @param value  the result of JSON.parse for it
 */
export function hasDuplicateMember(text: string, value: unknown): boolean {
  return membersInText(text) !== membersInValue(value, 1);
}

const QUOTE = '"';
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const SPACE = 0x20;

/** How many strings are followed by a colon. The text is valid JSON. */
function membersInText(text: string): number {
  let count = 0;
  let open = text.indexOf(QUOTE);
  while (open !== -1) {
    let close = text.indexOf(QUOTE, open + 1);
    while (isEscaped(text, close)) close = text.indexOf(QUOTE, close + 1);
    if (close === -1) return count;
    let next = close + 1;
    // JSON has four white space characters, and no other character that can occur here has a lower code.
    while (text.charCodeAt(next) <= SPACE) next += 1;
    if (text.charCodeAt(next) === COLON) count += 1;
    open = text.indexOf(QUOTE, next);
  }
  return count;
}

/** Whether an odd number of backslashes precedes a position. */
function isEscaped(text: string, position: number): boolean {
  let before = position - 1;
  while (text.charCodeAt(before) === BACKSLASH) before -= 1;
  return (position - before) % 2 === 0;
}

/** How many members all objects in a value have together; not a number when it nests too deep. */
function membersInValue(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth > MAX_DEPTH) return Number.NaN;
  const children = Object.values(value);
  let count = Array.isArray(value) ? 0 : children.length;
  for (const child of children) count += membersInValue(child, depth + 1);
  return count;
}

/** What JSON can say. */
export type JSONType = string | number | boolean | null | JSONType[] | { [key: string]: JSONType };

/** Whether a value is an object of JSON: neither `null` nor a list. */
export const isJsonObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The value of a JSON text; `undefined` when the text is not JSON. Of two members of one name, the last one counts. */
export function jsonOf(text: string): JSONType | undefined {
  try {
    return JSON.parse(text) as JSONType;
  } catch {
    return undefined;
  }
}
