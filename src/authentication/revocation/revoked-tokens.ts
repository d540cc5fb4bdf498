/**
 * authentication/revocation: which tokens are refused although they verify, because they were revoked before their
 * time. Asked on every use of a token, also of one that is remembered as verified, so it answers in process.
 */

import type { Claims } from '../../jwt/names.ts';

/** Which tokens were revoked. */
export interface RevokedTokens {
  /**
   * Whether a token was revoked: by its `jti`, with its session (`sid`), or because it was issued (`iat`) before the
   * time from which tokens of its subject (`sub`), or of the current actor (`act.sub`), are accepted.
   *
   * @param claims  of a token whose signature and times were verified; nothing of that is verified here
   * @throws DependencyFault `store_unavailable` when the news is older than the configuration accepts
   */
  isRevoked(claims: Claims): boolean;
}

/** The same for a sender of tokens: nobody has to be trusted here, so stale data is acceptable. */
export interface KnownRevocations {
  /** Whether a token that says this is known to be revoked. */
  isKnown(claims: Claims): boolean;
}

/** The same for streams, which outlast the check of the token that opened them. */
export interface WatchedRevocations {
  /**
   * Calls back once when a token that says this is revoked.
   *
   * @returns stops watching; has to be called when the stream ends
   */
  watch(claims: Claims, onRevoked: () => void): () => void;
}
