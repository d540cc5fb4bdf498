/** What is counted of the store. */

import { CONFIGURED, type MetricRegistry, SHORT_BUCKETS_SEC } from '../telemetry/registry.ts';
import { STORE_ERROR_REASONS } from './store.ts';

/** The metrics of the store. */
export class StoreSeries {
  readonly up;
  readonly commandDuration;
  readonly errors;

  constructor(registry: MetricRegistry) {
    this.up = registry.gauge('store_up', '1 while the session store answers.', {}, 'min');
    this.commandDuration = registry.histogram(
      'store_command_duration_seconds',
      'Time of one command to the store.',
      SHORT_BUCKETS_SEC,
      { command: CONFIGURED },
    );
    this.errors = registry.counter('store_errors_total', 'Commands to the store that failed, by reason.', {
      reason: STORE_ERROR_REASONS,
    });
  }
}
