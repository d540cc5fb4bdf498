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

/** The longest time that a token of a session can be accepted, whatever is configured. */
export const MAX_SESSION_TOKEN_MS: number = MAX_TOKEN_LIFETIME_MS + CLOCK_LEEWAY_MS;

/** Longest lifetime for which an operator can revoke a token; a longer one is taken for a mistake in the unit. */
export const MAX_REVOCABLE_LIFETIME_MS: number = 400 * 86_400_000;

/** Share of its life after which a kept token is no longer sent, so that it reaches its verifier with time to spare. */
export const TOKEN_REUSE_SHARE = 0.75;

/** A kind of token that the gateway mints. */
export interface MintedToken {
  readonly lifetimeMs: number;
  /** Whether it is minted for a session, so that it must be refused once that has ended. */
  readonly isOfSession: boolean;
}

/** @returns the longest life of any of the tokens: for so long the key that signed them stays published */
export const longestMintedMs = (minted: readonly MintedToken[]): number =>
  Math.max(0, ...minted.map(({ lifetimeMs }) => lifetimeMs));

/**
 * How long an ended session must be remembered, because a token of it may still be presented.
 *
 * @param acceptedMs  longest lifetimes of the tokens of other issuers, which may be gateways that share the store. They
 *                    count up to the cap only, since no gateway mints a token that lives longer.
 */
export const longestSessionTokenMs = (minted: readonly MintedToken[], acceptedMs: readonly number[]): number => {
  const ofSessions = minted.filter(({ isOfSession }) => isOfSession);
  return Math.min(Math.max(longestMintedMs(ofSessions), ...acceptedMs) + CLOCK_LEEWAY_MS, MAX_SESSION_TOKEN_MS);
};

/**
 * How long a revocation is kept that does not say when the last of its tokens expires. At least as long as a session
 * token can be accepted anywhere: other verifiers of the same store may accept longer lifetimes than this gateway.
 */
export const longestTokenMs = (minted: readonly MintedToken[], acceptedMs: readonly number[]): number =>
  Math.max(MAX_SESSION_TOKEN_MS, Math.max(longestMintedMs(minted), ...acceptedMs) + CLOCK_LEEWAY_MS);
