/** Long work in parts, so that the event loop serves requests in between. */

import { setImmediate } from 'node:timers/promises';

/** How long one part may take: as long as requests may in a turn (docs/adr/0018-requests-wait-for-their-turn.md). */
const PART_MS = 1;

/** Says when a part has taken long enough, and lets the event loop run before the next one. */
export class LoopShare {
  #beganMs = performance.now();

  /** Whether it is time to call {@link next}. */
  get isUsed(): boolean {
    return performance.now() - this.#beganMs >= PART_MS;
  }

  /** Resolves after the event loop has run. */
  async next(): Promise<void> {
    await setImmediate();
    this.#beganMs = performance.now();
  }
}
