import type { Clocks } from '../../src/lib/clock.ts';

/** Clocks that stand still until a test moves them. */
export class TestClocks implements Clocks {
  #wallMs = 1_800_000_000_000;
  #monotonicMs = 1_000_000;
  readonly wallMs = (): number => this.#wallMs;
  readonly monotonicMs = (): number => this.#monotonicMs;

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
