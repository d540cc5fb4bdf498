/**
 * Families of refresh tokens in the memory of one process, until the absolute end of their session. Those whose session has
 * ended stay as well, so that who still presents a token is told so and not taken for somebody who guesses; they are the
 * first to go when there is no room.
 */

import { DependencyFault } from '../../errors.ts';
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

interface Held {
  family: RefreshFamily;
  readonly deadlineMs: number;
}

export class MemoryFamilies implements RefreshFamilies {
  readonly #held = new Map<string, Held>();
  readonly #bySession = new Map<string, string>();
  readonly #withoutSession = new Set<string>();
  readonly #clocks: Clocks;
  readonly #maxFamilies: number;

  /** @param feed  tells of sessions that ended */
  constructor(feed: Pick<RevocationFeed, 'subscribe'>, clocks: Clocks, maxFamilies: number) {
    this.#clocks = clocks;
    this.#maxFamilies = maxFamilies;
    feed.subscribe((session) => {
      const handle = this.#bySession.get(session);
      if (handle !== undefined) this.#withoutSession.add(handle);
    });
  }

  async begin(family: NewRefreshFamily, ttlMs: number): Promise<void> {
    if (this.#held.size >= this.#maxFamilies) this.#makeRoom();
    if (this.#held.size >= this.#maxFamilies) throw new DependencyFault('store_full', 'the embedded store is full');
    this.#held.set(family.handle, {
      family: { ...family, generation: 0, previous: null, seed: null, rotatedAtMs: 0, isEnded: false },
      deadlineMs: this.#clocks.wallMs() + ttlMs,
    });
    this.#bySession.set(family.session, family.handle);
  }

  async read(handle: string): Promise<RefreshFamilyReading | null> {
    const held = this.#live(handle);
    if (held === null) return null;
    const { wallMs, monotonicMs } = this.#clocks;
    return { family: held.family, asOfMs: wallMs(), arrivedAtMs: monotonicMs() };
  }

  async rotate(
    { family: { handle } }: RefreshFamilyReading,
    presented: PresentedRefreshToken,
    proposed: ProposedSuccessor,
    graceMs: number,
  ): Promise<Rotation> {
    const held = this.#live(handle);
    if (held === null) return { outcome: 'unknown' };
    const { family } = held;
    if (family.isEnded) return { outcome: 'ended' };
    const { seed, digest } = proposed;
    if (family.previous === presented.digest && family.seed === seed) return { outcome: 'rotated', seed };
    const nowMs = this.#clocks.wallMs();
    const judgement = judge(family, presented, nowMs, graceMs);
    switch (judgement) {
      case 'current':
        held.family = {
          ...family,
          generation: family.generation + 1,
          current: digest,
          previous: presented.digest,
          seed,
          rotatedAtMs: nowMs,
        };
        return { outcome: 'rotated', seed };
      case 'replayed':
        return family.seed === null ? { outcome: 'unknown' } : { outcome: 'replayed', seed: family.seed };
      case 'reused':
        held.family = { ...family, isEnded: true };
        return { outcome: 'reused' };
      default:
        return { outcome: judgement };
    }
  }

  async end(handle: string): Promise<void> {
    this.#drop(handle);
  }

  #live(handle: string): Held | null {
    const held = this.#held.get(handle);
    if (held === undefined) return null;
    if (held.deadlineMs > this.#clocks.wallMs()) return held;
    this.#drop(handle);
    return null;
  }

  #drop(handle: string): void {
    const held = this.#held.get(handle);
    if (held === undefined) return;
    this.#held.delete(handle);
    this.#withoutSession.delete(handle);
    this.#bySession.delete(held.family.session);
  }

  #makeRoom(): void {
    for (const handle of this.#held.keys()) this.#live(handle);
    for (const handle of this.#withoutSession) this.#drop(handle);
  }
}
