/**
 * authentication/revocation: which tokens are refused although they verify, because they were revoked before their
 * time. Asked on every use of a token, also of one that is remembered as verified, so it answers in process.
 */

/** Which tokens were revoked. */
export interface RevokedTokens {
  /**
   * Whether a token was revoked: by its `jti`, with its session (`sid`), or because it was issued (`iat`) before the
   * time from which tokens of its subject (`sub`), or of the current actor (`act.sub`), are accepted.
   *
   * @param claims  of a token whose signature and times were verified; nothing of that is verified here
   * @throws DependencyFault `store_unavailable` when the news is older than the configuration accepts
   */
  isRevoked(claims: Readonly<Record<string, unknown>>): boolean;
}

/** The same for a sender of tokens: nobody has to be trusted here, so stale data is acceptable. */
export interface KnownRevocations {
  /** Whether a token that says this is known to be revoked. */
  isKnown(claims: Readonly<Record<string, unknown>>): boolean;
}

/** The same for streams, which were let in by a token and last longer than a look at it. */
export interface WatchedRevocations {
  /**
   * Calls back once when a token that says this is revoked.
   *
   * @returns stops watching; has to be called when the stream ends
   */
  watch(claims: Readonly<Record<string, unknown>>, onRevoked: () => void): () => void;
}
