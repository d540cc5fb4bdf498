/**
 * Metrics as plain data in small parts, for another process to merge. A part is some series of one metric, so that neither
 * process has to stop for all of them at once.
 */

import type { MetricObjectWithValues, MetricValue } from 'prom-client';

/** What the values of several processes make together. */
type Merging = 'sum' | 'min' | 'max' | 'average' | 'first' | 'omit';

/** What all parts of a metric say of it. */
export interface MetricHead {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly merging: Merging;
  /**
   * Upper bounds of its buckets, where a series is a whole histogram: its values are then the cumulative counts and the sum.
   * `null`: a series is one number, and its name that of the sample with its labels.
   */
  readonly les: readonly string[] | null;
}

/** Some series of a metric. */
export interface MetricPart extends MetricHead {
  /** By name, in the text format: with labels, or, for a whole histogram, the labels alone. */
  readonly series: readonly (readonly [name: string, values: readonly number[]])[];
}

type Labels = Readonly<Partial<Record<string, string | number>>>;

/** Labels in the text format, without braces. They name a series among those of its metric. */
export function labelText(labels: Labels): string {
  let text = '';
  for (const name in labels) text += `${text === '' ? '' : ','}${name}="${escaped(String(labels[name]))}"`;
  return text;
}

const escaped = (value: string) =>
  /[\\"\n]/.test(value) ? value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n') : value;

/** A sample's name with its labels. */
export const sampleName = (name: string, labels: string): string => (labels === '' ? name : `${name}{${labels}}`);

/** A metric of prom-client as one part. */
export function partOf(metric: MetricObjectWithValues<MetricValue<string>>): MetricPart {
  const { name, help, values } = metric;
  const type = String(metric.type) as MetricHead['type'];
  const merging = (metric.aggregator ?? 'sum') as Merging;
  const series = values.map((sample): MetricPart['series'][number] => {
    const { metricName = name } = sample as { readonly metricName?: string };
    return [sampleName(metricName, labelText(sample.labels)), [sample.value]];
  });
  return { name, help, type, merging, les: null, series };
}

/** The lines that begin a metric in the text format. */
export const headLines = ({ name, help, type }: Pick<MetricHead, 'name' | 'help' | 'type'>): string =>
  `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;

/** A series in the text format. */
export function seriesLines({ name, les }: MetricHead, series: string, values: readonly number[]): string {
  if (les === null) return `${series} ${numberText(values[0] as number)}\n`;
  const comma = series === '' ? '' : ',';
  let lines = '';
  for (let bucket = 0; bucket < les.length; bucket += 1)
    lines += `${name}_bucket{${series}${comma}le="${les[bucket]}"} ${values[bucket]}\n`;
  const [count, sum] = [values[les.length - 1], values[les.length]];
  return `${lines}${sampleName(`${name}_sum`, series)} ${sum}\n${sampleName(`${name}_count`, series)} ${count}\n`;
}

/** As prom-client writes them. */
function numberText(value: number): string {
  if (Number.isNaN(value)) return 'Nan';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}
