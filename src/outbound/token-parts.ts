/** Types that the sources of destinations' tokens share. */

import type { KnownRevocations } from '../authentication/revocation/revoked-tokens.ts';
import type { Denial } from '../errors.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import type { Keyring } from '../token/keyring.ts';
import type { TokenIssuer } from '../token/token-issuer.ts';

/** A token, or why there is none. */
export type Token = CompactToken | Denial | Promise<CompactToken | Denial>;

/** The parts from which tokens are made. */
export interface TokenParts {
  /** Tokens that are known to be revoked are neither sent nor exchanged. */
  readonly revoked: KnownRevocations;
  readonly issuer: TokenIssuer;
  /** Their `iss`. */
  readonly issuerName: string;
  readonly keyring: Keyring;
  readonly workload: string;
}

/** The source of a destination's token. */
export interface Source {
  /** @param presented  the token that the call carried, not verified; `null` for none */
  get(presented: CompactToken | null): Token;
  /**
   * Notes that the destination has refused a token, so that it is not sent again.
   *
   * @returns whether `get` may give another one
   */
  refused(presented: CompactToken | null, token: CompactToken): boolean;
}
