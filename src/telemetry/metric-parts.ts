/**
 * Metrics as plain data in small parts, for another process to merge. A part is some series of one metric, so that neither
 * process has to stop for all of them at once.
 */

import type { MetricObjectWithValues, MetricValue } from 'prom-client';

/** How the values of several processes are combined. */
type Merging = 'sum' | 'min' | 'max' | 'average' | 'first' | 'omit';

/** What all parts of a metric have in common. */
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

/** One observation with the trace of its request. */
export interface Exemplar {
  readonly traceId: string;
  readonly spanId: string;
  readonly valueSec: number;
  /** Wall clock. */
  readonly timeMs: number;
}

/** The last exemplar of each bucket, where there is one. */
export type Exemplars = readonly (Exemplar | undefined)[];

/** One series: its name in the text format, with labels or, for a whole histogram, the labels alone; its values. */
export type PartSeries = readonly [name: string, values: readonly number[], exemplars?: Exemplars];

/** Some series of a metric. */
export interface MetricPart extends MetricHead {
  readonly series: readonly PartSeries[];
}

/** The text format in which metrics are written. */
export type TextFormat = 'prometheus' | 'openmetrics';

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
  const series = values.map((sample): PartSeries => {
    const { metricName = name } = sample as { readonly metricName?: string };
    return [sampleName(metricName, labelText(sample.labels)), [sample.value]];
  });
  return { name, help, type, merging, les: null, series };
}

/** What follows the last metric. */
export const lastLine = (format: TextFormat): string => (format === 'openmetrics' ? '# EOF\n' : '');

const COUNTER_SUFFIX = '_total';

/** The lines that begin a metric in the text format. */
export function headLines(
  { name, help, type }: Pick<MetricHead, 'name' | 'help' | 'type'>,
  format: TextFormat,
): string {
  if (format === 'prometheus') return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  const isCounter = type === 'counter' && name.endsWith(COUNTER_SUFFIX);
  // A counter is named without its suffix; one that has none would be refused.
  const family = isCounter ? name.slice(0, -COUNTER_SUFFIX.length) : name;
  return `# HELP ${family} ${escaped(help)}\n# TYPE ${family} ${type === 'counter' && !isCounter ? 'unknown' : type}\n`;
}

/** A series in the text format. */
export function seriesLines(
  { name, type, les }: MetricHead,
  [series, values, exemplars]: PartSeries,
  format: TextFormat,
): string {
  const isOpen = format === 'openmetrics';
  if (les === null) {
    const hasBound = isOpen && type === 'histogram';
    const text = numberText(values[0] as number, format);
    return `${hasBound ? series.replace(/\ble="([^"]+)"/, (_, bound: string) => `le="${floatText(bound)}"`) : series} ${text}\n`;
  }
  const comma = series === '' ? '' : ',';
  let lines = '';
  for (let bucket = 0; bucket < les.length; bucket += 1) {
    const bound = les[bucket] as string;
    const exemplar = isOpen ? exemplars?.[bucket] : undefined;
    lines += `${name}_bucket{${series}${comma}le="${isOpen ? floatText(bound) : bound}"} ${values[bucket]}${exemplarText(exemplar)}\n`;
  }
  const [count, sum] = [values[les.length - 1], values[les.length]];
  return `${lines}${sampleName(`${name}_sum`, series)} ${sum}\n${sampleName(`${name}_count`, series)} ${count}\n`;
}

const exemplarText = (exemplar: Exemplar | undefined): string => {
  if (exemplar === undefined) return '';
  const { traceId, spanId, valueSec, timeMs } = exemplar;
  return ` # {trace_id="${traceId}",span_id="${spanId}"} ${valueSec} ${(timeMs / 1_000).toFixed(3)}`;
};

/** The bound of a bucket is a label, compared as text: OpenMetrics writes it as a floating-point number, `1.0`. */
const floatText = (bound: string) => (/^\d+$/.test(bound) ? `${bound}.0` : bound);

/** As prom-client writes them, and as OpenMetrics wants them. */
function numberText(value: number, format: TextFormat): string {
  if (Number.isNaN(value)) return format === 'openmetrics' ? 'NaN' : 'Nan';
  return Number.isFinite(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
}
