/**
 * The claims of a token, unverified: its recipient verifies it. They may only make a token end sooner, never let anything
 * through.
 */

import { decodeJwt } from 'jose/jwt/decode';

/** Unverified claims of a token; empty when it is not a JWT. */
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
  return typeof exp === 'number' && Number.isFinite(exp) ? Math.floor(exp * 1_000) : Number.POSITIVE_INFINITY;
}
