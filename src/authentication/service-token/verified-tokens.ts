/**
 * Tokens of one issuer that were verified before, and tokens whose signature was found to be wrong.
 *
 * Both are found by the token itself, whole, within one issuer, whose audiences and algorithms are fixed: nothing that is
 * shorter than the token could be mistaken for it (JWT-49). What was verified is only ever used after asking again
 * whether it still holds; what was refused is only refused again while the very key is in use that refused it, so neither
 * can let anybody in or lock anybody out who would not be without it.
 *
 * perf: bench/micro/verified-tokens.ts. Looking a kilobyte of token up in a map costs less than its SHA-256.
 */

import type { VerificationKey } from '../../jwt/verification-keys.ts';
import { RecentMap } from '../../lib/recent-map.ts';
import type { ServicePrincipal } from '../../principal.ts';

/** A token that was verified. */
export interface VerifiedToken {
  readonly principal: ServicePrincipal;
  readonly key: VerificationKey;
  /** From when it is refused; wall clock. */
  readonly endsAtMs: number;
  /** From when it is verified anew; monotonic clock. */
  readonly rememberedUntilMs: number;
}

/** A token whose signature was wrong. */
export interface RefusedToken {
  /** By which it is not signed, and what it asked for. */
  readonly key: VerificationKey;
  readonly kid: string | null;
  readonly algorithm: string;
}

/** Of all verified tokens of all issuers together; twice that is kept at most, and their claims beside them. */
const MAX_VERIFIED_CHARACTERS = 4 * 1024 * 1024;
const MAX_REFUSED_CHARACTERS = 512 * 1024;

export class VerifiedTokens {
  readonly verified: RecentMap<VerifiedToken>;
  readonly refused: RecentMap<RefusedToken>;

  /** @param share  of the memory for all issuers together, from 0 to 1 */
  constructor(share: number) {
    this.verified = new RecentMap(MAX_VERIFIED_CHARACTERS * share);
    this.refused = new RecentMap(MAX_REFUSED_CHARACTERS * share);
  }
}
