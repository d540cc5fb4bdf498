/**
 * What a token says of itself. Nothing of it is verified: whoever the token is for does that. So it may only ever make
 * a token end sooner, never let anything through.
 */

import { decodeJwt } from 'jose';

/** Claims of a token that nobody has verified; empty for what is no JWT. */
export type UnverifiedClaims = Readonly<Record<string, unknown>>;

/** Reads the claims of a compact JWT. */
export function unverifiedClaims(compact: string): UnverifiedClaims {
  try {
    return decodeJwt(compact);
  } catch {
    return {};
  }
}

/**
 * When a token ends, by its own `exp`.
 *
 * @returns wall clock; `Infinity` when it does not say
 */
export function expiryOf({ exp }: UnverifiedClaims): number {
  return typeof exp === 'number' && Number.isFinite(exp) ? exp * 1_000 : Number.POSITIVE_INFINITY;
}
