/** One round of one target: a load, and what it cost the measured process. */

import type { Child } from '../support/children.ts';
import { coreBusyUs, cpuTimeOfTreeUs } from '../support/process-figures.ts';
import type { Credentials, Failures, Load, Outcome } from './generator/load.ts';

/** What is asked: a process, and how. */
export interface Target {
  readonly name: string;
  /** The process whose CPU time counts, with all that it has started. */
  readonly child: Pick<Child, 'pid'>;
  readonly port: number;
  /** Of the path: `<base>/orders`. */
  readonly base: string;
  /** Body of a right answer. Default: that of the upstream. */
  readonly answer?: string;
  /** The credentials of a load of this many requests over the given number of connections. */
  readonly credentials: (requests: number) => Promise<Credentials>;
}

export interface Round {
  readonly requests: number;
  readonly requestsPerSec: number;
  /** CPU time of the measured process, with all its threads, per request; `null` where it is unavailable. */
  readonly cpuUsPerRequest: number | null;
  /** Share of the round in which the measured process ran; `null` where it is unavailable. */
  readonly busyShare: number | null;
  /** Share of the round in which something else ran on its core: noise. */
  readonly othersShare: number | null;
  readonly latenciesUs: Float64Array;
  readonly latenessP99Us: number | null;
  readonly failures: Failures;
}

export interface RoundSettings {
  readonly connections: number;
  readonly durationMs: number;
  readonly rate: number | null;
  /** Estimated number of requests, for loads in which each needs its own credential. */
  readonly expectedRequests: number;
  readonly core: number;
  /** Without a rate. Default: autocannon. */
  readonly tool?: Load['tool'];
}

/** Drives a target for a while. */
export async function measure(generator: Child, target: Target, settings: RoundSettings): Promise<Round> {
  const { connections, durationMs, rate, expectedRequests, core, tool } = settings;
  const load: Load = {
    port: target.port,
    path: `${target.base}/orders`,
    headers: { Host: 'shop.example.com', 'User-Agent': 'bench', Accept: 'application/json' },
    credentials: await target.credentials(Math.max(connections, Math.round(expectedRequests))),
    connections,
    rate,
    durationMs,
    ...(tool !== undefined && { tool }),
    ...(target.answer !== undefined && { answer: target.answer }),
  };
  const before = { cpu: cpuTimeOfTreeUs(target.child.pid), core: coreBusyUs(core), ms: performance.now() };
  const { outcome, error } = await generator.ask<{ outcome?: Outcome; error?: string }>(load);
  if (outcome === undefined) throw new Error(`${target.name}: the load could not be run: ${error}`);
  const wallUs = (performance.now() - before.ms) * 1_000;
  const cpuUs = difference(cpuTimeOfTreeUs(target.child.pid), before.cpu);
  const coreUs = difference(coreBusyUs(core), before.core);
  return {
    requests: outcome.requests,
    requestsPerSec: (outcome.requests / outcome.durationMs) * 1_000,
    cpuUsPerRequest: cpuUs === null ? null : cpuUs / outcome.requests,
    busyShare: cpuUs === null ? null : cpuUs / (outcome.durationMs * 1_000),
    othersShare: cpuUs === null || coreUs === null ? null : Math.max(0, (coreUs - cpuUs) / wallUs),
    latenciesUs: outcome.latenciesUs,
    latenessP99Us: outcome.latenessP99Us,
    failures: outcome.failures,
  };
}

const difference = (after: number | null, before: number | null) =>
  after === null || before === null ? null : after - before;
