/**
 * Sessions that were ended lately. Redis replicates asynchronously: a primary that dies can take an acknowledged
 * deletion with it, and the replica that is promoted still has the session (RDS-09). What every gateway heard is
 * remembered here: such a session is not given out, and is ended again. A handle is never used twice, so none is
 * remembered wrongly.
 */

import type { Clock } from '../../lib/clock.ts';

/** Longer than a failover takes, at any setting that makes sense. */
const REMEMBER_MS = 600_000;
const MAX_REMEMBERED = 50_000;

export class RecentEnds {
  /** When each ended; the oldest first. */
  readonly #endedAtMs = new Map<string, number>();
  readonly #monotonicMs: Clock;

  constructor(monotonicMs: Clock) {
    this.#monotonicMs = monotonicMs;
  }

  note(handle: string): void {
    const nowMs = this.#monotonicMs();
    this.#endedAtMs.delete(handle);
    this.#endedAtMs.set(handle, nowMs);
    for (const [oldest, endedAtMs] of this.#endedAtMs) {
      if (this.#endedAtMs.size <= MAX_REMEMBERED && nowMs - endedAtMs < REMEMBER_MS) return;
      this.#endedAtMs.delete(oldest);
    }
  }

  has(handle: string): boolean {
    return this.#endedAtMs.has(handle);
  }

  /** The handles of those that ended less than this long ago. */
  within(ms: number): string[] {
    const sinceMs = this.#monotonicMs() - ms;
    return [...this.#endedAtMs].filter(([, endedAtMs]) => endedAtMs >= sinceMs).map(([handle]) => handle);
  }
}
