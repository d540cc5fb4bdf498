/**
 * Verifies tokens that we signed ourselves, with the keys that we sign with.
 */

import { decodeCompact } from '../../jwt/compact.ts';
import type { KeySet } from '../../jwt/key-set.ts';
import { isSignedBy } from '../../jwt/signature.ts';
import type { Clock } from '../../lib/clock.ts';

/** The verified claims of a token of ours. */
export type OwnClaims = Readonly<Record<string, unknown>> & { readonly sub: string; readonly exp: number };

/** What we sign that says who calls; anything else that we may sign one day is no such token (RFC 8725 §3.11). */
const TYPES = new Set(['JWT', 'at+jwt']);
/** Replicas that share the keys need not have the same time. */
const CLOCK_SKEW_MS = 30_000;

export class OwnTokens {
  readonly #issuer: string;
  readonly #keys: KeySet;
  readonly #wallMs: Clock;

  /** @param keys  those that we sign with, and those that have signed tokens that are alive */
  constructor(issuer: string, keys: KeySet, wallMs: Clock) {
    this.#issuer = issuer;
    this.#keys = keys;
    this.#wallMs = wallMs;
  }

  /**
   * Verifies form, type, key, signature, issuer and times; a token ends at its `exp`, without leeway. Does not check the
   * audience, nor whether it was revoked.
   *
   * @returns its claims; `null` when it is none of our live tokens
   */
  async verify(token: string): Promise<OwnClaims | null> {
    const decoded = decodeCompact(token);
    if (decoded === null) return null;
    const { header, payload } = decoded;
    const { alg, kid, typ } = header;
    if (payload['iss'] !== this.#issuer || typeof typ !== 'string' || !TYPES.has(typ)) return null;
    if (typeof alg !== 'string' || typeof kid !== 'string' || !this.#holdsNow(payload)) return null;
    return isSignedBy(token, await this.#keys.find(kid, alg), alg) ? payload : null;
  }

  #holdsNow(claims: Readonly<Record<string, unknown>>): claims is OwnClaims {
    const { sub, exp, iat } = claims;
    const nowMs = this.#wallMs();
    return (
      typeof sub === 'string' &&
      Number.isSafeInteger(exp) &&
      Number.isSafeInteger(iat) &&
      (exp as number) * 1_000 > nowMs &&
      (iat as number) * 1_000 <= nowMs + CLOCK_SKEW_MS
    );
  }
}
