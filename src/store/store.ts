/**
 * What the gateway asks of a store of sessions. Memory and Redis keep the same contract: test/store/contract.ts is run
 * on both, and on Redis as a single server, behind Sentinel and as a Cluster.
 *
 * Every method rejects with a `DependencyFault` (`store_unavailable`) when the store does not answer in time. "Not
 * there" and "cannot be had" are never the same answer.
 */

import type {
  NewRefreshFamily,
  PresentedRefreshToken,
  ProposedSuccessor,
  RefreshFamilyReading,
  Rotation,
} from './refresh-family.ts';
import type { SessionRecord } from './session-record.ts';

export interface SessionStore {
  /**
   * Writes a new session. It is in its subject's index before it can be read, so that "log out everywhere" misses none.
   *
   * @param ttlMs  the nearer of idle and absolute timeout, from now
   * @throws DependencyFault `store_full` when a bounded store has no room
   */
  create(record: SessionRecord, ttlMs: number): Promise<void>;

  /** The session, or `null` when there is none. Does not judge idle or absolute timeouts: a TTL can be lost. */
  read(handle: string): Promise<SessionRecord | null>;

  /**
   * Slides the idle timeout: writes the time of last use and the new TTL.
   *
   * @returns `false` when the session is gone; it is not brought back
   */
  touch(handle: string, lastSeenAtMs: number, ttlMs: number): Promise<boolean>;

  /**
   * Ends one session and tells the feed.
   *
   * @returns what it was, or `null` when there was none (the feed is told all the same)
   */
  end(handle: string): Promise<SessionRecord | null>;

  /** Ends every session of a subject and tells the feed. Returns the handles of those that it ended. */
  endAll(subject: string): Promise<readonly string[]>;

  /** The live sessions of a subject, the oldest first. */
  list(subject: string): Promise<readonly SessionRecord[]>;
}

/**
 * News of revocations from every replica, and the proof that no news means good news.
 *
 * Times are of the injected monotonic clock.
 */
export interface RevocationFeed {
  /** Calls back with the handle of every session that ended anywhere. Returns the way to stop. */
  subscribe(onRevoked: (handle: string) => void): () => void;

  /** When it was last proven that the feed delivers; `null` while it is not connected. */
  provenAtMs(): number | null;

  /** When it was last proven in all its life, whether or not it is connected; infinitely long ago before that. */
  lastProvenAtMs(): number;

  /** Since when it has delivered without a gap: what was read from the store before that may have missed news. */
  unbrokenSinceMs(): number;
}

/** What a revocation of tokens can be about: one token, those of a session, those of a subject. */
export const REVOCATION_KINDS = ['token', 'session', 'subject'] as const;

/**
 * Tokens that are refused before they expire. A revocation is kept until no token that it is about can be alive.
 *
 * `issuer` narrows it to tokens with that `iss`; `null` is every issuer.
 */
export type TokenRevocation =
  /** One token, by its `jti`. */
  | {
      readonly kind: 'token';
      readonly tokenId: string;
      readonly issuer: string | null;
      readonly expiresAtMs: number;
    }
  /** Every token with this `sid`: those of a session that has ended. */
  | { readonly kind: 'session'; readonly handle: string; readonly expiresAtMs: number }
  /** Every token about this subject, or by which it acts for another, that was issued before `notBeforeMs`. */
  | {
      readonly kind: 'subject';
      readonly subject: string;
      readonly issuer: string | null;
      readonly notBeforeMs: number;
      readonly expiresAtMs: number;
    };

/**
 * The longest life of a token that stands for a session, if nothing shorter is configured: an hour, the longest
 * `upstreamToken.lifetime` there is, and twice the largest `clockSkew`.
 */
export const LONGEST_SESSION_TOKEN_MS = 3_600_000 + 2 * 300_000;

/** What a verifier is told about revoked tokens. Called in the order of the events. */
export interface TokenRevocationFollower {
  readonly onRevoked: (revocation: TokenRevocation) => void;
  /**
   * The feed delivers, from now on; called at once where it does already. What was recorded before has to be read: news
   * of it may have been missed.
   */
  readonly onResumed: () => void;
}

/** Revocations of tokens, for all replicas together. Times are wall clock. */
export interface TokenRevocationStore {
  /**
   * Records a revocation and tells the feed, both or neither. Doing it again is the same as doing it once. One that is
   * on record for longer, or from a later time on, stays as it is.
   */
  revoke(revocation: TokenRevocation): Promise<void>;

  /** Every revocation on record that has not expired. */
  current(): Promise<readonly TokenRevocation[]>;

  /** Follows the news, those of sessions that end among them. Returns the way to stop. */
  follow(follower: TokenRevocationFollower): () => void;

  /** For how long the end of a session is on record, from now on: the longest life of a token with its `sid`. */
  keepEndedSessionsFor(ms: number): void;
}

/** How attempts under one key are slowed. */
export interface ThrottleRule {
  /** Failures that cost nothing. */
  readonly freeAttempts: number;
  /** After those: 1 s, 2 s, 4 s … up to this. */
  readonly maxDelayMs: number;
  /** Failures are forgotten after this long without another. */
  readonly windowMs: number;
}

/** Counts failed attempts for all replicas together. */
export interface AttemptStore {
  /**
   * Asks to make an attempt, and counts it as failed until {@link succeeded} says otherwise, so that attempts in
   * parallel gain nothing.
   *
   * @param key    what is being guessed at; hashed by the store, since it may be personal
   * @param nowMs  wall clock
   * @returns 0 when the attempt may be made, else the milliseconds to wait
   */
  begin(key: string, rule: ThrottleRule, nowMs: number): Promise<number>;

  /** The attempt under this key was right: its failures are forgotten. */
  succeeded(key: string): Promise<void>;

  /**
   * The attempt that {@link begin} allowed was no wrong guess after all: it is not counted, and what it made the next
   * one wait for is dropped. Earlier failures stay: logging in to one's own account between guesses gains nothing.
   */
  takeBack(key: string): Promise<void>;
}

/** What may be done once, for all replicas together: the `jti` of a client assertion is used up by its first use. */
export interface OnceStore {
  /**
   * Uses a key up.
   *
   * After a failover to a replica that lags, the last uses may be forgotten, as Redis replicates them asynchronously.
   *
   * @param key    hashed by the store
   * @param ttlMs  how long it stays used up
   * @returns `false` when it is used up already
   * @throws DependencyFault `store_full`, as a rejection, when a bounded store has no room: it is never taken for unused
   */
  use(key: string, ttlMs: number): Promise<boolean>;
}

/**
 * Families of rotating refresh tokens (docs/adr/0008-refresh-families.md). Each is one key; every step is one step, and
 * doing it twice is the same as doing it once. Whether the session of a family still lives is the caller's to ask.
 */
export interface RefreshFamilies {
  /**
   * Begins a family.
   *
   * @param ttlMs  until the absolute end of its session, from now
   * @throws DependencyFault `store_full` when a bounded store has no room
   */
  begin(family: NewRefreshFamily, ttlMs: number): Promise<void>;

  /** The family, or `null` when there is none. */
  read(handle: string): Promise<RefreshFamilyReading | null>;

  /**
   * Puts a successor in the place of the presented token, or ends the family because that token was replaced too long
   * ago. Of proposals for one token exactly one is taken, and whoever made another is told which. A proposal that is
   * made again is answered the same.
   *
   * @param reading  what the decision to rotate was made on: too long after it, nothing is done
   * @param graceMs  for how long the token before the present one gets the same successor again
   */
  rotate(
    reading: RefreshFamilyReading,
    presented: PresentedRefreshToken,
    proposed: ProposedSuccessor,
    graceMs: number,
  ): Promise<Rotation>;

  /** Removes a family. */
  end(handle: string): Promise<void>;
}

export interface Store {
  /** Its name in metrics: `memory`, `redis`. */
  readonly kind: string;
  readonly sessions: SessionStore;
  readonly feed: RevocationFeed;
  readonly tokenRevocations: TokenRevocationStore;
  readonly attempts: AttemptStore;
  readonly once: OnceStore;
  readonly families: RefreshFamilies;
  /** For the line that is printed at start: `memory (one process)`, `redis sentinel (3 nodes)`. Never a password. */
  readonly description: string;
  /** Whether it answered lately; for readiness and metrics, never for a decision about a request. */
  isAvailable(): boolean;
  close(): Promise<void>;
}
