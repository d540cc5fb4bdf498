/**
 * lib: small helpers that import nothing else of this program. They hold no configuration and log nothing; each file says
 * what it throws or returns for bad input.
 *
 * This file is the one source of time: code that needs the time takes a `Clock` or both `Clocks`, so that a test can set it.
 */

/** A reading of time, in milliseconds. */
export type Clock = () => number;

/** More than `setTimeout` can wait, which then does not wait at all: 24 days. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** The two clocks of a machine. */
export interface Clocks {
  /** Since the Unix epoch, for times that are stored or sent (`exp`, session expiry). May step: never measure durations with it. */
  readonly wallMs: Clock;
  /** Since an arbitrary moment, with sub-millisecond fractions, for durations. Never steps. */
  readonly monotonicMs: Clock;
}

/** The machine's clocks. */
export const systemClocks: Clocks = {
  // biome-ignore lint/style/noRestrictedGlobals: this is the injected clock that the rule points to.
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
