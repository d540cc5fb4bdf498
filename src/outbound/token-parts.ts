/** What the sources of destinations' tokens have in common. */

import type { KnownRevocations } from '../authentication/revocation/revoked-tokens.ts';
import type { Denial } from '../errors.ts';
import type { CompactToken } from '../lib/bearer.ts';
import type { Keyring } from '../token/keyring.ts';
import type { TokenIssuer } from '../token/token-issuer.ts';

/** A token, or why there is none. */
export type Token = CompactToken | Denial | Promise<CompactToken | Denial>;

/** What tokens are made with and of, and judged by. */
export interface TokenParts {
  /** Tokens that this process knows to be revoked are not sent again, nor exchanged. */
  readonly revoked: KnownRevocations;
  readonly issuer: TokenIssuer;
  /** The `iss` that they have. */
  readonly issuerName: string;
  readonly keyring: Keyring;
  readonly workload: string;
}

/** Where the token of a destination comes from. */
export interface Source {
  /** @param presented  the token that the call carried, not verified; `null` for none */
  get(presented: CompactToken | null): Token;
}
