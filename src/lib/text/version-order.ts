/** Compares versions of programs. */

/**
 * Whether a version is at least the other one, by its first three numbers. A pre-release counts as its release.
 *
 * @param version  `26.10.0`, with or without a leading `v`
 */
export function isAtLeast(version: string, floor: string): boolean {
  const numbers = (text: string) => (text.match(/\d+/g) ?? []).slice(0, 3).map(Number);
  const [present, needed] = [numbers(version), numbers(floor)];
  for (const [index, need] of needed.entries()) {
    const has = present[index] ?? 0;
    if (has !== need) return has > need;
  }
  return true;
}
