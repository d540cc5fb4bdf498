/**
 * Revoked tokens, as a verifier with a store knows them: it reads what is on record whenever the feed begins to deliver,
 * and hears of the rest. It keeps what it knows until no such token can be alive, whatever happens to the store.
 *
 * While the feed is cut, news does not arrive. Unlike a session, a token ends by itself, so it stays accepted: one of the
 * gateway for `upstreamToken.lifetime` at most. Where that is too long, `revocation.outageGrace` limits the time since the
 * last proof of the feed; after that, every token gets 503 (`store_unavailable`). A token that is known to be revoked is
 * refused in any case. (docs/adr/0002-revocation-feed.md)
 */

import { DependencyFault } from '../../errors.ts';
import type { Claims } from '../../jwt/names.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { RevocationFeed, TokenRevocation, TokenRevocationStore } from '../../store/store.ts';
import { type RevocationCounts, RevocationSet } from './revocation-set.ts';
import type { KnownRevocations, RevokedTokens, WatchedRevocations } from './revoked-tokens.ts';

/** How long the gateway trusts what it knows of revocations. */
interface RevocationSettings {
  /** How old the last proof of the feed may be; infinite: no limit. */
  readonly outageGraceMs: number;
  /** The longest life of a token that stands for a session, minted or accepted here. */
  readonly sessionTokenMs: number;
}

/** The store that is followed. */
interface FollowedStore {
  readonly tokenRevocations: TokenRevocationStore;
  readonly feed: Pick<RevocationFeed, 'lastProvenAtMs'>;
}

interface Watch {
  readonly claims: Claims;
  readonly onRevoked: () => void;
}

/** Delay before the recorded revocations are requested again after a failed request. */
const READ_AGAIN_AFTER_MS = 250;

/** The revocations of all replicas, followed by the feed of the store. */
export class FollowedRevocations implements RevokedTokens, KnownRevocations, WatchedRevocations {
  readonly #tokenRevocations: TokenRevocationStore;
  readonly #feed: Pick<RevocationFeed, 'lastProvenAtMs'>;
  readonly #clocks: Clocks;
  readonly #set: RevocationSet;
  readonly #watches = new Set<Watch>();
  readonly #stopFollowing: () => void;
  #settings: RevocationSettings;
  /** What is on record was read since the feed last began to deliver. */
  #isCaughtUp = false;
  /** While it is not caught up: as of when everything was known. Monotonic. */
  #knownAsOfMs = Number.NEGATIVE_INFINITY;
  /** Which of the readings counts: the one that began last. */
  #turn = 0;
  #reading: Promise<void> = Promise.resolve();
  #isLookingSoon = false;

  private constructor(
    { tokenRevocations, feed }: FollowedStore,
    settings: RevocationSettings,
    clocks: Clocks,
    onForgotten: () => void,
  ) {
    this.#tokenRevocations = tokenRevocations;
    this.#feed = feed;
    this.#clocks = clocks;
    this.#settings = settings;
    this.#set = new RevocationSet(clocks.wallMs, onForgotten);
    tokenRevocations.keepEndedSessionsFor(settings.sessionTokenMs);
    this.#stopFollowing = tokenRevocations.follow({
      onRevoked: (revocation) => this.#add(revocation),
      onResumed: () => this.#onResumed(),
    });
  }

  /**
   * Begins to follow a store. What is on record has been read once this resolves, if the store answers.
   *
   * @param onForgotten  called for each revocation that had not expired and had to make room
   */
  static async open(
    store: FollowedStore,
    settings: RevocationSettings,
    clocks: Clocks,
    onForgotten: () => void,
  ): Promise<FollowedRevocations> {
    const followed = new FollowedRevocations(store, settings, clocks, onForgotten);
    await followed.#reading;
    return followed;
  }

  /** Applies other settings, from now on. */
  configure(settings: RevocationSettings): void {
    this.#settings = settings;
    this.#tokenRevocations.keepEndedSessionsFor(settings.sessionTokenMs);
  }

  isRevoked(claims: Claims): boolean {
    if (this.#set.isRevoked(claims)) return true;
    const { outageGraceMs } = this.#settings;
    if (outageGraceMs !== Number.POSITIVE_INFINITY && this.ageMs > outageGraceMs) {
      throw new DependencyFault('store_unavailable', 'news of revoked tokens is older than revocation.outageGrace');
    }
    return false;
  }

  isKnown(claims: Claims): boolean {
    return this.#set.isRevoked(claims);
  }

  watch(claims: Claims, onRevoked: () => void): () => void {
    const watch = { claims, onRevoked };
    this.#watches.add(watch);
    // It may have been revoked while the stream was being opened.
    if (this.#set.isRevoked(claims)) this.#lookSoon();
    return () => this.#watches.delete(watch);
  }

  /** How many revocations are known. */
  get counts(): RevocationCounts {
    return this.#set.counts;
  }

  /** How long ago it was last proven that nothing is missing; infinite before the first time. */
  get ageMs(): number {
    const asOfMs = this.#isCaughtUp ? this.#feed.lastProvenAtMs() : this.#knownAsOfMs;
    return Math.max(0, this.#clocks.monotonicMs() - asOfMs);
  }

  close(): void {
    this.#turn += 1;
    this.#stopFollowing();
  }

  #add(revocation: TokenRevocation): void {
    this.#set.add(revocation);
    if (this.#watches.size > 0) this.#lookSoon();
  }

  /** Once for all news of the moment: "log out everywhere" brings many. */
  #lookSoon(): void {
    if (this.#isLookingSoon) return;
    this.#isLookingSoon = true;
    setImmediate(() => {
      this.#isLookingSoon = false;
      for (const watch of this.#watches) {
        if (!this.#set.isRevoked(watch.claims)) continue;
        this.#watches.delete(watch);
        watch.onRevoked();
      }
    });
  }

  #onResumed(): void {
    // Read now: the feed has not been proven yet since it delivers again, so this is from before the gap.
    if (this.#isCaughtUp) this.#knownAsOfMs = this.#feed.lastProvenAtMs();
    this.#isCaughtUp = false;
    this.#turn += 1;
    this.#reading = this.#read(this.#turn);
  }

  async #read(turn: number): Promise<void> {
    if (turn !== this.#turn) return;
    try {
      for (const revocation of await this.#tokenRevocations.current()) this.#add(revocation);
      if (turn === this.#turn) this.#isCaughtUp = true;
    } catch {
      // The store itself reports that it does not answer.
      setTimeout(() => void this.#read(turn), READ_AGAIN_AFTER_MS).unref();
    }
  }
}
