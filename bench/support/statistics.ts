/** The few statistics that the benchmark reports. */

/** The value that this many per cent of the values do not exceed (nearest rank); NaN when there are none. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  if (sorted.length === 0) return Number.NaN;
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] as number;
}

/** Least, middle and greatest of some rounds. */
export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** How far the rounds lie apart; all NaN when there are none. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = (at(sorted, Math.ceil(middle) - 1) + at(sorted, Math.floor(middle))) / 2;
  return { min: at(sorted, 0), median, max: at(sorted, sorted.length - 1) };
}

/** The middle half of some rounds. */
export interface Quartiles {
  readonly low: number;
  readonly median: number;
  readonly high: number;
}

/** Quartiles by nearest rank, with the usual median; all NaN when there are no values. */
export function quartilesOf(values: readonly number[]): Quartiles {
  const sorted = values.toSorted((a, b) => a - b);
  return { low: percentile(sorted, 25), median: spreadOf(values).median, high: percentile(sorted, 75) };
}

const at = (values: readonly number[], index: number) => values[index] ?? Number.NaN;
