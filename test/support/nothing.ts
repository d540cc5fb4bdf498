/** Stand-ins for parts that are irrelevant to a test or a benchmark. */

import type {
  KnownRevocations,
  RevokedTokens,
  WatchedRevocations,
} from '../../src/authentication/revocation/revoked-tokens.ts';

/** No token is revoked. */
export const NO_REVOCATIONS: RevokedTokens & KnownRevocations & WatchedRevocations = Object.freeze({
  isRevoked: () => false,
  isKnown: () => false,
  watch: () => () => {},
});

/** Counts nothing. */
export const NO_SERVICE_TOKEN_EVENTS = Object.freeze({ onAccepted: () => {}, onRefused: () => {} });
