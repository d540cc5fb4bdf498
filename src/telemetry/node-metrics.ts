/** Metrics of Node itself: what prom-client collects of the process, and how busy the event loop is. */

import { performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Histogram } from 'prom-client';
import type { MetricRegistry } from './registry.ts';

/** The values of a label of prom-client's own metric of garbage collection. */
const GC_KINDS = ['minor', 'major', 'incremental', 'weakcb'] as const;

/** Registers the metrics of this process. Once per registry. */
export function collectNodeMetrics(registry: MetricRegistry): void {
  const { prometheus } = registry;
  // Under their usual names, which stock dashboards and alerts ask for.
  collectDefaultMetrics({ register: prometheus });
  // One series per type, and none at first; `…_requests_total` has their number.
  prometheus.removeSingleMetric('nodejs_active_requests');
  const collections = prometheus.getSingleMetric('nodejs_gc_duration_seconds');
  if (collections instanceof Histogram) for (const kind of GC_KINDS) collections.zero({ kind });

  // Lag says how late the event loop is; this says how much of the time it has something to do.
  let last = performance.eventLoopUtilization();
  registry
    .readGauge(
      'nodejs_eventloop_utilization_ratio',
      'Fraction of the time since the last scrape in which the event loop was busy, 0 to 1; of the busiest worker.',
      {},
      'max',
    )
    .readFrom(() => {
      const now = performance.eventLoopUtilization();
      const { utilization } = performance.eventLoopUtilization(now, last);
      last = now;
      return utilization;
    });
}
