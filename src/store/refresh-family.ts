/**
 * Families of refresh tokens, as a store keeps them, and the one judgement on a token of a family
 * (docs/adr/0008-refresh-families.md).
 *
 * A family is the tokens that came one from the other since a login. A store holds digests only: with all that it knows
 * of a family nobody can make a token of it.
 */

/** What kind of program holds the token: a browser in a cookie, or a native app that gets it in the body. */
export const REFRESH_CLIENTS = ['browser', 'native'] as const;
/** See {@link REFRESH_CLIENTS}. */
export type RefreshClient = (typeof REFRESH_CLIENTS)[number];

/** A family as it begins. */
export interface NewRefreshFamily {
  /** SHA-256 of the family's id, base64url, 43 characters. The id is in every token of the family and nowhere else. */
  readonly handle: string;
  /** Handle of the session that it belongs to, and ends with. */
  readonly session: string;
  readonly client: RefreshClient;
  /** SHA-256 of the token that is good now, base64url. */
  readonly current: string;
}

export interface RefreshFamily extends NewRefreshFamily {
  /** How many tokens came before the present one. */
  readonly generation: number;
  /** SHA-256 of the token before; `null` while there was none. */
  readonly previous: string | null;
  /** What the present token was derived with from the one before; worthless without that one. */
  readonly seed: string | null;
  /** When the present token came into being, by the clock of the store; 0 for the first. */
  readonly rotatedAtMs: number;
  /** A token of it was used again after its time: it is kept for as long as its session still has to be ended. */
  readonly isEnded: boolean;
}

/** A family as it was at a moment. */
export interface RefreshFamilyReading {
  readonly family: RefreshFamily;
  /** The moment, by the clock of the store: which may differ from ours. */
  readonly asOfMs: number;
  /** Monotonic time here at which the reading had arrived. */
  readonly arrivedAtMs: number;
}

/** A token that somebody presents: which one it says it is, and its SHA-256. */
export interface PresentedRefreshToken {
  readonly generation: number;
  readonly digest: string;
}

/** The successor that is proposed for it. */
export interface ProposedSuccessor {
  /** 32 random bytes, base64url: one proposal is told from another by it. */
  readonly seed: string;
  readonly digest: string;
}

/** What became of a proposal. */
export type Rotation =
  /** The successor is the one that is derived with this seed: `rotated` by this proposal, `replayed` by an earlier one. */
  | { readonly outcome: 'rotated' | 'replayed'; readonly seed: string }
  /**
   * `kept`: the token is too young to be replaced, and stays. `reused`: it was replaced too long ago; the family has
   * ended with this very answer. `ended`: it had ended before. `unknown`: no token of this family.
   */
  | { readonly outcome: 'kept' | 'reused' | 'ended' | 'unknown' };

/** What a token is to its family. */
export type Judgement = 'current' | 'kept' | 'replayed' | 'reused' | 'unknown';

/**
 * Judges a token by its family. Redis judges the same way, in Lua (`redis/family-scripts.ts`); the contract of stores
 * holds one against the other.
 *
 * - The present token is `current`; for as long as the one before it may be replayed it is `kept`, not replaced: so no
 *   honest client, however late, ever holds the last but one within its grace.
 * - The one before is `replayed` within the grace, `reused` after it. A clock that went back is held against nobody.
 * - Every older one is `reused`. What claims to be newer, or another one of these generations, is `unknown`: a primary
 *   that was promoted may have forgotten a rotation, and that is no theft (REF-10).
 */
export function judge(
  { generation, current, previous, rotatedAtMs }: Omit<RefreshFamily, keyof NewRefreshFamily> & { current: string },
  presented: PresentedRefreshToken,
  nowMs: number,
  graceMs: number,
): Judgement {
  const ageMs = nowMs - rotatedAtMs;
  if (presented.digest === current) return previous !== null && ageMs >= 0 && ageMs < graceMs ? 'kept' : 'current';
  if (presented.digest === previous) return ageMs <= graceMs ? 'replayed' : 'reused';
  return presented.generation < generation - 1 ? 'reused' : 'unknown';
}
