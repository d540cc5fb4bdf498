/**
 * A token for a destination: reused for three quarters of its lifetime, then renewed once; concurrent callers share the
 * request. A token that is known to be revoked is not sent again.
 */

import type { KnownRevocations } from '../authentication/revocation/revoked-tokens.ts';
import { Denial } from '../errors.ts';
import type { Clock } from '../lib/clock.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import { TOKEN_REUSE_SHARE } from '../lib/token-limits.ts';
import type { Source } from './token-parts.ts';
import { type UnverifiedClaims, unverifiedClaims } from './unverified.ts';

/** A token and its expiry. */
export interface DatedToken {
  readonly compact: CompactToken;
  /** Wall clock. */
  readonly expiresAtMs: number;
}

/** How a request got its token. */
export const TOKEN_RESULTS = ['reused', 'obtained', 'refused', 'failed'] as const;
type TokenResult = (typeof TOKEN_RESULTS)[number];

/** Events that are counted. */
export interface DestinationTokenEvents {
  readonly onResult: (result: TokenResult) => void;
  readonly onObtained: (durationMs: number) => void;
}

/** A token with less time left is not sent: it has to arrive, and clocks differ. */
export const MIN_LEFT_MS = 1_000;

/** A refused token is replaced at most this often: a destination that refuses every token must not cost a fetch per call. */
const REFUSED_EVERY_MS = 10_000;

/** A place for one token. */
export class KeptToken implements Source {
  readonly #obtain: () => Promise<DatedToken | Denial>;
  readonly #revoked: KnownRevocations;
  readonly #wallMs: Clock;
  #token: DatedToken | null = null;
  #claims: UnverifiedClaims = {};
  /** Wall clock, in whole seconds: what was made after this is from the future, since the clock was set back. */
  #obtainedAtMs = 0;
  #reuseUntilMs = 0;
  #refusedAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<CompactToken | Denial> | null = null;

  /** @param obtain  requests a new one; a Denial when its principal may have none; a rejection is a fault */
  constructor(obtain: () => Promise<DatedToken | Denial>, revoked: KnownRevocations, wallMs: Clock) {
    this.#obtain = obtain;
    this.#revoked = revoked;
    this.#wallMs = wallMs;
  }

  /** Whether there is a token that can be reused. */
  get isFresh(): boolean {
    return this.#token !== null && this.#wallMs() < this.#reuseUntilMs && this.#isSendable();
  }

  /**
   * The token to send.
   *
   * @throws DependencyFault, as a rejection, when no token is available and the last one has expired
   */
  get(): CompactToken | Promise<CompactToken | Denial> {
    if (this.#token !== null && this.isFresh) return this.#token.compact;
    this.#underWay ??= this.#renew().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  /**
   * Drops a token that the destination has answered with 401: its key was replaced, or it was revoked there.
   *
   * @returns whether another one can be asked for: not when the last one was dropped for this a moment ago
   */
  refused(_presented: CompactToken | null, compact: CompactToken): boolean {
    if (this.#token?.compact !== compact) return true;
    const nowMs = this.#wallMs();
    if (Math.abs(nowMs - this.#refusedAtMs) < REFUSED_EVERY_MS) return false;
    this.#refusedAtMs = nowMs;
    this.#token = null;
    return true;
  }

  async #renew(): Promise<CompactToken | Denial> {
    let obtained: DatedToken | Denial;
    try {
      obtained = await this.#obtain();
    } catch (fault) {
      // The server is down: use the last token for as long as it is valid.
      const last = this.#token;
      if (last !== null && this.#wallMs() + MIN_LEFT_MS < last.expiresAtMs && this.#isSendable()) return last.compact;
      throw fault;
    }
    if (obtained instanceof Denial) {
      this.#token = null;
      return obtained;
    }
    const nowMs = this.#wallMs();
    this.#token = obtained;
    this.#obtainedAtMs = Math.floor(nowMs / 1_000) * 1_000;
    this.#claims = unverifiedClaims(obtained.compact);
    this.#reuseUntilMs = nowMs + (obtained.expiresAtMs - nowMs) * TOKEN_REUSE_SHARE;
    return obtained.compact;
  }

  /** Whether its receiver could accept it: it is not known to be revoked, and not from the future. */
  #isSendable(): boolean {
    return this.#wallMs() >= this.#obtainedAtMs && !this.#revoked.isKnown(this.#claims);
  }
}
