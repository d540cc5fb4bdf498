/**
 * data: what the store keeps in Redis, one file for each kind of record, and the scripts that change it atomically.
 *
 * This file names keys and channels. No name contains user input or a secret.
 */

import { hash } from 'node:crypto';

/** Two keys of one slot of a Cluster. The second contains the first in braces, which makes the slot that of the first. */
export type TwoKeys = readonly [string, string];

/** The names below one prefix. */
export class Keys {
  readonly #prefix: string;
  /** The channel of sessions: a handle says that it has ended, `updated` and a handle that it has changed. */
  readonly revocations: string;
  /**
   * Revoked tokens and ended sessions: a sorted set of their written forms, by the time when no such token can be
   * alive.
   */
  readonly tokenRevocations: string;
  /** The channel of the entries of that set. */
  readonly tokenNews: string;
  /** Deleted by the check of a new connection; never exists. */
  readonly probe: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.revocations = `${prefix}revoked`;
    this.tokenRevocations = `${prefix}revocations`;
    this.tokenNews = `${prefix}revoked:tokens`;
    this.probe = `${prefix}probe`;
  }

  /** A session, in its written form, and the sealed tokens of its identity provider (session-value.ts). */
  session(handle: string): string {
    return `${this.#prefix}s:${handle}`;
  }

  /** A session, and the lease of the tokens of its identity provider. */
  sessionAndLease(handle: string): TwoKeys {
    return this.#withCompanion(this.session(handle));
  }

  /** A shard of the index of sessions. */
  sessionIndex(shard: number): string {
    return `${this.#prefix}i:${shard.toString(36)}`;
  }

  /** Failed attempts under a key. */
  attempts(key: string): string {
    return `${this.#prefix}a:${hash('sha256', key, 'base64url')}`;
  }

  /** A key that can be used once. */
  once(key: string): string {
    return `${this.#prefix}o:${hash('sha256', key, 'base64url')}`;
  }

  /** A shard of the logins under way: their names by expiry, and their values. */
  loginTransactions(shard: number): TwoKeys {
    return this.#withCompanion(`${this.#prefix}l:${shard}`);
  }

  /** A code of a login at a command line. */
  code(code: string): string {
    return `${this.#prefix}c:${hash('sha256', code, 'base64url')}`;
  }

  /** A family of refresh tokens. */
  family(handle: string): string {
    return `${this.#prefix}r:${handle}`;
  }

  /** The channel on which a replica hears its own heartbeats. */
  heartbeat(replica: string): string {
    return `${this.#prefix}beat:${replica}`;
  }

  /** A prefix has no braces. */
  #withCompanion(key: string): TwoKeys {
    return [key, `${this.#prefix}{${key}}`];
  }
}
