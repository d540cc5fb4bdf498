/**
 * A strict parser for OpenMetrics 1.0.0: it refuses what the reference parser (`prometheus_client.openmetrics`)
 * refuses. Prometheus itself is more lenient.
 *
 * @see https://prometheus.io/docs/specs/om/open_metrics_spec/
 */

/** A value with its trace. */
interface ParsedExemplar {
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
  readonly timestampSec: number | null;
}

/** One line with a value. */
interface ParsedSample {
  readonly name: string;
  readonly labels: ReadonlyMap<string, string>;
  readonly value: number;
  readonly exemplar: ParsedExemplar | null;
}

/** A metric with its samples. */
export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: ParsedSample[];
}

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: ['_total', '_created'],
  gauge: [''],
  histogram: ['_bucket', '_sum', '_count', '_created'],
  unknown: [''],
  info: ['_info'],
  summary: ['', '_sum', '_count', '_created'],
};

const LABEL = String.raw`[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"`;
const LABELS = String.raw`\{((?:${LABEL}(?:,${LABEL})*)?)\}`;
const NUMBER = String.raw`[-+]?(?:[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|Inf)|NaN`;
const SAMPLE = new RegExp(
  `^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:${LABELS})? (${NUMBER})(?: # ${LABELS} (${NUMBER})(?: ([0-9.]+))?)?$`,
);
const HEAD = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/;

/** Parses an exposition. @throws Error with the line that breaks a rule */
export function parseOpenMetrics(text: string): ReadonlyMap<string, ParsedFamily> {
  if (!text.endsWith('\n# EOF\n')) throw new Error('does not end with # EOF');
  const families = new Map<string, ParsedFamily>();
  const sampleNames = new Set<string>();
  let family: ParsedFamily | undefined;
  for (const line of text.slice(0, -'# EOF\n'.length).split('\n').slice(0, -1)) {
    const [, kind, name = '', said = ''] = HEAD.exec(line) ?? [];
    if (kind === 'HELP') {
      if (families.has(name)) throw new Error(`two metrics of one name: ${line}`);
      if (!/^(?:[^"\\]|\\[\\n"])*$/.test(said)) throw new Error(`help is not escaped: ${line}`);
      family = { name, type: '', help: said, samples: [] };
      families.set(name, family);
    } else if (kind === 'TYPE') {
      if (family?.name !== name || family.type !== '' || family.samples.length > 0)
        throw new Error(`type without its metric: ${line}`);
      family = { ...(family as ParsedFamily), type: said };
      families.set(name, family);
      for (const suffix of SUFFIXES[said] ?? []) {
        if (sampleNames.has(name + suffix)) throw new Error(`clashes with another metric: ${line}`);
        sampleNames.add(name + suffix);
      }
    } else if (family === undefined) throw new Error(`sample without its metric: ${line}`);
    else family.samples.push(sampleOf(line, family));
  }
  for (const each of families.values()) judge(each);
  return families;
}

function sampleOf(line: string, { name, type }: ParsedFamily): ParsedSample {
  const [, sampleName = '', labels, value = '', exemplarLabels, exemplarValue, timestamp] = SAMPLE.exec(line) ?? [];
  const suffix = sampleName.startsWith(name) ? sampleName.slice(name.length) : null;
  if (suffix === null || SUFFIXES[type]?.includes(suffix) !== true) throw new Error(`not a sample of ${name}: ${line}`);
  if (exemplarLabels !== undefined && suffix !== '_bucket' && suffix !== '_total')
    throw new Error(`exemplar in the wrong place: ${line}`);
  const exemplar =
    exemplarLabels === undefined
      ? null
      : {
          labels: labelsOf(exemplarLabels, line),
          value: Number(exemplarValue),
          timestampSec: timestamp === undefined ? null : Number(timestamp),
        };
  const length = [...(exemplar?.labels ?? [])].flat().join('').length;
  if (length > 128) throw new Error(`labels of the exemplar are too long: ${line}`);
  return { name: sampleName, labels: labelsOf(labels ?? '', line), value: numberOf(value), exemplar };
}

function labelsOf(text: string, line: string): ReadonlyMap<string, string> {
  const labels = new Map<string, string>();
  for (const [label] of text.matchAll(new RegExp(LABEL, 'g'))) {
    const at = label.indexOf('=');
    if (labels.has(label.slice(0, at))) throw new Error(`label twice: ${line}`);
    labels.set(label.slice(0, at), label.slice(at + 2, -1));
  }
  return labels;
}

const numberOf = (text: string) => Number(text.replace('Inf', 'Infinity'));

/** Rules between the samples of a metric. */
function judge({ name, type, samples }: ParsedFamily): void {
  if (type === '') throw new Error(`without a type: ${name}`);
  const seen = new Set<string>();
  const groups = new Map<string, ParsedSample[]>();
  let last = '';
  for (const sample of samples) {
    const key = `${sample.name} ${JSON.stringify([...sample.labels].toSorted())}`;
    if (seen.has(key)) throw new Error(`sample twice: ${key}`);
    seen.add(key);
    const group = JSON.stringify([...sample.labels].filter(([label]) => label !== 'le').toSorted());
    if (group !== last && groups.has(group)) throw new Error(`samples of one group are apart: ${key}`);
    last = group;
    groups.set(group, [...(groups.get(group) ?? []), sample]);
    if (type === 'counter' && !(sample.value >= 0)) throw new Error(`counter is negative: ${key}`);
  }
  if (type === 'histogram') for (const group of groups.values()) judgeHistogram(name, group);
}

function judgeHistogram(name: string, group: readonly ParsedSample[]): void {
  const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
  let [bound, count] = [Number.NEGATIVE_INFINITY, 0];
  for (const { labels, value, exemplar } of buckets) {
    const le = labels.get('le') ?? '';
    if (!/^(?:\+Inf|\d+\.\d+|\d(?:\.\d+)?e[-+]\d\d)$/.test(le))
      throw new Error(`bound of ${name} is not canonical: ${le}`);
    if (exemplar !== null && !(exemplar.value > bound && exemplar.value <= numberOf(le)))
      throw new Error(`exemplar of ${name} is not of its bucket: ${exemplar.value} in ${bound} to ${le}`);
    if (!(numberOf(le) > bound) || value < count) throw new Error(`buckets of ${name} do not grow: ${le}`);
    bound = numberOf(le);
    count = value;
  }
  const total = group.find((sample) => sample.name === `${name}_count`)?.value;
  const sum = group.find((sample) => sample.name === `${name}_sum`)?.value;
  if (bound !== Number.POSITIVE_INFINITY || total !== count || sum === undefined || !(sum >= 0))
    throw new Error(`sum and count of ${name} do not fit its buckets`);
}
