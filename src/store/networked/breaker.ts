/**
 * Refuses at once what would not be answered in time. After the first command without an answer, the breaker of its
 * part of the store is open: callers get their 503 without waiting, and only a probe in the background asks, until one
 * is answered in time. A single server is one part; a cluster has one part for each primary.
 */

import { isFulfilled } from './deadline.ts';

/** How often an open breaker asks. */
const PROBE_EVERY_MS = 100;

/** The breakers of one store. A breaker exists while it is open. */
export class Breakers {
  readonly #open = new Map<string, NodeJS.Timeout>();
  readonly #onChange: () => void;

  /** @param onChange  called when a breaker opened or closed */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** How many parts are refused. */
  get openCount(): number {
    return this.#open.size;
  }

  /** Whether commands to this part are refused. */
  isOpen(part: string): boolean {
    return this.#open.has(part);
  }

  /**
   * Refuses this part from now on.
   *
   * @param probe  asks it; rejects unless it is answered in time
   */
  open(part: string, probe: () => Promise<unknown>): void {
    if (this.#open.has(part)) return;
    this.#schedule(part, probe);
    this.#onChange();
  }

  /** Stops all probes and forgets which parts were refused. */
  stop(): void {
    for (const timer of this.#open.values()) clearTimeout(timer);
    this.#open.clear();
  }

  #schedule(part: string, probe: () => Promise<unknown>): void {
    this.#open.set(part, setTimeout(() => void this.#ask(part, probe), PROBE_EVERY_MS).unref());
  }

  async #ask(part: string, probe: () => Promise<unknown>): Promise<void> {
    const isAnswered = await isFulfilled(probe());
    if (!this.#open.has(part)) return;
    if (!isAnswered) return this.#schedule(part, probe);
    this.#open.delete(part);
    this.#onChange();
  }
}
