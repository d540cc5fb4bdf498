/**
 * Counters, gauges and histograms for what happens on every request. A series is bound to its labels once; after that,
 * counting is one addition. prom-client's registry reads them like its own metrics, so the merging of workers stays its
 * business. They write the text format themselves, in blocks: with thousands of routes it has a million lines.
 *
 * perf: bench/micro/metrics.ts. prom-client 15 spends 155 ns on a bound counter and 325 ns on a bound histogram,
 * because it looks its labels up again each time; a request touches seven of them.
 */

import type { Histogram, Registry } from 'prom-client';
import {
  type Exemplar,
  type Exemplars,
  headLines,
  labelText,
  type MetricHead,
  type MetricPart,
  type PartSeries,
  sampleName,
  seriesLines,
  type TextFormat,
} from './metric-parts.ts';

type LabelValues = Readonly<Record<string, string>>;
/** A label that is left out is not part of the series. */
type LabelsOf<L extends string> = Readonly<Partial<Record<L, string>>>;

interface Sample {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** What prom-client's registry reads of a metric. */
export interface Exported {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator: 'sum' | 'min' | 'max' | 'first';
  readonly values: readonly Sample[];
}

/** A metric that prom-client's registry reads and does not own. */
export abstract class Family {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];

  constructor(registry: Registry, name: string, help: string, labelNames: readonly string[]) {
    this.name = name;
    this.help = help;
    this.labelNames = labelNames;
    // The registry only calls `get` on what it is given; its type names prom-client's own classes.
    registry.registerMetric(this as unknown as Histogram);
  }

  /** The metric with every series it has now. */
  abstract get(): Exported | Promise<Exported>;
}

/** A metric whose series are bound to their labels. */
export abstract class HotFamily<L extends string, Child extends HotNumber | HotHistogram> extends Family {
  /** By the text of their labels. */
  protected readonly children = new Map<string, Child>();

  /** Makes a series, at zero. */
  protected abstract make(labels: LabelValues): Child;
  /** A series as it appears in a part of the metric. */
  protected abstract seriesOf(labels: string, child: Child): PartSeries;
  abstract override get(): Exported;

  /** The series with these labels. The first call makes it, at zero. */
  child(labels: LabelsOf<L>): Child {
    const text = labelText(labels as LabelValues);
    const present = this.children.get(text);
    if (present !== undefined) return present;
    const child = this.make(labels as LabelValues);
    this.children.set(text, child);
    return child;
  }

  /** Removes every series that has one of these values in the label. Later counts in such a series are lost. */
  remove(label: L, values: ReadonlySet<string>): void {
    for (const [text, { labels }] of this.children) if (values.has(labels[label] ?? '')) this.children.delete(text);
  }

  #head(): MetricHead {
    const { name, help, type, les } = this;
    return { name, help, type, merging: 'sum', les };
  }

  /** The metric in a text format, in blocks of some 8 KiB. */
  *blocks(format: TextFormat): Generator<string> {
    const head = this.#head();
    let block = headLines(head, format);
    for (const [text, child] of this.children) {
      block += seriesLines(head, this.seriesOf(text, child), format);
      if (block.length < BLOCK_LENGTH) continue;
      yield block;
      block = '';
    }
    yield block;
  }

  /** The metric as plain data, in parts of {@link SERIES_PER_PART} series. */
  *parts(): Generator<MetricPart> {
    const head = this.#head();
    let series: PartSeries[] = [];
    for (const [text, child] of this.children) {
      series.push(this.seriesOf(text, child));
      if (series.length < SERIES_PER_PART) continue;
      yield { ...head, series };
      series = [];
    }
    yield { ...head, series };
  }

  protected abstract readonly type: 'counter' | 'gauge' | 'histogram';
  /** Upper bounds of its buckets; `null` for one number. */
  protected readonly les: readonly string[] | null = null;
}

const BLOCK_LENGTH = 8 * 1024;
const SERIES_PER_PART = 512;

/** One series of a counter or gauge. */
export class HotNumber {
  readonly labels: LabelValues;
  value = 0;

  constructor(labels: LabelValues) {
    this.labels = labels;
  }

  /** @param amount  1 by default */
  inc(amount = 1): void {
    this.value += amount;
  }

  dec(): void {
    this.value -= 1;
  }
}

/** A counter, or a gauge that goes up and down. The values of several workers are added up. */
export class HotNumberFamily<L extends string> extends HotFamily<L, HotNumber> {
  protected override readonly type: 'counter' | 'gauge';

  constructor(registry: Registry, name: string, help: string, labelNames: readonly L[], type: 'counter' | 'gauge') {
    super(registry, name, help, labelNames);
    this.type = type;
  }

  protected override make(labels: LabelValues): HotNumber {
    return new HotNumber(labels);
  }

  protected override seriesOf(labels: string, { value }: HotNumber): PartSeries {
    return [sampleName(this.name, labels), [value]];
  }

  override get(): Exported {
    const values = [...this.children.values()].map(({ labels, value }) => ({ metricName: this.name, labels, value }));
    return { name: this.name, help: this.help, type: this.type, aggregator: 'sum', values };
  }
}

/** One series of a histogram. Observed in milliseconds, exported in seconds. */
export class HotHistogram {
  readonly labels: LabelValues;
  readonly #boundsMs: Float64Array;
  /** Observations per bucket, not yet cumulative; the last one is above every bound. */
  readonly #counts: Float64Array;
  #sumMs = 0;
  /** By bucket; `null` until there is one. */
  #exemplars: (Exemplar | undefined)[] | null = null;

  constructor(labels: LabelValues, boundsSec: readonly number[]) {
    this.labels = labels;
    this.#boundsMs = Float64Array.from(boundsSec, (bound) => bound * 1_000);
    this.#counts = new Float64Array(boundsSec.length + 1);
  }

  /** @param trace  of the request that took this long; `null` when it is not recorded @param wallMs  when it ended */
  observeMs(valueMs: number, trace: Pick<Exemplar, 'traceId' | 'spanId'> | null = null, wallMs = 0): void {
    const bounds = this.#boundsMs;
    let bucket = 0;
    while (bucket < bounds.length && valueMs > (bounds[bucket] as number)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sumMs += valueMs;
    if (trace !== null) this.#keep(bucket, trace, valueMs, wallMs);
  }

  #keep(bucket: number, { traceId, spanId }: Pick<Exemplar, 'traceId' | 'spanId'>, valueMs: number, timeMs: number) {
    this.#exemplars ??= new Array<undefined>(this.#counts.length).fill(undefined);
    this.#exemplars[bucket] = { traceId, spanId, valueSec: valueMs / 1_000, timeMs };
  }

  /** The last traced observation of each bucket; `null` when there is none. */
  get exemplars(): Exemplars | null {
    return this.#exemplars;
  }

  /** Cumulative counts of the buckets, then the sum in seconds. */
  get values(): readonly number[] {
    const values: number[] = [];
    let count = 0;
    for (const observed of this.#counts) {
      count += observed;
      values.push(count);
    }
    values.push(this.#sumMs / 1_000);
    return values;
  }

  /** The series in Prometheus's form: cumulative buckets, sum, count. */
  samples(name: string, boundsSec: readonly number[]): Sample[] {
    const { labels, values } = this;
    const sample = (suffix: string, at: number, more = {}) => ({
      metricName: `${name}_${suffix}`,
      labels: { ...labels, ...more },
      value: values[at] as number,
    });
    const last = boundsSec.length;
    const buckets = [...boundsSec, '+Inf'].map((le, bucket) => sample('bucket', bucket, { le }));
    return [...buckets, sample('sum', last + 1), sample('count', last)];
  }
}

/** A histogram. The values of several workers are added up. */
export class HotHistogramFamily<L extends string> extends HotFamily<L, HotHistogram> {
  protected override readonly type = 'histogram';
  protected override readonly les: readonly string[];
  readonly #boundsSec: readonly number[];

  constructor(registry: Registry, name: string, help: string, labelNames: readonly L[], boundsSec: readonly number[]) {
    super(registry, name, help, labelNames);
    this.#boundsSec = boundsSec;
    this.les = [...boundsSec.map(String), '+Inf'];
  }

  protected override make(labels: LabelValues): HotHistogram {
    return new HotHistogram(labels, this.#boundsSec);
  }

  protected override seriesOf(labels: string, { values, exemplars }: HotHistogram): PartSeries {
    return exemplars === null ? [labels, values] : [labels, values, exemplars];
  }

  override get(): Exported {
    const values = [...this.children.values()].flatMap((child) => child.samples(this.name, this.#boundsSec));
    return { name: this.name, help: this.help, type: 'histogram', aggregator: 'sum', values };
  }
}
