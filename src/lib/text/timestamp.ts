/** Times as RFC 3339 text, in UTC with milliseconds. */

// biome-ignore-start lint/style/noRestrictedGlobals: converts a given time; does not read the clock.
/** `2026-01-31T12:00:00.000Z` for milliseconds since the Unix epoch. */
export const toTimestamp = (timeMs: number): string => new Date(timeMs).toISOString();

/** Milliseconds since the Unix epoch; NaN when the text is not a timestamp. */
export const fromTimestamp = (text: string): number => Date.parse(text);
// biome-ignore-end lint/style/noRestrictedGlobals: see above.
