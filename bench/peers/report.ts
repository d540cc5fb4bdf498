/** The results of the benchmark of peers, as JSON and as a table. */

import type { Round } from '../load/measure.ts';
import type { provenance } from '../support/machine.ts';
import { percentile, type Spread, spreadOf } from '../support/statistics.ts';
import { formatTable } from '../support/table.ts';
import type { Contestant, Job } from './peers.ts';

export interface PeersSettings {
  readonly connections: number;
  readonly warmUpMs: number;
  readonly rounds: number;
  /** wrk runs for whole seconds: 1,000 at least. */
  readonly roundMs: number;
  /** Names of peers; `null`: all. */
  readonly only: readonly string[] | null;
  /** What sends the requests. */
  readonly tool: 'autocannon' | 'wrk';
}

/** A round, and what Redis did for it. */
export interface PeerRound extends Round {
  readonly redisUsPerRequest: number | null;
}

/** The rounds of one program. */
export interface MeasuredPeer {
  readonly name: string;
  readonly title: string;
  readonly version: string;
  readonly job: Job;
  readonly note: string;
  readonly requests: number;
  readonly requestsPerSec: Spread;
  /** Of its process and all that it has started. */
  readonly cpuUsPerRequest: Spread;
  /** Of Redis, which runs on the other core. */
  readonly redisUsPerRequest: Spread;
  /** CPU time against that of the relay in the same turn. */
  readonly timesRelay: Spread;
  /** The same against Sallyport doing the same job; for what only forwards, Sallyport with a session. */
  readonly timesSallyport: Spread;
  /** At full speed: of a full queue. */
  readonly latencyP50Us: number;
  readonly othersShare: Spread;
  /** By kind: in words, and empty where every answer was right. */
  readonly failures: readonly string[];
}

export type PeersReport = ReturnType<typeof provenance> & {
  readonly kind: 'peers';
  readonly settings: PeersSettings & { readonly isPinned: boolean };
  readonly upstream: string;
  readonly absent: readonly { readonly title: string; readonly why: string }[];
  readonly peers: readonly MeasuredPeer[];
};

/** Sums the rounds up. */
export function summarise(
  contestants: readonly Contestant[],
  rounds: ReadonlyMap<string, readonly PeerRound[]>,
): MeasuredPeer[] {
  const costs = (name: string) => (rounds.get(name) ?? []).map((round) => round.cpuUsPerRequest ?? Number.NaN);
  const ratios = (name: string, to: string) => {
    const others = costs(to);
    return spreadOfFinite(costs(name).map((cost, turn) => cost / (others[turn] ?? Number.NaN)));
  };
  return contestants.map(({ name, title, version, job, note }) => {
    const own = rounds.get(name) ?? [];
    const latencies = Float64Array.from(own.flatMap(({ latenciesUs }) => [...latenciesUs])).sort();
    return {
      ...{ name, title, version, job, note },
      requests: own.reduce((sum, { requests }) => sum + requests, 0),
      requestsPerSec: spreadOf(own.map(({ requestsPerSec }) => requestsPerSec)),
      cpuUsPerRequest: spreadOfFinite(costs(name)),
      redisUsPerRequest: spreadOfFinite(own.map(({ redisUsPerRequest }) => redisUsPerRequest ?? Number.NaN)),
      timesRelay: ratios(name, 'relay'),
      timesSallyport: ratios(name, job === 'service' ? 'service' : 'warm'),
      latencyP50Us: percentile(latencies, 50),
      othersShare: spreadOf(own.map(({ othersShare }) => othersShare ?? Number.NaN)),
      failures: own.flatMap(({ failures }) =>
        Object.entries(failures).flatMap(([kind, count]) => (count === 0 ? [] : [`${count} ${kind}`])),
      ),
    };
  });
}

/** Without rounds in which a busy machine let nothing through. */
const spreadOfFinite = (values: readonly number[]) => spreadOf(values.filter(Number.isFinite));

const JOBS: Readonly<Record<Job, string>> = {
  forward: 'forwards only',
  session: 'session',
  service: 'service token',
};

/** Prints the report. */
export function print(report: PeersReport): void {
  const { machine, node, commit, settings, upstream, absent, peers } = report;
  console.log(`\n${machine.cpu}, ${machine.cores} cores · Node ${node} · commit ${commit}`);
  console.log(
    `load average before: ${machine.loadAverage?.toFixed(1)} · ${settings.tool}, ${settings.connections} connections, ` +
      `${settings.rounds} rounds of ${settings.roundMs / 1_000} s · upstream: ${upstream}`,
  );
  const head = ['', 'job', 'CPU µs/req', 'min–max', '× relay', '× Sallyport', 'min–max', 'Redis µs', 'req/s', 'others'];
  console.log(
    formatTable(
      head,
      peers.map((it) => [
        it.title,
        JOBS[it.job],
        it.cpuUsPerRequest.median.toFixed(1),
        `${it.cpuUsPerRequest.min.toFixed(1)}–${it.cpuUsPerRequest.max.toFixed(1)}`,
        it.timesRelay.median.toFixed(2),
        it.timesSallyport.median.toFixed(2),
        `${it.timesSallyport.min.toFixed(2)}–${it.timesSallyport.max.toFixed(2)}`,
        it.redisUsPerRequest.median.toFixed(1),
        it.requestsPerSec.median.toFixed(0),
        `${(100 * it.othersShare.median).toFixed(0)} %`,
      ]),
    ),
  );
  for (const { title, why } of absent) console.log(`left out: ${title}: ${why}`);
  for (const { title, failures } of peers) {
    if (failures.length > 0) console.log(`NOT RIGHT: ${title}: ${failures.join(', ')}`);
  }
}
