/**
 * Sizes as written in a configuration (`512B`, `64KiB`, `10MiB`, `1GiB`), held as bytes. Only binary units: `KB` is refused
 * because many readers take it for 1,000.
 */

const UNIT_BYTES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** The written form: an integer and a unit. */
export const SIZE_PATTERN = /^\d+(?:B|KiB|MiB|GiB)$/;

/**
 * Reads a written size.
 *
 * @returns bytes, a non-negative safe integer; `null` when the text is not a size or is too large.
 */
export function parseSizeBytes(text: string): number | null {
  const match = /^(\d+)(B|KiB|MiB|GiB)$/.exec(text);
  if (match === null) return null;
  const bytes = Number(match[1]) * UNIT_BYTES[match[2] as keyof typeof UNIT_BYTES];
  return Number.isSafeInteger(bytes) ? bytes : null;
}
