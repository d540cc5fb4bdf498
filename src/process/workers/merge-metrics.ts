/**
 * Merges the metrics of several processes into those of one gateway: counters and histograms are summed, gauges combined
 * as each metric defines. Metrics about the gateway as a whole (its configuration, its workers) come from the primary only.
 * Everything long is done in slices, between which the event loop runs.
 */

import { LoopShare } from '../../lib/concurrency/loop-share.ts';
import {
  type Exemplars,
  headLines,
  lastLine,
  type MetricHead,
  type MetricPart,
  type PartSeries,
  seriesLines,
  type TextFormat,
} from '../../telemetry/metric-parts.ts';
import type { SomeMetrics } from './messages.ts';

/** The metrics of one process. Immutable once it has all of them. */
export class ProcessMetrics {
  readonly #parts = new Map<string, MetricPart[]>();

  add(part: MetricPart): void {
    const present = this.#parts.get(part.name);
    if (present === undefined) this.#parts.set(part.name, [part]);
    else present.push(part);
  }

  /** Reads all of them, in slices. */
  static async of(parts: AsyncIterable<MetricPart>): Promise<ProcessMetrics> {
    const share = new LoopShare();
    const metrics = new ProcessMetrics();
    for await (const part of parts) {
      metrics.add(part);
      if (share.isUsed) await share.next();
    }
    return metrics;
  }

  get names(): Iterable<string> {
    return this.#parts.keys();
  }

  of(name: string): readonly MetricPart[] {
    return this.#parts.get(name) ?? [];
  }
}

/** Serializing this many takes a few milliseconds, several times as long as reading them. */
const SERIES_PER_ANSWER = 512;

/** The next metrics of a scrape: a few milliseconds of work for the process that has them, and for the one that asks. */
export async function someMetrics(scrape: AsyncIterator<MetricPart>): Promise<SomeMetrics> {
  const parts: MetricPart[] = [];
  const share = new LoopShare();
  for (let series = 0; series < SERIES_PER_ANSWER && !share.isUsed; ) {
    const next = await scrape.next();
    if (next.done === true) return { parts, areLast: true };
    parts.push(next.value);
    series += next.value.series.length;
  }
  return { parts, areLast: false };
}

/** Which metrics of a process count. */
interface MetricSource {
  readonly metrics: ProcessMetrics;
  readonly counts: (name: string, type: MetricHead['type']) => boolean;
}

const PRIMARY_ONLY = /^(?:sallyport_(?:admin_|config_|build_info$|workers_)|process_start_time_seconds$)/;
/** The resources of the primary are part of what the gateway uses. */
const PRIMARY_TOO = /^process_/;

const isOfPrimary = (name: string) => PRIMARY_ONLY.test(name) || PRIMARY_TOO.test(name);
const isOfWorkers = (name: string) => !PRIMARY_ONLY.test(name);
const isTotal = (name: string, type: MetricHead['type']) =>
  isOfWorkers(name) && (type === 'counter' || type === 'histogram');

const BLOCK_LENGTH = 32 * 1024;

/** Merges metrics so that no total ever goes down, which `rate()` would treat as a reset. */
export class MetricsMerger {
  /** Sums of the counters and histograms of workers that have exited. */
  #gone = new ProcessMetrics();
  /** The last metrics of each running worker. */
  readonly #last = new Map<number, ProcessMetrics>();
  #retiring: Promise<void> = Promise.resolve();

  /**
   * Merges metrics. What is merged is what there is at the time of the call.
   *
   * @param workers  by worker; the totals of a running worker that is left out count as they were last
   * @returns the text that Prometheus scrapes, in blocks
   */
  merge(
    primary: ProcessMetrics,
    workers: ReadonlyMap<number, ProcessMetrics>,
    format: TextFormat = 'prometheus',
  ): AsyncGenerator<string> {
    for (const [worker, metrics] of workers) this.#last.set(worker, metrics);
    const silent = [...this.#last].filter(([worker]) => !workers.has(worker));
    const sources = [
      { metrics: primary, counts: isOfPrimary },
      ...[...workers.values()].map((metrics) => ({ metrics, counts: isOfWorkers })),
      ...silent.map(([, metrics]) => ({ metrics, counts: isTotal })),
      { metrics: this.#gone, counts: isTotal },
    ];
    return textOf(sources, format);
  }

  /**
   * Keeps the totals of a worker that has exited. Pass no more metrics of it, and none of another worker in its place
   * until the promise resolves.
   */
  retire(worker: number): Promise<void> {
    this.#retiring = this.#retiring.then(() => this.#retire(worker));
    return this.#retiring;
  }

  async #retire(worker: number): Promise<void> {
    const last = this.#last.get(worker);
    if (last === undefined) return;
    const gone = new ProcessMetrics();
    for await (const merged of mergedMetrics([
      { metrics: this.#gone, counts: isTotal },
      { metrics: last, counts: isTotal },
    ])) {
      gone.add({ ...merged.head, series: [...merged.series].map(([name, { values }]) => [name, values] as const) });
    }
    // Together, so that a scrape sees the worker in exactly one of the two.
    this.#gone = gone;
    this.#last.delete(worker);
  }
}

/** The values of one series so far. */
interface MergedSeries {
  values: readonly number[];
  exemplars: Exemplars | undefined;
  count: number;
}

interface Merged {
  readonly head: MetricHead;
  readonly series: ReadonlyMap<string, MergedSeries>;
}

async function* textOf(sources: readonly MetricSource[], format: TextFormat): AsyncGenerator<string> {
  const share = new LoopShare();
  for await (const { head, series } of mergedMetrics(sources)) {
    let block = headLines(head, format);
    for (const [name, { values, exemplars, count }] of series) {
      const merged = head.merging === 'average' ? values.map((sum) => sum / count) : values;
      block += seriesLines(head, exemplars === undefined ? [name, merged] : [name, merged, exemplars], format);
      if (block.length < BLOCK_LENGTH) continue;
      yield block;
      if (share.isUsed) await share.next();
      block = '';
    }
    yield block;
  }
  yield lastLine(format);
}

/** One metric after the other. */
async function* mergedMetrics(sources: readonly MetricSource[]): AsyncGenerator<Merged> {
  const share = new LoopShare();
  const names = new Set(sources.flatMap(({ metrics }) => [...metrics.names]));
  for (const name of names) {
    let head: MetricHead | null = null;
    const series = new Map<string, MergedSeries>();
    for (const { metrics, counts } of sources) {
      for (const part of metrics.of(name)) {
        if (!counts(name, part.type)) continue;
        head ??= headOf(part);
        for (const each of part.series) merge(series, each, part);
        if (share.isUsed) await share.next();
      }
    }
    // What cannot be merged describes one process: the primary.
    if (head !== null && (head.merging !== 'omit' || PRIMARY_ONLY.test(name))) yield { head, series };
  }
}

const headOf = ({ name, help, type, merging, les }: MetricPart): MetricHead => ({ name, help, type, merging, les });

function merge(series: Map<string, MergedSeries>, [key, values, exemplars]: PartSeries, { merging }: MetricHead) {
  const present = series.get(key);
  if (present === undefined) {
    series.set(key, { values, exemplars, count: 1 });
    return;
  }
  present.count += 1;
  if (exemplars !== undefined) present.exemplars = newest(present.exemplars, exemplars);
  if (merging !== 'first')
    present.values = present.values.map((value, index) => combined(merging, value, values[index] as number));
}

/** The later one of each bucket. */
const newest = (some: Exemplars | undefined, others: Exemplars): Exemplars =>
  others.map((other, bucket) => {
    const one = some?.[bucket];
    return one === undefined || (other !== undefined && other.timeMs > one.timeMs) ? other : one;
  });

function combined(merging: MetricHead['merging'], value: number, other: number): number {
  switch (merging) {
    case 'min':
      return Math.min(value, other);
    case 'max':
      return Math.max(value, other);
    default:
      return value + other;
  }
}
