/**
 * Families of refresh tokens in the memory of one process, until the absolute end of their session. A family stays
 * after its session has ended, so that its tokens are answered as such and not counted as guesses; such families are
 * the first to go when there is no room.
 */

import type { Clocks } from '../../lib/clock.ts';
import {
  judge,
  type NewRefreshFamily,
  type PresentedRefreshToken,
  type ProposedSuccessor,
  type RefreshFamily,
  type RefreshFamilyReading,
  type Rotation,
} from '../refresh-family.ts';
import type { RefreshFamilies, RevocationFeed } from '../store.ts';
import { ExpiringMap } from './expiring-map.ts';

/** The families of the embedded store. */
export class MemoryFamilies implements RefreshFamilies {
  readonly #families: ExpiringMap<RefreshFamily>;
  readonly #bySession = new Map<string, string>();
  readonly #withoutSession = new Set<string>();
  readonly #clocks: Clocks;
  readonly #maxFamilies: number;

  /** @param feed  reports sessions that ended */
  constructor(feed: Pick<RevocationFeed, 'subscribe'>, clocks: Clocks, maxFamilies: number) {
    this.#families = new ExpiringMap(clocks.wallMs, (handle, { session }) => {
      this.#withoutSession.delete(handle);
      this.#bySession.delete(session);
    });
    this.#clocks = clocks;
    this.#maxFamilies = maxFamilies;
    feed.subscribe((session) => {
      const handle = this.#bySession.get(session);
      if (handle !== undefined) this.#withoutSession.add(handle);
    });
  }

  async begin(family: NewRefreshFamily, ttlMs: number): Promise<void> {
    this.#makeRoom();
    const first = { ...family, generation: 0, previous: null, seed: null, rotatedAtMs: 0, isEnded: false };
    this.#families.set(family.handle, first, ttlMs);
    this.#bySession.set(family.session, family.handle);
  }

  async read(handle: string): Promise<RefreshFamilyReading | null> {
    const family = this.#families.get(handle);
    if (family === null) return null;
    const { wallMs, monotonicMs } = this.#clocks;
    return { family, asOfMs: wallMs(), arrivedAtMs: monotonicMs() };
  }

  async rotate(
    { family: { handle } }: RefreshFamilyReading,
    presented: PresentedRefreshToken,
    proposed: ProposedSuccessor,
    graceMs: number,
  ): Promise<Rotation> {
    const family = this.#families.get(handle);
    if (family === null) return { outcome: 'unknown' };
    if (family.isEnded) return { outcome: 'ended' };
    const { seed, digest } = proposed;
    if (family.previous === presented.digest && family.seed === seed) return { outcome: 'rotated', seed };
    const nowMs = this.#clocks.wallMs();
    const judgement = judge(family, presented, nowMs, graceMs);
    switch (judgement) {
      case 'current':
        this.#families.replace(handle, {
          ...family,
          generation: family.generation + 1,
          current: digest,
          previous: presented.digest,
          seed,
          rotatedAtMs: nowMs,
        });
        return { outcome: 'rotated', seed };
      case 'replayed':
        return family.seed === null ? { outcome: 'unknown' } : { outcome: 'replayed', seed: family.seed };
      case 'reused':
        this.#families.replace(handle, { ...family, isEnded: true });
        return { outcome: 'reused' };
      default:
        return { outcome: judgement };
    }
  }

  async end(handle: string): Promise<void> {
    this.#families.delete(handle);
  }

  /** Drops what has expired, then the families whose session has ended. */
  #makeRoom(): void {
    if (this.#families.size < this.#maxFamilies) return;
    this.#families.dropExpired();
    for (const handle of this.#withoutSession) this.#families.delete(handle);
    this.#families.requireRoom(this.#maxFamilies);
  }
}
