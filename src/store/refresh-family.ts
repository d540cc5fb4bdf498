/**
 * Families of refresh tokens as a store keeps them, and the judgement on a token of a family
 * (docs/adr/0008-refresh-families.md).
 *
 * A family is the chain of tokens that began with a login. A store holds digests only: its contents are not enough to
 * make a token of the family.
 */

import type { SessionHandle } from '../jwt/names.ts';

/** The program that holds the token: a browser, in a cookie, or a native app, which gets it in the body. */
export const REFRESH_CLIENTS = ['browser', 'native'] as const;
/** See {@link REFRESH_CLIENTS}. */
export type RefreshClient = (typeof REFRESH_CLIENTS)[number];

/** A new family. */
export interface NewRefreshFamily {
  /** SHA-256 of the family's id, base64url, 43 characters. The id itself is only in the tokens of the family. */
  readonly handle: string;
  /** Handle of the session that the family belongs to and ends with. */
  readonly session: SessionHandle;
  readonly client: RefreshClient;
  /** SHA-256 of the current token, base64url. */
  readonly current: string;
}

/** A family, as it is kept. */
export interface RefreshFamily extends NewRefreshFamily {
  /** How many tokens came before the current one. */
  readonly generation: number;
  /** SHA-256 of the previous token; `null` before the first rotation. */
  readonly previous: string | null;
  /** The seed that derives the current token from the previous one; useless without that token. */
  readonly seed: string | null;
  /** When the current token replaced the previous one, by the clock of the store; 0 for the first. */
  readonly rotatedAtMs: number;
  /** A token was used again after its grace. The family is kept until its session has been ended. */
  readonly isEnded: boolean;
}

/** A family at a moment. */
export interface RefreshFamilyReading {
  readonly family: RefreshFamily;
  /** The moment, by the clock of the store, which may differ from the gateway's. */
  readonly asOfMs: number;
  /** When the reading arrived here; monotonic. */
  readonly arrivedAtMs: number;
}

/** A presented token: the generation it claims, and its SHA-256. */
export interface PresentedRefreshToken {
  readonly generation: number;
  readonly digest: string;
}

/** The proposed successor of a token. */
export interface ProposedSuccessor {
  /** 32 random bytes, base64url, which identify the proposal. */
  readonly seed: string;
  readonly digest: string;
}

/** The outcome of a proposal. */
export type Rotation =
  /** The seed derives the successor: `rotated` by this proposal, `replayed` from an earlier one. */
  | { readonly outcome: 'rotated' | 'replayed'; readonly seed: string }
  /**
   * `kept`: the token is too new to be replaced, and stays. `reused`: it was replaced too long ago, and the family has
   * just ended. `ended`: the family had ended before. `unknown`: not a token of this family.
   */
  | { readonly outcome: 'kept' | 'reused' | 'ended' | 'unknown' };

/** How a token relates to its family. */
type Judgement = 'current' | 'kept' | 'replayed' | 'reused' | 'unknown';

/**
 * Judges a token by its family. Redis applies the same rules in Lua (`redis/family-scripts.ts`); the contract of stores
 * compares the two.
 *
 * - The newest token is `current`, or `kept` while its predecessor may still be replayed: it is not replaced then, so an
 *   honest client, however late, never holds the last but one within its grace.
 * - The previous token is `replayed` within the grace and `reused` after it. A clock that went back never counts as reuse.
 * - Every older token is `reused`. A token that claims to be newer, or a different one of these generations, is `unknown`:
 *   a promoted primary may have lost a rotation, and that is not a theft (REF-10).
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
