/**
 * store: where sessions live, and what else several gateways share: revocations, failed attempts, one-time keys,
 * logins under way, families of refresh tokens, codes of logins at a command line. `open.ts` opens the store that the section
 * `store` names; `kinds.ts` lists the kinds.
 *
 * This file is the contract. Every store keeps all of it: test/store/contract.ts runs on the embedded store and on
 * Redis as a single server, behind Sentinel and as a Cluster.
 *
 * Every method rejects with a `DependencyFault` `store_unavailable` when the store does not answer in time. "There is
 * no such session" and "the store does not answer" are never the same answer.
 */

import type { Jti, SessionHandle } from '../jwt/names.ts';
import type {
  NewRefreshFamily,
  PresentedRefreshToken,
  ProposedSuccessor,
  RefreshFamilyReading,
  Rotation,
} from './refresh-family.ts';
import type { SealedTokenStore } from './sealed-tokens.ts';
import type { ProviderLogin, SessionRecord, UserAttributes } from './session-record.ts';

/** What can change in a live session. */
export interface SessionChanges {
  readonly user: UserAttributes;
  readonly login: ProviderLogin | null;
}

/** The outcome of a change. */
export type SessionUpdate =
  | { readonly outcome: 'updated'; readonly record: SessionRecord }
  /** It has another version than expected: this one. */
  | { readonly outcome: 'outdated'; readonly record: SessionRecord }
  | { readonly outcome: 'ended' };

/** Which sessions an identity provider ends: those of one session there, or all of a user. */
export type EndedAtProvider = { readonly sid: string } | { readonly subject: string };

/** Sessions, for all replicas together. */
export interface SessionStore {
  /**
   * Writes a new session. It is in its subject's index before it can be read, so that "log out everywhere" never misses
   * one.
   *
   * @param ttlMs  the nearer of idle and absolute timeout, from now
   * @throws DependencyFault `store_full` when a bounded store has no room
   */
  create(record: SessionRecord, ttlMs: number): Promise<void>;

  /**
   * The session, or `null` when there is none. Does not check idle or absolute timeouts; the caller does, since a TTL
   * can be lost.
   */
  read(handle: SessionHandle): Promise<SessionRecord | null>;

  /**
   * Slides the idle timeout: writes the time of last use and the new TTL.
   *
   * @returns `false` when the session has ended; it is not brought back
   */
  touch(handle: SessionHandle, lastSeenAtMs: number, ttlMs: number): Promise<boolean>;

  /**
   * Changes a session in place: its version increases, its times stay. Published to the feed, so that every replica reads
   * it again. Idempotent.
   */
  update(handle: SessionHandle, changes: SessionChanges, expectedVersion: number): Promise<SessionUpdate>;

  /**
   * Ends one session and publishes its end to the feed.
   *
   * @returns the session that ended, or `null` when there was none (its end is published anyway)
   */
  end(handle: SessionHandle): Promise<SessionRecord | null>;

  /** Ends every session of a subject and publishes each end to the feed. Returns the handles of those that ended. */
  endAll(subject: string): Promise<readonly SessionHandle[]>;

  /**
   * Ends every session of a session or of a user at an identity provider, as {@link endAll} does. A login with that `sid`
   * that is in progress, or begins within half a minute, ends too: its logout has overtaken it. Returns the handles of
   * those that ended.
   */
  endByProvider(provider: string, which: EndedAtProvider): Promise<readonly SessionHandle[]>;

  /** The live sessions of a subject, the oldest first. */
  list(subject: string): Promise<readonly SessionRecord[]>;
}

/**
 * Ends and changes of sessions on every replica, and the proof that silence means that nothing ended.
 *
 * A gateway trusts a cached session only while the feed proves that it would have delivered the end of it. So a store
 * must not report the feed as proven unless everything published before `provenAtMs` has been delivered, by the same
 * servers that `read` asks (docs/adr/0002-revocation-feed.md).
 *
 * Times are of the injected monotonic clock.
 */
export interface RevocationFeed {
  /** Calls back with the handle of every session that ends on any replica. Returns a function that stops it. */
  subscribe(onRevoked: (handle: SessionHandle) => void): () => void;

  /** The same with every session that is changed in place: what was read of it before is out of date. */
  subscribeToUpdates(onUpdated: (handle: SessionHandle) => void): () => void;

  /** The time up to which everything published has provably been delivered; `null` while the feed is not connected. */
  provenAtMs(): number | null;

  /** The same while the feed is not connected: the last such time; negative infinity before the first. */
  lastProvenAtMs(): number;

  /** Since when the feed has delivered without a gap. A session read before that may have ended unnoticed. */
  unbrokenSinceMs(): number;
}

/** Which tokens a revocation is about: one token, those of a session, those of a subject. */
export const REVOCATION_KINDS = ['token', 'session', 'subject'] as const;

/**
 * Tokens that are refused before they expire. A revocation is kept until no token that it is about can be alive. Times
 * are wall clock.
 *
 * `issuer` narrows it to tokens with that `iss`; `null` means every issuer.
 */
export type TokenRevocation =
  /** One token, by its `jti`. */
  | {
      readonly kind: 'token';
      readonly tokenId: Jti;
      readonly issuer: string | null;
      readonly expiresAtMs: number;
    }
  /** Every token with this `sid`: those of a session that has ended. */
  | { readonly kind: 'session'; readonly handle: SessionHandle; readonly expiresAtMs: number }
  /** Every token issued before `notBeforeMs` whose subject this is, or with which it acts for another. */
  | {
      readonly kind: 'subject';
      readonly subject: string;
      readonly issuer: string | null;
      readonly notBeforeMs: number;
      readonly expiresAtMs: number;
    };

/** How a verifier hears of revoked tokens. Called in the order of the events. */
export interface TokenRevocationFollower {
  readonly onRevoked: (revocation: TokenRevocation) => void;
  /**
   * The feed delivers from now on; called at once if it does already. The verifier has to read what was recorded
   * before, which it may have missed.
   */
  readonly onResumed: () => void;
}

/** Revocations of tokens, for all replicas together. Times are wall clock. */
export interface TokenRevocationStore {
  /**
   * Records a revocation and publishes it to the feed, both or neither. Idempotent. A recorded revocation that lasts
   * longer, or begins later, is left alone.
   */
  revoke(revocation: TokenRevocation): Promise<void>;

  /** Every revocation on record that has not expired. */
  current(): Promise<readonly TokenRevocation[]>;

  /** Follows new revocations, ends of sessions included. Returns a function that stops it. */
  follow(follower: TokenRevocationFollower): () => void;

  /** Keeps the end of a session on record for this long from now on: the longest life of a token with its `sid`. */
  keepEndedSessionsFor(ms: number): void;
}

/** How attempts under one key are slowed. */
export interface ThrottleRule {
  /** Failures without a delay. */
  readonly freeAttempts: number;
  /** Then 1 s, 2 s, 4 s … up to this. */
  readonly maxDelayMs: number;
  /** Failures are forgotten after this long without another. */
  readonly windowMs: number;
}

/** Failed attempts, counted for all replicas together. */
export interface AttemptStore {
  /**
   * Asks to make an attempt, and counts it as failed until {@link succeeded} is called, so that parallel attempts gain
   * nothing.
   *
   * @param key    the account or address that guesses are counted for; hashed by the store, since it may be personal
   * @param nowMs  wall clock
   * @returns 0 when the attempt may be made, else the milliseconds to wait
   */
  begin(key: string, rule: ThrottleRule, nowMs: number): Promise<number>;

  /** The attempt under this key succeeded: its failures are forgotten. */
  succeeded(key: string): Promise<void>;

  /**
   * The attempt that {@link begin} allowed turned out not to be a wrong guess: it is not counted, and its delay is
   * dropped. Earlier failures stay, so that logging in to one's own account between guesses gains nothing.
   */
  takeBack(key: string): Promise<void>;
}

/** Keys that can be used once, for all replicas together, such as the `jti` of a client assertion. */
export interface OnceStore {
  /**
   * Uses a key.
   *
   * A store that replicates asynchronously may forget the last uses in a failover.
   *
   * @param key    hashed by the store
   * @param ttlMs  how long the key stays used
   * @returns `false` when the key was used before
   * @throws DependencyFault `store_full`, as a rejection, when a bounded store has no room: a used key is never forgotten
   *   to make some
   */
  use(key: string, ttlMs: number): Promise<boolean>;
}

/** How long a login may take, and how many one browser may have under way. */
export interface LoginTransactionLimits {
  /** From now on; the same for every transaction of a store. */
  readonly ttlMs: number;
  /** At least 1. */
  readonly maxPerBrowser: number;
}

/**
 * Logins at an identity provider that are under way, for all replicas together. A transaction belongs to the browser
 * that began it.
 *
 * Anyone can begin one, so their number is bounded, for each browser and over all: to make room, the oldest goes, and
 * the person who began it has to log in again. Under a flood of `r` logins a second, a person has as many seconds as the store
 * keeps transactions (its `MAX_…` constant) divided by `r`. Not bounded here, so the caller's to bound: how many logins
 * a network begins, and the length of a value.
 */
export interface LoginTransactionStore {
  /**
   * Keeps a transaction until it is taken, or its time is up.
   *
   * @param browser  names the browser; hashed by the store, so that a copy of the store does not reveal it
   * @param id       unguessable, such as `state`; hashed by the store
   * @param value    what the caller needs when the browser comes back; well-formed text
   */
  add(browser: string, id: string, value: string, limits: LoginTransactionLimits): Promise<void>;

  /**
   * Takes a transaction: of several calls, at most one gets it.
   *
   * @returns its value, or `null` when this browser has no such transaction, or no longer
   */
  take(browser: string, id: string): Promise<string | null>;
}

/**
 * The values behind the codes of logins at a command line, and behind logout tokens: short-lived values, changed by
 * comparing first. Every method is atomic and idempotent.
 */
export interface CodeStore {
  /**
   * Adds a value.
   *
   * @param key    the code; hashed by the store, since it is a secret
   * @returns `false` when the key has another value already
   * @throws DependencyFault `store_full`, as a rejection, when a bounded store has no room
   */
  add(key: string, value: string, ttlMs: number): Promise<boolean>;

  /** The value, or `null` when there is none. */
  read(key: string): Promise<string | null>;

  /**
   * Replaces a value and its time to live, if it is still the one that was read. Proposals that must exclude each other have to
   * differ: the same proposal succeeds again.
   *
   * @returns `false` when the value is another one by now, or gone
   */
  replace(key: string, expected: string, value: string, ttlMs: number): Promise<boolean>;

  /** Removes a value. */
  end(key: string): Promise<void>;
}

/**
 * Families of rotating refresh tokens (docs/adr/0008-refresh-families.md). Every method is atomic and idempotent. The
 * caller checks whether the session of a family is alive.
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
   * Replaces the presented token with its successor, or ends the family because that token was replaced too long ago.
   * Of several proposals for one token exactly one is accepted, and the others are answered with it. The same proposal
   * gets the same answer again.
   *
   * @param reading  the reading that the decision to rotate is based on; nothing happens when it is too old
   * @param graceMs  how long the previous token gets the same successor again
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

/** A store of one kind, opened. */
export interface Store {
  /** Its name in metrics: `memory`, `redis`. */
  readonly kind: string;
  readonly sessions: SessionStore;
  readonly feed: RevocationFeed;
  readonly tokenRevocations: TokenRevocationStore;
  readonly attempts: AttemptStore;
  readonly once: OnceStore;
  readonly loginTransactions: LoginTransactionStore;
  readonly sealedTokens: SealedTokenStore;
  readonly families: RefreshFamilies;
  readonly codes: CodeStore;
  /** For the line that is printed at start: `redis sentinel (3 sentinels, primary mymaster)`. Never a password. */
  readonly description: string;
  /** Whether it answered recently; for readiness and metrics, never for a decision about a request. */
  isAvailable(): boolean;
  close(): Promise<void>;
}
