/** The results of the load benchmark, as JSON and as tables. */

import type { provenance } from '../support/machine.ts';
import { percentile, type Spread, spreadOf } from '../support/statistics.ts';
import { formatTable } from '../support/table.ts';
import type { Failures } from './generator/load.ts';
import type { Round } from './measure.ts';
import type { Variant, VariantName } from './variants.ts';

export interface LoadSettings {
  readonly connections: number;
  readonly warmUpMs: number;
  /** Without a rate: finds the maximum. */
  readonly rounds: number;
  readonly roundMs: number;
  /** With a rate: shares of the maximum of the warm path; for the cold path, of its own. */
  readonly shares: readonly number[];
  readonly roundsAtRate: number;
  readonly variants: readonly VariantName[];
}

/** Over all rounds; microseconds. */
interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** Some rounds of one variant. */
export interface Measured {
  readonly variant: VariantName;
  readonly title: string;
  readonly rounds: number;
  readonly requests: number;
  readonly requestsPerSec: Spread;
  readonly cpuUsPerRequest: Spread | null;
  /** CPU time against that of the relay in the same round. */
  readonly timesRelay: Spread | null;
  readonly latencyUs: Latency;
  readonly busyShare: Spread | null;
  readonly othersShare: Spread | null;
  readonly failures: Failures;
}

interface MeasuredAtRate extends Measured {
  readonly rate: number;
  /** Latency above that of the upstream itself at the same rate. */
  readonly addedUs: Pick<Latency, 'p50' | 'p99'> | null;
  readonly generatorLatenessP99Us: Spread;
}

export type LoadReport = ReturnType<typeof provenance> & {
  readonly kind: 'load';
  readonly settings: LoadSettings & { readonly isPinned: boolean };
  readonly atMaximum: readonly Measured[];
  readonly atRates: readonly { readonly share: number; readonly variants: readonly MeasuredAtRate[] }[];
};

type Rounds = ReadonlyMap<VariantName, readonly Round[]>;

interface RoundsAtRate {
  readonly share: number;
  readonly rates: ReadonlyMap<VariantName, number>;
  readonly rounds: Rounds;
}

/** Sums the rounds up. */
export function summarise(
  variants: readonly Variant[],
  atMaximum: Rounds,
  atRates: readonly RoundsAtRate[],
): Pick<LoadReport, 'atMaximum' | 'atRates'> {
  return {
    atMaximum: variants.map((variant) => summary(variant, atMaximum)),
    atRates: atRates.map(({ share, rates, rounds }) => ({
      share,
      variants: variants.map((variant) => summaryAtRate(variant, rates, rounds)),
    })),
  };
}

function summary({ name, title }: Variant, rounds: Rounds): Measured {
  const own = rounds.get(name) ?? [];
  const relay = rounds.get('relay') ?? [];
  return {
    variant: name,
    title,
    rounds: own.length,
    requests: sum(own, (round) => round.requests),
    requestsPerSec: spreadOf(own.map((round) => round.requestsPerSec)),
    cpuUsPerRequest: spreadOfKnown(own.map((round) => round.cpuUsPerRequest)),
    timesRelay: spreadOfKnown(own.map((round, index) => ratio(round.cpuUsPerRequest, relay[index]?.cpuUsPerRequest))),
    latencyUs: latencyOf(own),
    busyShare: spreadOfKnown(own.map((round) => round.busyShare)),
    othersShare: spreadOfKnown(own.map((round) => round.othersShare)),
    failures: {
      non2xx: sum(own, ({ failures }) => failures.non2xx),
      mismatches: sum(own, ({ failures }) => failures.mismatches),
      connectionErrors: sum(own, ({ failures }) => failures.connectionErrors),
      timeouts: sum(own, ({ failures }) => failures.timeouts),
    },
  };
}

function summaryAtRate(variant: Variant, rates: ReadonlyMap<VariantName, number>, rounds: Rounds): MeasuredAtRate {
  const measured = summary(variant, rounds);
  const direct = rates.get('upstream') === rates.get(variant.name) ? rounds.get('upstream') : undefined;
  const directly = direct === undefined ? null : latencyOf(direct);
  const { p50, p99 } = measured.latencyUs;
  return {
    ...measured,
    rate: rates.get(variant.name) as number,
    addedUs: directly === null ? null : { p50: p50 - directly.p50, p99: p99 - directly.p99 },
    generatorLatenessP99Us: spreadOf(
      (rounds.get(variant.name) ?? []).map((round) => round.latenessP99Us ?? Number.NaN),
    ),
  };
}

function latencyOf(rounds: readonly Round[]): Latency {
  const all = new Float64Array(sum(rounds, ({ latenciesUs }) => latenciesUs.length));
  let length = 0;
  for (const { latenciesUs } of rounds) {
    all.set(latenciesUs, length);
    length += latenciesUs.length;
  }
  all.sort();
  const at = (percent: number) => percentile(all, percent);
  return { p50: at(50), p90: at(90), p99: at(99), p999: at(99.9), max: at(100) };
}

const sum = <T>(values: readonly T[], of: (value: T) => number) =>
  values.reduce((total, value) => total + of(value), 0);

function spreadOfKnown(values: readonly (number | null)[]): Spread | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : spreadOf(known);
}

const ratio = (own: number | null, relay: number | null | undefined) =>
  own === null || relay === null || relay === undefined ? null : own / relay;

/** Failures in words; empty when there were none. */
export function failuresOf({ atMaximum, atRates }: LoadReport): string[] {
  return [...atMaximum, ...atRates.flatMap(({ variants }) => variants)].flatMap(({ variant, failures }) =>
    Object.entries(failures)
      .filter(([, count]) => count > 0)
      .map(([kind, count]) => `${variant}: ${count} ${kind}`),
  );
}

/** Prints the report. */
export function print(report: LoadReport): void {
  const { machine, node, undici, commit, settings } = report;
  console.log(`\n${machine.cpu}, ${machine.cores} cores · Node ${node} · undici ${undici} · commit ${commit}`);
  console.log(`load average before: ${machine.loadAverage?.toFixed(1)} · ${settings.connections} connections`);
  if (!settings.isPinned) console.log('Processes are not pinned to cores here: the figures vary more.');
  if (process.platform !== 'linux') console.log('CPU time can only be read on Linux.');
  console.log(`\nAs fast as it goes: ${settings.rounds} rounds of ${settings.roundMs / 1_000} s`);
  console.log(maximumTable(report));
  for (const { share, variants } of report.atRates) {
    console.log(`\nAt ${share * 100} % of the maximum of the warm path (of the cold path, for itself): latency in ms`);
    console.log(rateTable(variants));
  }
  const failures = failuresOf(report);
  console.log(failures.length === 0 ? '\nEvery answer was right.' : `\nNOT RIGHT: ${failures.join(', ')}`);
}

function maximumTable({ atMaximum }: LoadReport): string {
  return formatTable(
    ['', 'req/s', 'CPU µs/req', 'min–max', '× relay', 'min–max', 'p50 ms', 'p99 ms', 'busy', 'others'],
    atMaximum.map((it) => [
      it.title,
      it.requestsPerSec.median.toFixed(0),
      middle(it.cpuUsPerRequest, 1),
      range(it.cpuUsPerRequest, 1),
      middle(it.timesRelay, 2),
      range(it.timesRelay, 2),
      ms(it.latencyUs.p50),
      ms(it.latencyUs.p99),
      percent(it.busyShare),
      percent(it.othersShare),
    ]),
  );
}

function rateTable(variants: readonly MeasuredAtRate[]): string {
  return formatTable(
    ['', 'req/s', 'CPU µs/req', 'p50', 'p90', 'p99', 'p99.9', 'added p50', 'added p99', 'busy', 'others'],
    variants.map((it) => [
      it.title,
      it.rate.toFixed(0),
      middle(it.cpuUsPerRequest, 1),
      ms(it.latencyUs.p50),
      ms(it.latencyUs.p90),
      ms(it.latencyUs.p99),
      ms(it.latencyUs.p999),
      it.addedUs === null ? '' : ms(it.addedUs.p50),
      it.addedUs === null ? '' : ms(it.addedUs.p99),
      percent(it.busyShare),
      percent(it.othersShare),
    ]),
  );
}

const ms = (us: number) => (us / 1_000).toFixed(2);
const middle = (spread: Spread | null, digits: number) => spread?.median.toFixed(digits) ?? '–';
const range = (spread: Spread | null, digits: number) =>
  spread === null ? '–' : `${spread.min.toFixed(digits)}–${spread.max.toFixed(digits)}`;
const percent = (spread: Spread | null) => (spread === null ? '–' : `${(spread.median * 100).toFixed(0)} %`);
