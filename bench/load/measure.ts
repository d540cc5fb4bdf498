/** One round of one variant: a load, and what it cost the measured process. */

import type { Child } from '../support/children.ts';
import { coreBusyUs, cpuTimeUs } from '../support/process-figures.ts';
import type { Failures, Load, Outcome } from './generator/load.ts';
import type { Variant } from './variants.ts';

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
}

/** Drives a variant for a while. */
export async function measure(generator: Child, variant: Variant, settings: RoundSettings): Promise<Round> {
  const { connections, durationMs, rate, expectedRequests, core } = settings;
  const load: Load = {
    port: variant.port,
    path: `${variant.base}/orders`,
    headers: { Host: 'shop.example.com', 'User-Agent': 'bench', Accept: 'application/json' },
    credentials: await variant.credentials(Math.max(connections, Math.round(expectedRequests))),
    connections,
    rate,
    durationMs,
    ...(variant.answer !== undefined && { answer: variant.answer }),
  };
  const before = { cpu: cpuTimeUs(variant.child.pid), core: coreBusyUs(core), ms: performance.now() };
  const { outcome, error } = await generator.ask<{ outcome?: Outcome; error?: string }>(load);
  if (outcome === undefined) throw new Error(`${variant.name}: the load could not be run: ${error}`);
  const wallUs = (performance.now() - before.ms) * 1_000;
  const cpuUs = difference(cpuTimeUs(variant.child.pid), before.cpu);
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
