/** The answer of the upstream that everything in the benchmark forwards: 129 bytes of JSON, always the same. */

export const ANSWER =
  '{"order":"A-102","status":"shipped","items":3,"total":{"amount":"84.90","currency":"EUR"},"updatedAt":"2026-01-31T12:00:00.000Z"}';

/** End of a path at which the upstream answers with what it received. */
export const INSPECT_PATH = '/inspect';

/** The answer at {@link INSPECT_PATH}. */
export interface Received {
  readonly method: string;
  readonly target: string;
  /** Flat name, value list, as received. */
  readonly headers: readonly string[];
}
