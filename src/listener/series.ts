/** What is counted of requests that wait for their turn. */

import type { MetricRegistry } from '../telemetry/registry.ts';

/** When a request is refused: as it comes, because those before it wait too long, or after it has waited too long. */
const SHED = ['early', 'late'] as const;

/** The metrics of the queue in front of the pipelines. */
export class QueueSeries {
  readonly shed;
  readonly #queued;

  constructor(registry: MetricRegistry) {
    this.shed = registry.counter(
      'requests_shed_total',
      'Requests refused because the process is overloaded: on arrival, or after waiting too long for their turn.',
      { when: SHED },
    );
    this.#queued = registry.readGauge('requests_queued', 'Requests that wait for their turn in the process.', {});
  }

  /** Reads the gauge from this queue from now on. */
  readFrom(queue: { readonly size: number }): void {
    this.#queued.readFrom(() => queue.size);
  }
}
