/**
 * Merges the metrics of several processes into those of one gateway: counters and histograms are summed, gauges combined
 * as each metric defines. Metrics about the gateway as a whole (its configuration, its workers) come from the primary only.
 */

import { AggregatorRegistry, type PrometheusContentType, type Registry } from 'prom-client';
import type { MetricsSnapshot } from '../../telemetry/registry.ts';

type Metric = MetricsSnapshot[number];

const PRIMARY_ONLY = /^(?:sallyport_(?:admin_|config_|build_info$|workers_)|process_start_time_seconds$)/;
/** The resources of the primary are part of what the gateway uses. */
const PRIMARY_TOO = /^process_/;

/** Merges snapshots so that no total ever goes down, which `rate()` would treat as a reset. */
export class MetricsMerger {
  /** Sums of the counters and histograms of workers that have exited. */
  #gone: MetricsSnapshot = [];
  /** The last snapshot of each running worker. */
  readonly #last = new Map<number, MetricsSnapshot>();
  #retiring: Promise<void> = Promise.resolve();

  /**
   * Merges snapshots.
   *
   * @param workers  by worker; the totals of a running worker that is left out count as in its last snapshot
   */
  merge(primary: MetricsSnapshot, workers: ReadonlyMap<number, MetricsSnapshot>): Registry<PrometheusContentType> {
    for (const [worker, snapshot] of workers) this.#last.set(worker, snapshot);
    const silent = [...this.#last].filter(([worker]) => !workers.has(worker)).map(([, snapshot]) => totals(snapshot));
    return AggregatorRegistry.aggregate([
      primary.filter(({ name }) => PRIMARY_ONLY.test(name)).map(asItIs),
      ...[...workers.values(), ...silent].map((snapshot) => snapshot.filter(({ name }) => !PRIMARY_ONLY.test(name))),
      primary.filter(({ name }) => PRIMARY_TOO.test(name) && !PRIMARY_ONLY.test(name)),
      this.#gone,
    ]);
  }

  /**
   * Keeps the totals of a worker that has exited. Pass no more snapshots of it, and none of another worker in its place
   * until the promise resolves.
   */
  retire(worker: number): Promise<void> {
    this.#retiring = this.#retiring.then(() => this.#retire(worker));
    return this.#retiring;
  }

  async #retire(worker: number): Promise<void> {
    const last = this.#last.get(worker);
    if (last === undefined) return;
    const counted = totals(last).filter(({ name }) => !PRIMARY_ONLY.test(name));
    const gone = (await AggregatorRegistry.aggregate([this.#gone, counted]).getMetricsAsJSON()) as MetricsSnapshot;
    // Together, so that a scrape sees the worker in exactly one of the two.
    this.#gone = gone;
    this.#last.delete(worker);
  }
}

const totals = (snapshot: MetricsSnapshot) =>
  snapshot.filter(({ type }) => String(type) === 'counter' || String(type) === 'histogram');

const asItIs = (metric: Metric): Metric => ({ ...metric, aggregator: 'first' });
