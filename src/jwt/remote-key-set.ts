/**
 * A key set that is fetched from its issuer and kept.
 *
 * Fetched in the background every `refreshEveryMs` ± 10 %, one fetch at a time. When a fetch fails (no answer, a wrong one,
 * an empty one), the last good set stays in use until it is `maxStaleMs` old; then it is unavailable: 503, not 401. A token
 * with an unknown `kid`, or with a signature that the named key did not make, causes one fetch per cool-down, successful or
 * not. So a key that the issuer has withdrawn is refused after 1.1 × `refreshEveryMs` while the issuer answers, and after
 * `maxStaleMs` when it does not.
 */

import type { Clock } from '../lib/clock.ts';
import { type KeySet, pickKey } from './key-set.ts';
import type { ReadKeySet, VerificationKey } from './verification-keys.ts';

/** How often a set is fetched, and how long it is used. */
interface RemoteKeySetSettings {
  readonly refreshEveryMs: number;
  /** How long a set is used after its last successful fetch. */
  readonly maxStaleMs: number;
  /** Shortest time between two fetches that tokens cause. */
  readonly coolDownMs: number;
}

interface RemoteKeySetEvents {
  /**
   * A fetch ended.
   *
   * @param problem  why it failed, or which keys were left out; `null` if nothing is wrong. May be logged.
   */
  readonly onFetched: (result: 'refreshed' | 'failed', problem: string | null) => void;
  /** Makes the error that `find` rejects with when there is no usable set. */
  readonly unavailable: () => Error;
}

/** After a failure, the next background fetch comes after this share of the usual interval. */
const RETRY_SHARE = 0.1;
/** The first retry while no set was ever fetched; doubles each time. For a gateway that starts before its issuer. */
const FIRST_RETRY_MS = 1_000;

/** A fetched key set. */
export class RemoteKeySet implements KeySet {
  readonly isFetched = true;
  readonly #fetch: () => Promise<ReadKeySet>;
  readonly #settings: RemoteKeySetSettings;
  readonly #monotonicMs: Clock;
  readonly #events: RemoteKeySetEvents;
  #keys: readonly VerificationKey[] | null = null;
  #fetchedAtMs = Number.NEGATIVE_INFINITY;
  #attemptedAtMs = Number.NEGATIVE_INFINITY;
  #failuresInARow = 0;
  #underWay: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isStarted = false;
  #isClosed = false;

  /** @param fetch  fetches and reads the set; rejects with an error whose message may be logged */
  constructor(
    fetch: () => Promise<ReadKeySet>,
    settings: RemoteKeySetSettings,
    monotonicMs: Clock,
    events: RemoteKeySetEvents,
  ) {
    this.#fetch = fetch;
    this.#settings = settings;
    this.#monotonicMs = monotonicMs;
    this.#events = events;
  }

  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    void this.refresh();
  }

  get ageMs(): number | null {
    return this.#keys === null ? null : this.#monotonicMs() - this.#fetchedAtMs;
  }

  find(kid: string | null, algorithm: string): VerificationKey | null | Promise<VerificationKey | null> {
    const usable = this.#usable();
    const found = usable === null ? null : pickKey(usable, kid, algorithm);
    if (found !== null || (usable !== null && !this.#mayFetch())) return found;
    return this.#findAfterFetch(kid, algorithm);
  }

  holds(key: VerificationKey): boolean {
    return this.#usable()?.includes(key) === true;
  }

  list(): readonly VerificationKey[] {
    return this.#keys ?? [];
  }

  get mayRefetch(): boolean {
    return this.#usable() !== null && this.#mayFetch();
  }

  refetch(): Promise<void> | null {
    return this.mayRefetch ? this.refresh() : null;
  }

  /** Fetches now, or joins the fetch in progress. Never rejects: the result goes to the events. */
  refresh(): Promise<void> {
    this.#underWay ??= this.#refresh().finally(() => {
      this.#underWay = null;
    });
    return this.#underWay;
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  async #findAfterFetch(kid: string | null, algorithm: string): Promise<VerificationKey | null> {
    if (this.#mayFetch()) await this.refresh();
    const usable = this.#usable();
    if (usable === null) throw this.#events.unavailable();
    return pickKey(usable, kid, algorithm);
  }

  #usable(): readonly VerificationKey[] | null {
    return this.#monotonicMs() - this.#fetchedAtMs <= this.#settings.maxStaleMs ? this.#keys : null;
  }

  /** Whether a token may wait for a fetch: the one in progress, or a new one outside the cool-down. */
  #mayFetch(): boolean {
    if (this.#isClosed) return false;
    return this.#underWay !== null || this.#monotonicMs() - this.#attemptedAtMs >= this.#settings.coolDownMs;
  }

  async #refresh(): Promise<void> {
    const startedAtMs = this.#monotonicMs();
    this.#attemptedAtMs = startedAtMs;
    const { refreshEveryMs, coolDownMs } = this.#settings;
    try {
      const { keys, refused } = await this.#fetch();
      const leftOut = refused.join(', ');
      if (keys.length === 0) throw new Error(`a set without a usable key${leftOut && `: left out ${leftOut}`}`);
      this.#keys = keys.map((key) => this.#known(key));
      this.#fetchedAtMs = startedAtMs;
      this.#schedule(refreshEveryMs);
      this.#events.onFetched('refreshed', leftOut === '' ? null : `left out: ${leftOut}`);
    } catch (error) {
      const laterMs = Math.max(coolDownMs, refreshEveryMs * RETRY_SHARE);
      const soonMs = FIRST_RETRY_MS * 2 ** this.#failuresInARow;
      this.#schedule(this.#keys === null ? Math.min(soonMs, laterMs) : laterMs);
      this.#failuresInARow += 1;
      this.#events.onFetched('failed', error instanceof Error ? error.message : 'unknown');
    }
  }

  /** The existing object for a key that was in the set before, so that {@link holds} compares references. */
  #known(key: VerificationKey): VerificationKey {
    return (
      this.#keys?.find(
        ({ kid, thumbprint, byAlgorithm }) =>
          kid === key.kid &&
          thumbprint === key.thumbprint &&
          byAlgorithm.size === key.byAlgorithm.size &&
          [...key.byAlgorithm.keys()].every((algorithm) => byAlgorithm.has(algorithm)),
      ) ?? key
    );
  }

  /** ± 10 %, so that replicas do not all fetch at the same moment. */
  #schedule(delayMs: number): void {
    if (this.#isClosed) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), delayMs * (0.9 + Math.random() * 0.2)).unref();
  }
}
