/**
 * Counters, gauges and histograms for what happens on every request: a child is bound to its labels once and then is a number
 * that is added to. Read by prom-client's registry like any of its own metrics, so that format, workers' sums and
 * everything rare stay its business.
 *
 * perf: bench/micro/metrics.ts. prom-client 15 spends 155 ns on a bound counter and 325 ns on a bound histogram, because
 * it looks its labels up again each time; a request touches seven of them.
 */

import type { Histogram, Registry } from 'prom-client';

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly metricName: string;
  readonly labels: Record<string, string | number>;
  readonly value: number;
}

/** What prom-client's registry asks of a metric. */
interface Exported {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly Sample[];
}

abstract class Family {
  readonly name: string;
  readonly help: string;

  constructor(registry: Registry, name: string, help: string) {
    this.name = name;
    this.help = help;
    // The registry only calls `get` on what it is given; its type names prom-client's own classes.
    registry.registerMetric(this as unknown as Histogram);
  }

  abstract get(): Exported;
}

/** One series of a counter, or of a gauge of what is under way. */
export class HotNumber {
  readonly labels: Labels;
  value = 0;

  constructor(labels: Labels) {
    this.labels = labels;
  }

  inc(amount = 1): void {
    this.value += amount;
  }

  dec(): void {
    this.value -= 1;
  }
}

/** A metric with labels of which each series is one number. */
class NumberFamily extends Family {
  readonly #type: 'counter' | 'gauge';
  readonly #children = new Map<string, HotNumber>();

  constructor(registry: Registry, name: string, help: string, type: 'counter' | 'gauge') {
    super(registry, name, help);
    this.#type = type;
  }

  /** The series with these labels; made at the first call, at zero. */
  child(labels: Labels): HotNumber {
    const key = JSON.stringify(labels);
    const present = this.#children.get(key);
    if (present !== undefined) return present;
    const child = new HotNumber(labels);
    this.#children.set(key, child);
    return child;
  }

  override get(): Exported {
    const values = [...this.#children.values()].map(({ labels, value }) => ({ metricName: this.name, labels, value }));
    return { name: this.name, help: this.help, type: this.#type, aggregator: 'sum', values };
  }
}

/** A counter with labels. */
export class HotCounterFamily extends NumberFamily {
  constructor(registry: Registry, name: string, help: string) {
    super(registry, name, help, 'counter');
  }
}

/** A gauge with labels, which goes up and down. */
export class HotGaugeFamily extends NumberFamily {
  constructor(registry: Registry, name: string, help: string) {
    super(registry, name, help, 'gauge');
  }
}

/** One series of a histogram. Observed in milliseconds, exported in seconds. */
export class HotHistogram {
  readonly labels: Labels;
  readonly #boundsMs: Float64Array;
  /** Observations per bucket, not yet cumulative; the last one is above every bound. */
  readonly #counts: Float64Array;
  #sumMs = 0;

  constructor(labels: Labels, boundsSec: readonly number[]) {
    this.labels = labels;
    this.#boundsMs = Float64Array.from(boundsSec, (bound) => bound * 1_000);
    this.#counts = new Float64Array(boundsSec.length + 1);
  }

  observeMs(valueMs: number): void {
    const bounds = this.#boundsMs;
    let bucket = 0;
    while (bucket < bounds.length && valueMs > (bounds[bucket] as number)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sumMs += valueMs;
  }

  /** The series as Prometheus has it: cumulative buckets, sum, count. */
  samples(name: string, boundsSec: readonly number[]): Sample[] {
    let count = 0;
    const buckets = [...boundsSec, '+Inf'].map((le, bucket) => {
      count += this.#counts[bucket] as number;
      return { metricName: `${name}_bucket`, labels: { ...this.labels, le }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels: { ...this.labels }, value: this.#sumMs / 1_000 },
      { metricName: `${name}_count`, labels: { ...this.labels }, value: count },
    ];
  }
}

/** A histogram with labels. */
export class HotHistogramFamily extends Family {
  readonly #boundsSec: readonly number[];
  readonly #children = new Map<string, HotHistogram>();

  constructor(registry: Registry, name: string, help: string, boundsSec: readonly number[]) {
    super(registry, name, help);
    this.#boundsSec = boundsSec;
  }

  /** The series with these labels; made at the first call, empty. */
  child(labels: Labels): HotHistogram {
    const key = JSON.stringify(labels);
    const present = this.#children.get(key);
    if (present !== undefined) return present;
    const child = new HotHistogram(labels, this.#boundsSec);
    this.#children.set(key, child);
    return child;
  }

  override get(): Exported {
    const values = [...this.#children.values()].flatMap((child) => child.samples(this.name, this.#boundsSec));
    return { name: this.name, help: this.help, type: 'histogram', aggregator: 'sum', values };
  }
}
