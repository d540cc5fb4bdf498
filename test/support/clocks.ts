import type { Clocks } from '../../src/lib/clock.ts';

/** Clocks that stand still until a test moves them. The wall clock shows 2027-01-15T08:00:00Z unless told otherwise. */
export class TestClocks implements Clocks {
  #wallMs: number;
  #monotonicMs = 1_000_000;
  readonly wallMs = (): number => this.#wallMs;
  readonly monotonicMs = (): number => this.#monotonicMs;

  constructor(wallMs = 1_800_000_000_000) {
    this.#wallMs = wallMs;
  }

  /** Clocks that stand still at this moment, for a test that also involves a clock it cannot set, such as Redis's. */
  static atNow(): TestClocks {
    return new TestClocks(Date.now());
  }

  /** Lets time pass on both clocks. */
  advance(ms: number): void {
    this.#wallMs += ms;
    this.#monotonicMs += ms;
  }

  /** Sets the wall clock without time passing, as NTP may. */
  stepWall(ms: number): void {
    this.#wallMs += ms;
  }
}
