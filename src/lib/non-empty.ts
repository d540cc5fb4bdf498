/** Lists that have at least one entry. */

/** A list of one or more. */
export type NonEmpty<T> = readonly [T, ...T[]];
