/** What is counted of logins that are handed over between origins. */

import type { MetricRegistry } from '../../../telemetry/registry.ts';

/**
 * `begun`: a browser was sent to the login origin; `given`: it got a code there; `taken`: it came back with it and is logged in;
 * `refused`: what it came with was not accepted; `failed`: something is broken, such as the store.
 */
const OUTCOMES = ['begun', 'given', 'taken', 'refused', 'failed'] as const;

/** The metrics of hand-overs. */
export class HandOverSeries {
  readonly handOvers;

  constructor(registry: MetricRegistry) {
    this.handOvers = registry.counter(
      'login_hand_overs_total',
      'Logins handed over from the login origin to others, by step: begun, given, taken; refused or failed.',
      { outcome: OUTCOMES },
    );
  }
}
