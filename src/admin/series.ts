/** The metric series of the admin listener. */

import type { MetricRegistry } from '../telemetry/registry.ts';

/** Counts failures of the admin listener. */
export class AdminSeries {
  readonly tokenWatchErrors;

  constructor(registry: MetricRegistry) {
    this.tokenWatchErrors = registry.counter(
      'admin_token_watch_errors_total',
      'Times that the directory of the admin token could not be watched; it is polled until it can.',
    );
  }
}
