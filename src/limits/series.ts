/** What is counted of limits. */

import type { MetricRegistry } from '../telemetry/registry.ts';

const LIMITS = ['client', 'session', 'route'] as const;
/** Whose requests are too many. */
export type LimitKind = (typeof LIMITS)[number];

/** The metric of limits. */
export class LimitSeries {
  readonly refused;

  constructor(registry: MetricRegistry) {
    this.refused = registry.counter(
      'requests_over_limit_total',
      'Requests refused because their client address, their session or their route had too many in progress.',
      { limit: LIMITS },
    );
  }
}
