/** What is counted of the store. */

import { CONFIGURED, type MetricRegistry, SHORT_BUCKETS_SEC } from '../telemetry/registry.ts';
import {
  STORE_ERROR_REASONS,
  STORE_OPERATIONS,
  type StoreErrorReason,
  type StoreOperation,
} from './networked/events.ts';

/** The metrics of the store. */
export class StoreSeries {
  readonly #up;
  readonly #commandDuration;
  readonly #errors;

  constructor(registry: MetricRegistry) {
    this.#up = registry.gauge('store_up', '1 while the session store answers.', {}, 'min');
    this.#commandDuration = registry.histogram(
      'store_command_duration_seconds',
      'Time of one command to the store.',
      SHORT_BUCKETS_SEC,
      // Not STORE_OPERATIONS: a store in this process has no commands, and so no series of them.
      { command: CONFIGURED },
    );
    this.#errors = registry.counter('store_errors_total', 'Failed commands to the store, by reason.', {
      reason: STORE_ERROR_REASONS,
    });
  }

  /** The store is in another process: the series of its commands exist from now on. */
  expectCommands(): void {
    for (const command of STORE_OPERATIONS) this.#commandDuration.zero({ command });
  }

  /** Whether the store answers. */
  up(isUp: boolean): void {
    this.#up.set(isUp ? 1 : 0);
  }

  /** A command was answered. */
  answered(command: StoreOperation, durationMs: number): void {
    this.#commandDuration.observe({ command }, durationMs / 1_000);
  }

  /** A command failed. */
  failed(reason: StoreErrorReason): void {
    this.#errors.inc({ reason });
  }
}
