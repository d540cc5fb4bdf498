/** What is counted of the store. */

import type { HotHistogram } from '../telemetry/hot-metrics.ts';
import { type MetricRegistry, SHORT_BUCKETS_SEC } from '../telemetry/registry.ts';
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
  readonly #durationOf = new Map<StoreOperation, HotHistogram>();
  readonly #errors;

  constructor(registry: MetricRegistry) {
    this.#up = registry.gauge('store_up', '1 while the session store answers.', {}, 'min');
    // A store in this process has no commands, and so no series of them.
    this.#commandDuration = registry.hotHistogram(
      'store_command_duration_seconds',
      'Time of one command to the store.',
      SHORT_BUCKETS_SEC,
      ['command'],
    );
    this.#errors = registry.counter('store_errors_total', 'Failed commands to the store, by reason.', {
      reason: STORE_ERROR_REASONS,
    });
  }

  /** The store is in another process: the series of its commands exist from now on. */
  expectCommands(): void {
    for (const command of STORE_OPERATIONS) this.#durationOf.set(command, this.#commandDuration.child({ command }));
  }

  /** Whether the store answers. */
  up(isUp: boolean): void {
    this.#up.set(isUp ? 1 : 0);
  }

  /** A command was answered. */
  answered(command: StoreOperation, durationMs: number): void {
    this.#durationOf.get(command)?.observeMs(durationMs);
  }

  /** A command failed. */
  failed(reason: StoreErrorReason): void {
    this.#errors.inc({ reason });
  }
}
