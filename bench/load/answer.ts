/** The answer of the upstream that everything in the benchmark forwards: 129 bytes of JSON, always the same. */

export const ANSWER =
  '{"order":"A-102","status":"shipped","items":3,"total":{"amount":"84.90","currency":"EUR"},"updatedAt":"2026-01-31T12:00:00.000Z"}';

/** What a path ends with where the upstream tells what it received instead. */
export const INSPECT_PATH = '/inspect';

/** What the upstream tells at {@link INSPECT_PATH}. */
export interface Received {
  readonly method: string;
  readonly target: string;
  /** Flat name, value list, as it came over the wire. */
  readonly headers: readonly string[];
}
