/**
 * Scrapes of a real gateway on an accelerated timeline: each scrape is assigned to a minute, and its values apply to every later
 * minute until the next scrape. They provide the series for `promtool test rules`, and the blocks that Prometheus answers from.
 */

/** Values by series: its name as in the exposition, with the labels that Prometheus adds. */
type Samples = ReadonlyMap<string, number>;

/** One target, as Prometheus labels it when it scrapes a Pod. */
const TARGET = 'job="sallyport",namespace="shop",pod="sallyport-0",instance="10.0.0.7:9090"';
const UP = `up{${TARGET}}`;

/** Reads an exposition. */
function samplesOf(text: string): Samples {
  const samples = new Map([[UP, 1]]);
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const end = line.lastIndexOf(' ');
    const [, name = '', labels = ''] = /^(\w+)(?:\{(.*)\})?$/.exec(line.slice(0, end)) ?? [];
    samples.set(
      `${name}{${TARGET}${labels === '' ? '' : ','}${labels}}`,
      Number(line.slice(end + 1).replace('Inf', 'Infinity')),
    );
  }
  return samples;
}

/** A scrape that failed: the target is down, and its series are gone. */
const NOTHING: Samples = new Map([[UP, 0]]);

/** A number in the notation of Prometheus. */
const written = (value: number): string => String(value).replace('Infinity', 'Inf');

/** The metrics of a gateway over some minutes. */
export class Recording {
  readonly name: string;
  readonly #scrape: () => Promise<string>;
  /** The wall clock of the gateway, at minute 0. */
  readonly #beganSec: number;
  #at: readonly { readonly minute: number; readonly samples: Samples }[] = [];

  /** @param scrape  asks the gateway for its metrics; rejects if it does not answer */
  constructor(name: string, scrape: () => Promise<string>, wallMs: number) {
    this.name = name;
    this.#scrape = scrape;
    this.#beganSec = wallMs / 1_000;
  }

  /** Scrapes, and replaces an earlier scrape at this minute. */
  async at(minute: number): Promise<void> {
    const samples = await this.#scrape().then(samplesOf, () => NOTHING);
    this.#at = [...this.#at.filter((it) => it.minute !== minute), { minute, samples }];
  }

  /** The value of a metric without labels, from the last scrape. */
  last(metric: string): number {
    return this.#at.at(-1)?.samples.get(`${metric}{${TARGET}}`) ?? Number.NaN;
  }

  /**
   * Each series with its values, minute by minute, in the notation of `promtool test rules`. Its time begins in 1970, so
   * timestamps are relative to that. Counters that never change are omitted: they do not affect a sum of rates, and there are so
   * many that evaluating them would take long.
   *
   * @param names  of the metrics to include
   */
  seriesUntil(
    minute: number,
    names: ReadonlySet<string>,
  ): readonly { readonly series: string; readonly values: string }[] {
    const all = new Set(this.#at.flatMap(({ samples }) => [...samples.keys()]));
    return [...all]
      .filter((series) => names.has(series.slice(0, series.indexOf('{'))))
      .filter((series) => !/_(?:total|count)\{/.test(series) || this.#moves(series))
      .map((series) => ({ series, values: this.#valuesOf(series, minute) }));
  }

  #moves(series: string): boolean {
    const values = this.#at.flatMap(({ samples }) => samples.get(series) ?? []);
    return new Set(values).size > 1;
  }

  #valuesOf(series: string, until: number): string {
    const isPointInTime = /^\w+_timestamp_seconds\{/.test(series);
    const values: string[] = [];
    let seen: Samples = new Map();
    for (let minute = 0; minute <= until; minute += 1) {
      seen = this.#at.find((it) => it.minute === minute)?.samples ?? seen;
      const value = seen.get(series);
      if (value === undefined) values.push(seen === NOTHING && values.at(-1)?.match(/\d/) ? 'stale' : '_');
      else values.push(written(isPointInTime ? value - this.#beganSec : value));
    }
    return values.join(' ');
  }

  /** Every scrape as OpenMetrics, a minute apart, without the minutes between. @param fromSec  time of the first one */
  *openMetrics(fromSec: number): Generator<string> {
    for (const [index, { samples }] of this.#at.entries()) {
      let block = '';
      for (const [series, value] of samples) block += `${series} ${written(value)} ${fromSec + 60 * index}\n`;
      yield block;
    }
  }

  get scrapeCount(): number {
    return this.#at.length;
  }
}
