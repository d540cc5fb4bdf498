/**
 * The key set of one issuer, as verification sees it. Every issuer has its own: a `kid` means nothing outside its set
 * (JWT-38).
 */

import type { VerificationKey } from './verification-keys.ts';

/** The keys of one issuer. */
export interface KeySet {
  /**
   * The key that may have signed a token.
   *
   * Returns without a promise when the set is in memory. A remote set is fetched again for an unknown `kid`, at most once
   * per cool-down.
   *
   * @param kid  as the token's header states it, unverified; `null` when it has none
   * @returns the key with that `kid`; without a `kid` the only key for the algorithm; `null` when there is none
   * @throws the error that the set was created with, as a rejection or directly, when no usable set is available
   */
  find(kid: string | null, algorithm: string): VerificationKey | null | Promise<VerificationKey | null>;

  /**
   * Fetches the set again because a key with a known name did not verify a signature: the issuer may have replaced the key
   * under the same `kid`. At most once per cool-down; a token that comes while a fetch is under way waits for it.
   *
   * @returns `null` where nothing is fetched: outside the cool-down, or for a set that does not change
   */
  refetch(): Promise<void> | null;

  /** Whether {@link refetch} would fetch now. */
  readonly mayRefetch: boolean;

  /** Whether a key is still in the set. Asked on each use of a token that the key verified earlier. */
  holds(key: VerificationKey): boolean;

  /** Its keys as they are now, usable or too old, to be shown. */
  list(): readonly VerificationKey[];

  /** Starts fetching in the background without waiting for it. Later calls do nothing. */
  start(): void;

  /** Stops fetching. */
  close(): void;

  /** Whether the set is fetched, so that it can be missing and ages. */
  readonly isFetched: boolean;

  /** Age in milliseconds: 0 for a set that does not age; `null` when it was never fetched. */
  readonly ageMs: number | null;
}

/** Picks the key that {@link KeySet.find} promises from a list. */
export function pickKey(
  keys: readonly VerificationKey[],
  kid: string | null,
  algorithm: string,
): VerificationKey | null {
  const fitting = keys.filter((key) => key.byAlgorithm.has(algorithm));
  const named = kid === null ? undefined : fitting.find((key) => key.kid === kid);
  if (named !== undefined) return named;
  // JWT-11: a token that does not say which of several keys signed it is refused, not tried with each. The only key of a
  // PEM file or a secret has no name, so it matches any `kid`.
  const [only] = fitting;
  return only !== undefined && fitting.length === 1 && (kid === null || only.kid === null) ? only : null;
}

/** A set in memory, for which nothing is fetched. */
export class LocalKeySet implements KeySet {
  readonly isFetched = false;
  readonly mayRefetch = false;
  readonly ageMs = 0;
  readonly #keys: () => readonly VerificationKey[];

  /** @param keys  those of now; a key that stays is the same object each time */
  constructor(keys: () => readonly VerificationKey[]) {
    this.#keys = keys;
  }

  find(kid: string | null, algorithm: string): VerificationKey | null {
    return pickKey(this.#keys(), kid, algorithm);
  }

  holds(key: VerificationKey): boolean {
    return this.#keys().includes(key);
  }

  list(): readonly VerificationKey[] {
    return this.#keys();
  }

  refetch(): null {
    return null;
  }

  start(): void {}
  close(): void {}
}

/** A set that never changes: from a file, from the configuration, or a shared secret. */
export class FixedKeySet extends LocalKeySet {
  constructor(keys: readonly VerificationKey[]) {
    super(() => keys);
  }
}
