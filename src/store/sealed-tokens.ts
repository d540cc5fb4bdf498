/**
 * Tokens of an identity provider, sealed: what the gateway keeps of them to ask the provider again. The store sees
 * ciphertext; the key that opens it follows from the session id, which only the cookie has.
 */

import type { SessionHandle } from '../jwt/names.ts';

/** The sealed tokens of one session. */
export interface SealedTokens {
  /** As they were written; the store does not open them. */
  readonly value: string;
  /** Increases with each writing. */
  readonly version: number;
  /** How long ago they were written, by the clock of the store. */
  readonly ageMs: number;
}

/** The outcome of an attempt to replace sealed tokens. */
export type TokenReplacement =
  | 'replaced'
  /** They have been written since the expected version was read: reading them again gives the newer ones. */
  | 'outdated'
  /** The session has ended, or has no tokens. */
  | 'ended';

/** The outcome of an attempt to get the lease of a session's tokens. */
export type TokenLease =
  | { readonly outcome: 'leased'; readonly tokens: SealedTokens }
  /** Another owner has it for so long, or nobody gets it for so long. `version` is that of the tokens now. */
  | { readonly outcome: 'held'; readonly leftMs: number; readonly version: number };

/**
 * Sealed tokens by session, for all replicas together. They live exactly as long as their session: they slide with it
 * and are gone when it ends, by whatever cause.
 *
 * A refresh token that rotates can be used once, so one replica at a time asks the provider (REF-02): it takes the
 * lease, which comes with the tokens of that moment, asks, replaces them and releases the lease. Others find the lease
 * held, and later a higher version: the result of the winner.
 *
 * Times are by the clock of the store. A lease that its owner lost, being stalled, does not stop a replacement; the
 * version does (REF-04). So the tokens that a stalled owner has got for the only valid refresh token are kept, unless
 * another holder has written some in the meantime. A holder that gets `invalid_grant` reads the version again before ending
 * the session (REF-05).
 */
export interface SealedTokenStore {
  /**
   * Writes the tokens of a session, over any that it has; a lease ends with that.
   *
   * @param value  bounded by the caller
   * @returns `false` when there is no such session: nothing is written
   * @throws DependencyFault `store_unavailable`, as every method
   */
  put(handle: SessionHandle, value: string): Promise<boolean>;

  /** The tokens of a session, or `null` when it has none or has ended. */
  get(handle: SessionHandle): Promise<SealedTokens | null>;

  /** Replaces tokens that are still those of the expected version. Idempotent. Does not release a lease. */
  replace(handle: SessionHandle, expectedVersion: number, value: string): Promise<TokenReplacement>;

  /**
   * Takes the lease, unless another owner has it. An owner that has it already gets it again.
   *
   * @param owner  unguessable, one per attempt: it tells the attempts of one replica apart
   * @param ttlMs  after which anyone can have it
   * @returns `null` when the session has no tokens or has ended
   */
  lease(handle: SessionHandle, owner: string, ttlMs: number): Promise<TokenLease | null>;

  /**
   * Prolongs a lease, also one that is over, if nobody else has taken it.
   *
   * @returns `false` when it is lost
   */
  renew(handle: SessionHandle, owner: string, ttlMs: number): Promise<boolean>;

  /**
   * Gives a lease back. Does nothing when it is lost.
   *
   * @param pauseMs  for how long nobody gets it, such as after a provider that did not answer (REF-06). Default: 0
   */
  release(handle: SessionHandle, owner: string, pauseMs?: number): Promise<void>;
}
