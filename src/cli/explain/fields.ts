/** Headers as the gateway keeps them: a flat name, value list. */

/** One header. */
export interface Field {
  readonly name: string;
  readonly value: string;
}

/** The headers of a flat list. */
export const fieldsOf = (flat: readonly string[]): Field[] =>
  flat.flatMap((name, index) => (index % 2 === 0 ? [{ name, value: flat[index + 1] ?? '' }] : []));

/** The value of the first header of a name; `null` without one. @param name  in lower case */
export const fieldIn = (flat: readonly string[], name: string): string | null =>
  fieldsOf(flat).find((field) => field.name.toLowerCase() === name)?.value ?? null;
