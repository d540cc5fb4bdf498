/** How failed attempts slow the next one. */

import type { ThrottleRule } from './store.ts';

/**
 * How long the next attempt has to wait after the n-th failure: not at all after the free ones, then 1 s, 2 s, 4 s …
 *
 * @param failures  failures so far, this one included
 * @returns milliseconds, at most `rule.maxDelayMs`
 */
export function throttleDelayMs(failures: number, rule: ThrottleRule): number {
  const beyond = failures - rule.freeAttempts;
  if (beyond < 0) return 0;
  return Math.min(1_000 * 2 ** Math.min(beyond, 30), rule.maxDelayMs);
}
