/**
 * Exchanges the token of a call for one for the destination (RFC 8693), and keeps it for further calls with the same token.
 */

import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { KnownRevocations } from '../authentication/revocation/revoked-tokens.ts';
import { Denial } from '../errors.ts';
import type { Clocks } from '../lib/clock.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import type { AuthorizationServer } from './authorization-server.ts';
import { type DatedToken, KeptToken } from './kept-token.ts';
import type { Source, Token } from './token-parts.ts';
import { expiryOf, type UnverifiedClaims, unverifiedClaims } from './unverified.ts';

const SUBJECT_MISSING = new Denial('credential_missing', 'call has no bearer token to exchange');
const SUBJECT_OVER = new Denial('token_invalid', 'token of the call has expired');
const SUBJECT_REVOKED = new Denial('token_invalid', 'token of the call is revoked');

/** RFC 8693 §2.1, §3. */
const EXCHANGE = {
  grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
  subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
} as const;

/** The token of a call, and what it was exchanged for. */
interface Exchanged {
  readonly subject: UnverifiedClaims;
  readonly token: KeptToken;
}

/**
 * Exchanged tokens by the hash of the whole subject token, so that the result for one call is never used for another
 * (SES-15).
 */
export class ExchangedTokens implements Source {
  readonly #parameters: Readonly<Record<string, string>>;
  readonly #server: AuthorizationServer;
  readonly #fallback: Source | null;
  readonly #wallMs: Clocks['wallMs'];
  readonly #revoked: KnownRevocations;
  readonly #kept: LRUCache<string, Exchanged>;

  constructor(
    parameters: Readonly<Record<string, string>>,
    server: AuthorizationServer,
    fallback: Source | null,
    { revoked, maxEntries }: { readonly revoked: KnownRevocations; readonly maxEntries: number },
    { wallMs }: Clocks,
  ) {
    this.#revoked = revoked;
    this.#parameters = parameters;
    this.#server = server;
    this.#fallback = fallback;
    this.#wallMs = wallMs;
    this.#kept = new LRUCache({ max: maxEntries });
  }

  get(presented: CompactToken | null): Token {
    if (presented === null) return this.#fallback === null ? SUBJECT_MISSING : this.#fallback.get(null);
    const key = hash('sha256', presented, 'base64url');
    const kept = this.#kept.get(key);
    const subject = kept?.subject ?? unverifiedClaims(presented);
    const problem = this.#problemOf(subject);
    if (problem !== null) {
      this.#kept.delete(key);
      return problem;
    }
    const exchanged = kept ?? this.#newEntry(key, presented, subject);
    const result = exchanged.token.get();
    return result instanceof Promise ? this.#waited(key, exchanged, result) : result;
  }

  refused(presented: CompactToken | null, token: CompactToken): boolean {
    if (presented === null) return this.#fallback?.refused(null, token) === true;
    return this.#kept.peek(hash('sha256', presented, 'base64url'))?.token.refused(null, token) === true;
  }

  /** Checks that need no request. Only the authorization server can accept a token. */
  #problemOf(subject: UnverifiedClaims): Denial | null {
    if (expiryOf(subject) <= this.#wallMs()) return SUBJECT_OVER;
    return this.#revoked.isKnown(subject) ? SUBJECT_REVOKED : null;
  }

  #newEntry(key: string, subjectToken: CompactToken, subject: UnverifiedClaims): Exchanged {
    const obtain = () => this.#exchange(subjectToken, expiryOf(subject));
    const exchanged = { subject, token: new KeptToken(obtain, this.#revoked, this.#wallMs) };
    this.#kept.set(key, exchanged);
    return exchanged;
  }

  /** Removes an entry whose token was refused or unavailable, so that useless entries do not evict others. */
  async #waited(
    key: string,
    exchanged: Exchanged,
    waiting: Promise<CompactToken | Denial>,
  ): Promise<CompactToken | Denial> {
    try {
      return await waiting;
    } finally {
      if (!exchanged.token.isFresh && this.#kept.peek(key) === exchanged) this.#kept.delete(key);
    }
  }

  async #exchange(subjectToken: CompactToken, subjectEndMs: number): Promise<DatedToken | Denial> {
    const token = await this.#server.token({ ...EXCHANGE, ...this.#parameters, subject_token: subjectToken });
    if (token instanceof Denial) return token;
    // A call on behalf of a user must not outlive the token that it came with.
    if (subjectEndMs <= this.#wallMs()) return SUBJECT_OVER;
    return { compact: token.compact, expiresAtMs: Math.min(token.expiresAtMs, subjectEndMs) };
  }
}
