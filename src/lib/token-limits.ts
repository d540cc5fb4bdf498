/**
 * The limits of tokens that must agree between configuring, minting, verifying and revoking them.
 *
 * A revocation may be forgotten once every token that it covers has expired at every verifier. So the time for which
 * revocations are kept follows from the caps of the configuration, which are here and nowhere else. All times are
 * milliseconds.
 */

/** Cap of every lifetime with which the configuration lets the gateway mint a token. */
export const MAX_TOKEN_LIFETIME_MS = 3_600_000;

/** Cap of `clockSkew`, by which a verifier may deviate. */
export const MAX_CLOCK_SKEW_MS = 300_000;

/** A token may be issued in the future by one skew, and outlive its `exp` by another. */
export const CLOCK_LEEWAY_MS: number = 2 * MAX_CLOCK_SKEW_MS;

/**
 * How long a single-use value is remembered beyond its end. One replica may have used it by a clock that is ahead,
 * and another may still accept it by one that is behind; no clock is taken to be wrong by more than half of this.
 */
export const USED_LEEWAY_MS = 60_000;

/** The longest time that a token of a session can be accepted, whatever is configured. */
export const MAX_SESSION_TOKEN_MS: number = MAX_TOKEN_LIFETIME_MS + CLOCK_LEEWAY_MS;

/** Longest lifetime for which an operator can revoke a token; a longer one is probably a mistake in the unit. */
export const MAX_REVOCABLE_LIFETIME_MS: number = 400 * 86_400_000;

/** Share of its life after which a kept token is no longer sent, so that it reaches its verifier with time to spare. */
export const TOKEN_REUSE_SHARE = 0.75;

/** A kind of token that the gateway mints. */
export interface MintedToken {
  readonly lifetimeMs: number;
  /** Whether it is minted for a session, so that it must be refused once that has ended. */
  readonly isOfSession: boolean;
}
