/**
 * Sessions that ended recently. A store that replicates asynchronously can lose an acknowledged deletion: the primary
 * dies, and the replica that is promoted still has the session (RDS-09). Every gateway remembers the ends it hears of:
 * such a session is not given out, and is ended again. A handle is never used twice, so none is remembered wrongly.
 */

import type { SessionHandle } from '../../jwt/names.ts';
import type { Clock } from '../../lib/clock.ts';

/** Longer than any sensible setting lets a failover take. */
const REMEMBER_MS = 600_000;
const MAX_REMEMBERED = 50_000;

/** The handles of sessions that ended in the last ten minutes, 50,000 at most. */
export class RecentEnds {
  /** When each ended; the oldest first. */
  readonly #endedAtMs = new Map<SessionHandle, number>();
  readonly #monotonicMs: Clock;

  constructor(monotonicMs: Clock) {
    this.#monotonicMs = monotonicMs;
  }

  /** A session has ended now. */
  note(handle: SessionHandle): void {
    const nowMs = this.#monotonicMs();
    this.#endedAtMs.delete(handle);
    this.#endedAtMs.set(handle, nowMs);
    for (const [oldest, endedAtMs] of this.#endedAtMs) {
      if (this.#endedAtMs.size <= MAX_REMEMBERED && nowMs - endedAtMs < REMEMBER_MS) return;
      this.#endedAtMs.delete(oldest);
    }
  }

  /** Whether a session has ended recently. */
  has(handle: SessionHandle): boolean {
    return this.#endedAtMs.has(handle);
  }

  /** The handles of sessions that ended less than this long ago. */
  within(ms: number): SessionHandle[] {
    const sinceMs = this.#monotonicMs() - ms;
    return [...this.#endedAtMs].filter(([, endedAtMs]) => endedAtMs >= sinceMs).map(([handle]) => handle);
  }
}
