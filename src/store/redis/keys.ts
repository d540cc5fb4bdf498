import { hash } from 'node:crypto';

/** Names of keys and channels in Redis. None contains anything that a person sent, and none is a secret. */
export class Keys {
  readonly #prefix: string;
  /** Every revocation is published here, as the handle of its session. */
  readonly revocations: string;
  /** Revoked tokens and ended sessions: a sorted set of what they are, by when no such token can be alive any more. */
  readonly tokenRevocations: string;
  /** Every entry of that set is published here. */
  readonly tokenNews: string;
  /** Written to by the check of a new connection; never exists. */
  readonly probe: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.revocations = `${prefix}revoked`;
    this.tokenRevocations = `${prefix}revocations`;
    this.tokenNews = `${prefix}revoked:tokens`;
    this.probe = `${prefix}probe`;
  }

  /** A session, in its written form. */
  session(handle: string): string {
    return `${this.#prefix}s:${handle}`;
  }

  /**
   * The sessions of a subject: a sorted set of handles by time of login. 96 bits of its SHA-256 tell people apart, and
   * make a key that fits an allocation of 32 bytes.
   */
  index(subject: string): string {
    return `${this.#prefix}u:${hash('sha256', subject, 'base64url').slice(0, 16)}`;
  }

  /** Failed attempts under a key. */
  attempts(key: string): string {
    return `${this.#prefix}a:${hash('sha256', key, 'base64url')}`;
  }

  /** What may be done once. */
  once(key: string): string {
    return `${this.#prefix}o:${hash('sha256', key, 'base64url')}`;
  }

  /** A family of refresh tokens. */
  family(handle: string): string {
    return `${this.#prefix}r:${handle}`;
  }

  /** The channel by which a replica hears itself. */
  heartbeat(replica: string): string {
    return `${this.#prefix}beat:${replica}`;
  }
}
