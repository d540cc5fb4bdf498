/**
 * The key set of one issuer, as verification asks for it. Every issuer has its own: a `kid` means nothing outside the set
 * that it stands in (JWT-38).
 */

import type { VerificationKey } from './verification-keys.ts';

export interface KeySet {
  /**
   * The key that a token may have been signed with.
   *
   * Answers at once, without a promise, when the set is at hand. A set from elsewhere is fetched again for a `kid` that
   * it does not have, at most once per cool-down.
   *
   * @param kid  as the token's header has it, unverified; `null` when it has none
   * @returns the key with that `kid`; without a `kid` the only key for the algorithm; `null` when there is none
   * @throws an error that whoever made the set has chosen, as a rejection or directly, when no usable set is available
   */
  find(kid: string | null, algorithm: string): VerificationKey | null | Promise<VerificationKey | null>;

  /** Whether a key is (still) in the set: a token that was verified with it earlier is judged by this on each use. */
  holds(key: VerificationKey): boolean;

  /** Begins what runs in the background, and does not wait for it. Later calls do nothing. */
  start(): void;

  /** Stops it. */
  close(): void;

  /** Whether it comes from elsewhere, so that it can be missing, and ages. */
  readonly isFetched: boolean;

  /** How old it is, in milliseconds: 0 for one that does not age; `null` when it has never been had. */
  readonly ageMs: number | null;
}

/** Picks from a list what {@link KeySet.find} promises. */
export function pickKey(
  keys: readonly VerificationKey[],
  kid: string | null,
  algorithm: string,
): VerificationKey | null {
  const fitting = keys.filter((key) => key.byAlgorithm.has(algorithm));
  const named = kid === null ? undefined : fitting.find((key) => key.kid === kid);
  if (named !== undefined) return named;
  // JWT-11: a token that does not say which of several keys signed it is refused, not tried with each. The only key of a
  // PEM file or a secret has no name, and is meant by whatever name.
  const [only] = fitting;
  return only !== undefined && fitting.length === 1 && (kid === null || only.kid === null) ? only : null;
}

/** A set that was read once and stays: from a file, from the configuration, or a shared secret. */
export class FixedKeySet implements KeySet {
  readonly isFetched = false;
  readonly ageMs = 0;
  readonly #keys: readonly VerificationKey[];

  constructor(keys: readonly VerificationKey[]) {
    this.#keys = keys;
  }

  find(kid: string | null, algorithm: string): VerificationKey | null {
    return pickKey(this.#keys, kid, algorithm);
  }

  holds(key: VerificationKey): boolean {
    return this.#keys.includes(key);
  }

  start(): void {}
  close(): void {}
}
