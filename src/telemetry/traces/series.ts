/** What is counted of traces. */

import type { MetricRegistry } from '../registry.ts';

/** Why a span was not sent: too many wait, the collector did not take it, or the process ended first. */
const DROP_REASONS = ['queue_full', 'export_failed', 'shutdown'] as const;

/** The metrics of traces. */
export class TraceSeries {
  readonly exported;
  readonly dropped;
  readonly overLimit;

  constructor(registry: MetricRegistry) {
    this.exported = registry.counter('trace_spans_exported_total', 'Spans that the collector has accepted.');
    this.dropped = registry.counter('trace_spans_dropped_total', 'Spans that were recorded and not sent, by reason.', {
      reason: DROP_REASONS,
    });
    this.overLimit = registry.counter(
      'traces_over_limit_total',
      'Requests that were not recorded because `traces.maxPerSecond` was reached.',
    );
  }
}
