/**
 * The metrics of several processes as those of one gateway: counters and histograms are added up, gauges as each says of
 * itself. What is about the gateway as a whole (its configuration, its workers) is the primary's to say.
 */

import {
  AggregatorRegistry,
  type MetricObjectWithValues,
  type MetricValue,
  type PrometheusContentType,
  type Registry,
} from 'prom-client';

/** All metrics of one process. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[];

type Metric = MetricsSnapshot[number];

const PRIMARY_ONLY = /^sallyport_(?:config_|build_info$|workers_|process_start_time_seconds$)/;
/** What the primary uses itself is part of what the gateway uses. */
const PRIMARY_TOO = /^sallyport_process_/;

export class MetricsMerger {
  /** Counters and histograms of workers that are gone: a total that went down would be read as a restart. */
  #gone: MetricsSnapshot = [];
  readonly #last = new Map<number, MetricsSnapshot>();

  /**
   * Merges what the processes say.
   *
   * @param workers  by worker; one that does not answer is left out, and counts with what it said last
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

  /** A worker is gone: what it counted until it last said so stays counted. */
  async retire(worker: number): Promise<void> {
    const last = this.#last.get(worker);
    if (last === undefined) return;
    this.#last.delete(worker);
    const counted = totals(last).filter(({ name }) => !PRIMARY_ONLY.test(name));
    this.#gone = (await AggregatorRegistry.aggregate([this.#gone, counted]).getMetricsAsJSON()) as MetricsSnapshot;
  }
}

const totals = (snapshot: MetricsSnapshot) =>
  snapshot.filter(({ type }) => String(type) === 'counter' || String(type) === 'histogram');

const asItIs = (metric: Metric): Metric => ({ ...metric, aggregator: 'first' });
