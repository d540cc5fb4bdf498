/**
 * The one source of time. Everything that needs the time takes a `Clock` or both `Clocks`, so that a test can set it.
 */

/** A reading of time, in milliseconds. */
export type Clock = () => number;

export interface Clocks {
  /** Since the Unix epoch, for what is written down (`exp`, session expiry). May step: never subtract for durations. */
  readonly wallMs: Clock;
  /** Since some fixed moment, with sub-millisecond fractions, for durations. Never steps. */
  readonly monotonicMs: Clock;
}

/** The machine's clocks. */
export const systemClocks: Clocks = {
  // biome-ignore lint/style/noRestrictedGlobals: this is the injected clock that the rule points to.
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
