/**
 * A verifier for the tokens of one issuer that remembers tokens it verified, and tokens whose signature was wrong.
 *
 * The whole token is the key, so none can be mistaken for another, within one issuer, whose profile is fixed (JWT-49). A
 * verified token is used again only if it still holds; a refused one is refused again only while the key that refused it
 * is in use. So no answer differs from what it would be without the memory.
 *
 * perf: bench/micro/verified-tokens.ts. Looking a kilobyte of token up in a map costs less than its SHA-256.
 */

import type { Clocks } from '../lib/clock.ts';
import { RecentMap } from '../lib/recent-map.ts';
import { endOf, type TokenProblem } from './claims.ts';
import type { DecodedToken } from './compact.ts';
import type { KeySet } from './key-set.ts';
import type { Claims } from './names.ts';
import type { TokenProfile } from './profiles.ts';
import type { VerificationKey } from './verification-keys.ts';
import { type CheckedHeader, isSignedBy, type Verdict, verifyDecoded } from './verify.ts';

/** A token that was verified. */
interface Remembered<T> {
  readonly value: T;
  readonly key: VerificationKey;
  /** From when it is refused; wall clock. */
  readonly endsAtMs: number;
  /** From when it is verified again; monotonic clock. */
  readonly rememberedUntilMs: number;
}

/** A token whose signature was wrong: the key that refused it, and what it asked for. */
interface Refused {
  readonly key: VerificationKey;
  readonly kid: string | null;
  readonly algorithm: string;
}

/** How long a token is remembered, if it lives that long. Whatever could change in the meantime is asked on each use. */
const REMEMBERED_MS = 5 * 60_000;
/** Of all remembered tokens together; twice that is kept at most, and the values beside them. */
const MAX_VERIFIED_CHARACTERS = 4 * 1024 * 1024;
const MAX_REFUSED_CHARACTERS = 512 * 1024;

interface RememberingVerifierParts<T extends object, Token extends string = string> {
  readonly profile: TokenProfile;
  readonly keys: KeySet;
  readonly clocks: Clocks;
  /** Turns a verified token into the value that is returned and kept: the same object each time. */
  readonly read: (claims: Claims, token: Token) => T;
  /** Share of the memory that all issuers together have, from 0 to 1. */
  readonly share: number;
}

/** Verifies tokens of one issuer. Does not check whether they were revoked: the caller asks on each use. */
export class RememberingVerifier<T extends object, Token extends string = string> {
  readonly #parts: RememberingVerifierParts<T, Token>;
  readonly #verified: RecentMap<Remembered<T>>;
  readonly #refused: RecentMap<Refused>;

  constructor(parts: RememberingVerifierParts<T, Token>) {
    this.#parts = parts;
    this.#verified = new RecentMap(MAX_VERIFIED_CHARACTERS * parts.share);
    this.#refused = new RecentMap(MAX_REFUSED_CHARACTERS * parts.share);
  }

  /**
   * Looks a token up.
   *
   * @returns its value; `expired`; or `null` when it has to be verified
   */
  recall(token: string): T | 'expired' | null {
    const remembered = this.#verified.get(token);
    if (remembered === undefined) return null;
    const { clocks, keys } = this.#parts;
    if (clocks.wallMs() >= remembered.endsAtMs) return 'expired';
    if (clocks.monotonicMs() < remembered.rememberedUntilMs && keys.holds(remembered.key)) return remembered.value;
    this.#verified.delete(token);
    return null;
  }

  /** Whether a token turned out not to be signed by the very key that the set still has for it. */
  isStillRefused(token: string): boolean {
    const refused = this.#refused.get(token);
    if (refused === undefined || this.#parts.keys.mayRefetch) return false;
    return this.#parts.keys.find(refused.kid, refused.algorithm) === refused.key;
  }

  /**
   * Verifies a token, and remembers the result.
   *
   * @param decoded  of this very token
   * @returns its value, or the rule that it breaks; a promise only where keys have to be fetched
   * @throws the key set's error when no keys are available, as a rejection or directly
   */
  verify(token: Token, decoded: DecodedToken): T | TokenProblem | Promise<T | TokenProblem> {
    const { keys, profile, clocks } = this.#parts;
    const verdict = verifyDecoded(token, decoded, keys, profile, clocks.wallMs(), this.#isSigned);
    return verdict instanceof Promise
      ? verdict.then((settled) => this.#remember(token, settled))
      : this.#remember(token, verdict);
  }

  /** Made once, so that no token needs a closure of its own. */
  readonly #isSigned = (token: string, key: VerificationKey, header: CheckedHeader): boolean => {
    if (this.#refused.get(token)?.key === key) return false;
    if (isSignedBy(token, key, header)) return true;
    this.#refused.set(token, { key, kid: header.kid ?? null, algorithm: header.alg });
    return false;
  };

  #remember(token: Token, verdict: Verdict): T | TokenProblem {
    if (typeof verdict === 'string') return verdict;
    const { claims, key } = verdict;
    const { profile, clocks, read } = this.#parts;
    // Another caller that waited for the same key with the same token may have verified it in the meantime.
    const value = this.#verified.get(token)?.value ?? read(claims, token);
    this.#verified.set(token, {
      value,
      key,
      endsAtMs: endOf(claims, profile),
      rememberedUntilMs: clocks.monotonicMs() + REMEMBERED_MS,
    });
    return value;
  }
}
