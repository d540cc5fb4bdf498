/** Gauges whose values are known at any time: they are read when the metrics are scraped, not kept up to date. */

import type { Registry } from 'prom-client';
import { type Exported, Family } from './hot-metrics.ts';

/** How the values of several workers are combined. */
export type Aggregator = 'sum' | 'min' | 'max' | 'first';

/** The value of a gauge without labels, or every series of one with labels. */
type Readings<L> = number | readonly (readonly [labels: L, value: number])[];

/** A gauge that is read when the metrics are scraped. */
export class ReadGauge<L extends Readonly<Record<string, string>>> extends Family {
  readonly #aggregator: Aggregator;
  #read: () => Readings<L> | Promise<Readings<L>>;

  constructor(registry: Registry, name: string, help: string, labelNames: readonly string[], aggregator: Aggregator) {
    super(registry, name, help, labelNames);
    this.#aggregator = aggregator;
    // Without labels there is one series, from the start.
    this.#read = () => (labelNames.length === 0 ? 0 : []);
  }

  /** Reads the values from `read` from now on. Series that it does not return are gone from the next scrape. */
  readFrom(read: () => Readings<L> | Promise<Readings<L>>): void {
    this.#read = read;
  }

  override async get(): Promise<Exported> {
    const readings = await this.#read();
    const series = typeof readings === 'number' ? [[{}, readings] as const] : readings;
    const values = series.map(([labels, value]) => ({ metricName: this.name, labels, value }));
    return { name: this.name, help: this.help, type: 'gauge', aggregator: this.#aggregator, values };
  }
}
