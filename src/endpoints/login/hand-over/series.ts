/** The metrics of logins that are handed over between origins. */

import type { MetricRegistry } from '../../../telemetry/registry.ts';

/**
 * `begun`: a browser was redirected to the login origin; `given`: it got a code there; `taken`: it returned with the code and is logged
 * in; `refused`: its code or state was not accepted; `failed`: a fault, such as a store that does not answer.
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
