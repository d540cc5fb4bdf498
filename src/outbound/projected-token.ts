/**
 * The projected ServiceAccount token of the pod. The kubelet replaces the file when 80 % of the token's lifetime has passed.
 * The file is read on demand, at most once a second: a new token is used soon, and a pod that calls nothing reads nothing.
 */

import { readTokenFile } from '../config/files/secret-file.ts';
import { DependencyFault } from '../errors.ts';
import { hasCompactForm } from '../jwt/compact.ts';
import type { Clocks } from '../lib/clock.ts';
import type { CompactToken } from '../lib/http/bearer.ts';
import { MIN_LEFT_MS } from './kept-token.ts';
import { expiryOf, unverifiedClaims } from './unverified.ts';

/** Shortest time between two reads of the file. */
const LOOK_AGAIN_MS = 1_000;

/** The token in one file. */
export class ProjectedToken {
  readonly #path: string;
  readonly #clocks: Clocks;
  #compact: CompactToken | null = null;
  /** Wall clock. */
  #expiresAtMs = 0;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<CompactToken> | null = null;

  constructor(path: string, clocks: Clocks) {
    this.#path = path;
    this.#clocks = clocks;
  }

  /**
   * The token in the file. Only its form and its expiry are checked.
   *
   * @throws DependencyFault `token_unavailable`, as a rejection, when there is none or it has expired
   */
  get(): CompactToken | Promise<CompactToken> {
    const isRecent = this.#clocks.monotonicMs() - this.#readAtMs < LOOK_AGAIN_MS;
    if (isRecent && this.#compact !== null && this.#isAlive()) return this.#compact;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  /** kubelet makes another one when it is time: the file is read again soon enough. */
  refused(): boolean {
    return false;
  }

  #isAlive(): boolean {
    return this.#clocks.wallMs() + MIN_LEFT_MS < this.#expiresAtMs;
  }

  async #read(): Promise<CompactToken> {
    let cause: unknown = null;
    try {
      const text = await readTokenFile(this.#path);
      // A half-written or briefly missing file does not replace a token that is still valid.
      if (hasCompactForm(text)) {
        this.#compact = text;
        this.#expiresAtMs = expiryOf(unverifiedClaims(text));
      }
    } catch (error) {
      cause = error;
    }
    this.#readAtMs = this.#clocks.monotonicMs();
    if (this.#compact !== null && this.#isAlive()) return this.#compact;
    const what = cause !== null ? 'cannot be read' : this.#compact === null ? 'is not a JWT' : 'has expired';
    throw new DependencyFault('token_unavailable', `projected token ${what}`, { cause });
  }
}
