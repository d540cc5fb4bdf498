/**
 * telemetry: what an operator sees of a process: metrics, logs, the access log and the audit log.
 *
 * This file is the mechanism of the metrics (Prometheus text format, by prom-client). What is counted is declared where
 * it happens, in the `series.ts` of each folder. Label values come from a closed list or from the configuration, never
 * from a request. A series of closed lists exists from the start, so that `rate()` sees the first error; a series with
 * a value of the configuration exists once its owner has asked for it. Nothing here fails a request.
 */

import { Counter, Gauge, Histogram, type MetricObjectWithValues, type MetricValue, Registry } from 'prom-client';
import { LoopShare } from '../lib/concurrency/loop-share.ts';
import { HotFamily, type HotHistogram, HotHistogramFamily, type HotNumber, HotNumberFamily } from './hot-metrics.ts';
import { headLines, lastLine, type MetricPart, partOf, seriesLines, type TextFormat } from './metric-parts.ts';
import { type Aggregator, ReadGauge } from './read-gauge.ts';

const PREFIX = 'sallyport_';

/** For what takes less than a millisecond, as most of a gateway's own work does. */
export const SHORT_BUCKETS_SEC: readonly number[] = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
];
/** For whole requests. */
export const LONG_BUCKETS_SEC: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
];

/** The values of a label that come from the configuration. Its series do not exist until their owner asks for them. */
export const CONFIGURED: readonly string[] = [];

/** Labels of a metric, each with all of its values. */
type Labels = Readonly<Record<string, readonly string[]>>;
/** One value for each label. */
type LabelsOf<L extends Labels> = { readonly [K in keyof L]: L[K][number] };

interface PlainCounter {
  /** @param amount  1 by default */
  inc(amount?: number): void;
}

interface LabelledCounter<L extends Labels> {
  /** @param amount  1 by default; 0 makes the series exist */
  inc(labels: LabelsOf<L>, amount?: number): void;
}

interface PlainGauge {
  set(value: number): void;
}

interface LabelledGauge<L extends Labels> {
  set(labels: LabelsOf<L>, value: number): void;
  /** Removes every series. */
  reset(): void;
}

interface LabelledHistogram<L extends Labels> {
  observe(labels: LabelsOf<L>, valueSec: number): void;
  /** Makes the series exist. */
  zero(labels: LabelsOf<L>): void;
}

type Snapshot = MetricObjectWithValues<MetricValue<string>>;

/** What the types of prom-client do not say about its metrics. */
interface Gettable {
  get(): Snapshot | Promise<Snapshot>;
}

/** The metrics of one process. Names are given without the prefix `sallyport_`. */
export class MetricRegistry {
  /** Of prom-client, which collects the metrics of the process and of Node. */
  readonly prometheus = new Registry();
  readonly #beforeScrape: (() => void)[] = [];

  /** A counter for what is rare; what happens on every request is a {@link hotCounter}. */
  counter(name: string, help: string): PlainCounter;
  counter<const L extends Labels>(name: string, help: string, labels: L): LabelledCounter<L>;
  counter(name: string, help: string, labels: Labels = {}): PlainCounter & LabelledCounter<Labels> {
    const counter = new Counter({ ...this.#described(name, help), labelNames: Object.keys(labels) });
    for (const each of combinations(labels)) counter.inc(each, 0);
    return counter;
  }

  /** A gauge that is set when its value changes. A labelled one has no series until it is set. */
  gauge(name: string, help: string, labels?: Record<string, never>, aggregator?: Aggregator): PlainGauge;
  gauge<const L extends Labels>(name: string, help: string, labels: L, aggregator?: Aggregator): LabelledGauge<L>;
  gauge(
    name: string,
    help: string,
    labels: Labels = {},
    aggregator: Aggregator = 'sum',
  ): PlainGauge & LabelledGauge<Labels> {
    return new Gauge({ ...this.#described(name, help), labelNames: Object.keys(labels), aggregator });
  }

  /** A gauge that is read when the metrics are scraped, by what its owner gives to {@link ReadGauge.readFrom}. */
  readGauge<const L extends Labels>(
    name: string,
    help: string,
    labels: L,
    aggregator: Aggregator = 'sum',
  ): ReadGauge<LabelsOf<L>> {
    return new ReadGauge(this.prometheus, PREFIX + name, help, Object.keys(labels), aggregator);
  }

  /** A histogram for what is rare; what happens on every request is a {@link hotHistogram}. */
  histogram<const L extends Labels>(
    name: string,
    help: string,
    bucketsSec: readonly number[],
    labels: L,
  ): LabelledHistogram<L> {
    const labelNames = Object.keys(labels);
    const histogram = new Histogram({ ...this.#described(name, help), labelNames, buckets: [...bucketsSec] });
    for (const each of combinations(labels)) histogram.zero(each);
    return histogram as LabelledHistogram<Labels>;
  }

  /** A counter for what happens on every request. Its owner asks for each series once, and adds to that. */
  hotCounter<L extends string>(name: string, help: string, labelNames: readonly L[]): HotNumberFamily<L> {
    return new HotNumberFamily(this.prometheus, PREFIX + name, help, labelNames, 'counter');
  }

  /** A gauge that goes up and down with every request. */
  hotGauge<L extends string>(name: string, help: string, labelNames: readonly L[]): HotNumberFamily<L> {
    return new HotNumberFamily(this.prometheus, PREFIX + name, help, labelNames, 'gauge');
  }

  /** A histogram for what happens on every request. */
  hotHistogram<L extends string>(
    name: string,
    help: string,
    bucketsSec: readonly number[],
    labelNames: readonly L[],
  ): HotHistogramFamily<L> {
    return new HotHistogramFamily(this.prometheus, PREFIX + name, help, labelNames, bucketsSec);
  }

  /** Runs a function before each scrape, for example to remove what is out of date. */
  beforeScrape(work: () => void): void {
    this.#beforeScrape.push(work);
  }

  /**
   * The text that Prometheus scrapes, in blocks. Gauges that are read are read now. The event loop runs between blocks, so
   * a long text holds up no request.
   */
  async *blocks(format: TextFormat = 'prometheus'): AsyncGenerator<string> {
    const share = new LoopShare();
    for (const metric of this.#scraped()) {
      const blocks = metric instanceof HotFamily ? metric.blocks(format) : [await blockOf(metric, format)];
      for (const block of blocks) {
        yield block;
        if (share.isUsed) await share.next();
      }
    }
    yield lastLine(format);
  }

  /** The same as one text. */
  async text(format: TextFormat = 'prometheus'): Promise<string> {
    let text = '';
    for await (const block of this.blocks(format)) text += block;
    return text;
  }

  /** The same in parts, for another process to merge. Gauges that are read are read when their part is asked for. */
  async *parts(): AsyncGenerator<MetricPart> {
    for (const metric of this.#scraped()) {
      if (metric instanceof HotFamily) yield* metric.parts();
      else yield partOf(await metric.get());
    }
  }

  #scraped() {
    for (const work of this.#beforeScrape) work();
    return this.prometheus.getMetricsAsArray() as unknown as (HotFamily<string, HotNumber | HotHistogram> | Gettable)[];
  }

  #described(name: string, help: string) {
    return { name: PREFIX + name, help, registers: [this.prometheus] };
  }
}

async function blockOf(metric: Gettable, format: TextFormat): Promise<string> {
  const { series, ...head } = partOf(await metric.get());
  return headLines(head, format) + series.map((each) => seriesLines(head, each, format)).join('');
}

/** Every combination of the values of the labels; none when one of them has its values from the configuration. */
function combinations(labels: Labels): Record<string, string>[] {
  return Object.entries(labels).reduce<Record<string, string>[]>(
    (found, [label, values]) => found.flatMap((each) => values.map((value) => ({ ...each, [label]: value }))),
    [{}],
  );
}
