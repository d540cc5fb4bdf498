/**
 * workers: several gateway processes behind one address, and the primary that looks after them. The primary accepts
 * connections and hands them out, holds the admin listener and starts a worker again that has ended; it forwards no
 * request and knows no session. Each worker has connections of its own to the store, so a revocation reaches all of
 * them by the feed.
 */

import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import type {
  ApplyResult,
  ComponentHealth,
  GatewayControl,
  Health,
  SessionSummary,
  TokenRevocationReport,
  TokenRevocationRequest,
} from '../../admin/control.ts';
import type { Config } from '../../config/schema.ts';
import { DependencyFault } from '../../errors.ts';
import type { GatewayDependencies } from '../../gateway/gateway.ts';
import type { AuditSource } from '../../telemetry/audit.ts';
import { errorFields } from '../../telemetry/log.ts';
import { MetricsMerger } from './merge-metrics.ts';
import type { MetricsSnapshot, SharedSecrets, StartedWorker, WorkerMethods } from './methods.ts';
import { WorkerProcess } from './worker-process.ts';

/** A worker that ends sooner than this after its start has failed again; one that lasts longer starts anew. */
const STABLE_AFTER_MS = 30_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
/** Failures in a row of every worker after which the process ends: whoever started it should know. */
const HOPELESS_AFTER = 8;

const START_TIMEOUT_MS = 60_000;
const APPLY_TIMEOUT_MS = 60_000;
const ASK_TIMEOUT_MS = 5_000;
/** Beyond the drain of the workers, until they are killed. */
const EXIT_GRACE_MS = 5_000;

/** The place of one worker, and the process that holds it. */
interface Slot {
  readonly number: number;
  process: WorkerProcess | null;
  isReady: boolean;
  /** Starts in a row that have not lasted. */
  failures: number;
}

export class WorkerPool implements GatewayControl {
  readonly #dependencies: GatewayDependencies;
  readonly #shared: SharedSecrets;
  readonly #onHopeless: () => void;
  readonly #slots: readonly Slot[];
  readonly #merger = new MetricsMerger();
  readonly #ending = new AbortController();
  #config: Config;

  /**
   * @param onHopeless  no worker comes up any more, after several tries
   */
  constructor(
    config: Config,
    count: number,
    dependencies: GatewayDependencies,
    shared: SharedSecrets,
    onHopeless: () => void,
  ) {
    this.#config = config;
    this.#dependencies = dependencies;
    this.#shared = shared;
    this.#onHopeless = onHopeless;
    this.#slots = Array.from({ length: count }, (_, index) => ({
      number: index + 1,
      process: null,
      isReady: false,
      failures: 0,
    }));
    cluster.setupPrimary({ serialization: 'advanced', stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  }

  /**
   * Starts the workers. When one of them cannot start, the others are ended again.
   *
   * @returns where all of them listen, and what they use
   * @throws ConfigFault why a worker cannot start
   */
  async listen(): Promise<StartedWorker> {
    try {
      const addresses = await Promise.all(this.#slots.map((slot) => this.#startProcess(slot)));
      return addresses[0] as StartedWorker;
    } catch (fault) {
      await this.kill();
      throw fault;
    }
  }

  /**
   * Puts a configuration in use in every worker: first in one, and only when that has applied it in the others.
   *
   * @throws ConfigFault when the first one refuses it; then nothing has changed
   */
  async apply(config: Config): Promise<readonly ApplyResult[]> {
    const [first, ...others] = this.#slots.filter(({ isReady }) => isReady);
    if (first?.process == null) throw new DependencyFault('store_unavailable', 'no worker is ready');
    const kept = await first.process.call('apply', APPLY_TIMEOUT_MS, config);
    this.#config = config;
    const results = others.map(async (slot): Promise<ApplyResult> => {
      try {
        const itsKept = (await slot.process?.call('apply', APPLY_TIMEOUT_MS, config)) ?? [];
        return { process: nameOf(slot), problem: null, kept: itsKept };
      } catch (fault) {
        return { process: nameOf(slot), problem: fault instanceof Error ? fault.message : 'failed', kept: [] };
      }
    });
    return [{ process: nameOf(first), problem: null, kept }, ...(await Promise.all(results))];
  }

  async health(withUpstreams: boolean): Promise<Health> {
    const answers = await this.#askAll('health', withUpstreams);
    const ready = this.#slots.filter(({ isReady }) => isReady).length;
    const workers: ComponentHealth = {
      name: 'workers',
      isOk: ready === this.#slots.length && answers.size === ready && !this.#ending.signal.aborted,
      detail: `${ready} of ${this.#slots.length} ready`,
    };
    const components = [...answers.values()].flatMap((health) => health.components);
    return { isStarted: answers.size > 0, components: [workers, ...worstOfEach(components)] };
  }

  async metrics(): Promise<string> {
    const { metrics } = this.#dependencies;
    metrics.workersReady.set(this.#slots.filter(({ isReady }) => isReady).length);
    const own = (await metrics.registry.getMetricsAsJSON()) as MetricsSnapshot;
    const merged = this.#merger.merge(own, await this.#askAll('metrics'));
    return merged.metrics();
  }

  jwks(): Promise<unknown> {
    return this.#ask('jwks');
  }

  sessionsOf(subject: string): Promise<readonly SessionSummary[]> {
    return this.#ask('sessionsOf', subject);
  }

  revokeSession(handle: string, source: AuditSource): Promise<SessionSummary | null> {
    return this.#ask('revokeSession', handle, source);
  }

  revokeSessionsOf(subject: string, source: AuditSource): Promise<readonly string[]> {
    return this.#ask('revokeSessionsOf', subject, source);
  }

  revokeTokens(request: TokenRevocationRequest, source: AuditSource): Promise<TokenRevocationReport> {
    return this.#ask('revokeTokens', request, source);
  }

  /** Lets every worker end in order. Resolves when all of them have ended; those that do not are killed. */
  async shutdown(): Promise<void> {
    this.#ending.abort();
    const { delay, timeout } = this.#config.shutdown;
    const limitMs = delay + timeout + EXIT_GRACE_MS;
    const processes = this.#processes();
    for (const process of processes) process.call('shutdown', limitMs).catch(() => {});
    const killer = setTimeout(() => void this.kill(), limitMs);
    await Promise.all(processes.map(({ ended }) => ended));
    clearTimeout(killer);
  }

  /** Ends every worker at once. */
  async kill(): Promise<void> {
    this.#ending.abort();
    const processes = this.#processes();
    for (const process of processes) process.kill();
    await Promise.all(processes.map(({ ended }) => ended));
  }

  #processes(): WorkerProcess[] {
    return this.#slots.flatMap(({ process }) => (process === null ? [] : [process]));
  }

  async #startProcess(slot: Slot): Promise<StartedWorker> {
    const process = new WorkerProcess(this.#dependencies.lines);
    const startedMs = this.#dependencies.clocks.monotonicMs();
    slot.process = process;
    void process.ended.then(({ code, signal }) => this.#onEnded(slot, process, startedMs, signal ?? `code ${code}`));
    try {
      const addresses = await process.call('start', START_TIMEOUT_MS, this.#config, this.#shared);
      slot.isReady = slot.process === process;
      return addresses;
    } catch (fault) {
      process.kill();
      throw fault;
    }
  }

  async #onEnded(slot: Slot, process: WorkerProcess, startedMs: number, how: string): Promise<void> {
    const { log, clocks, metrics } = this.#dependencies;
    const hasServed = slot.isReady;
    slot.isReady = false;
    slot.process = null;
    await this.#merger.retire(slot.number);
    if (this.#ending.signal.aborted) return;
    const hasLasted = hasServed && clocks.monotonicMs() - startedMs >= STABLE_AFTER_MS;
    slot.failures = hasLasted ? 0 : slot.failures + 1;
    log.error({ worker: slot.number, pid: process.pid, how }, 'a worker has ended; another one is started');
    metrics.workerRestarts.inc();
    await this.#startAgain(slot);
  }

  /** The first time at once, then after longer and longer pauses. */
  async #startAgain(slot: Slot): Promise<void> {
    if (this.#slots.every(({ isReady, failures }) => !isReady && failures >= HOPELESS_AFTER)) {
      this.#onHopeless();
      return;
    }
    const delayMs = slot.failures <= 1 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (slot.failures - 2), LONGEST_DELAY_MS);
    const { signal } = this.#ending;
    await sleep(delayMs, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    try {
      const config = this.#config;
      await this.#startProcess(slot);
      // A reload may have come while it was starting.
      if (config !== this.#config) await slot.process?.call('apply', APPLY_TIMEOUT_MS, this.#config);
    } catch (fault) {
      const { log } = this.#dependencies;
      // It has ended, and `#onEnded` tries again.
      log.error({ worker: slot.number, fault: errorFields(fault) }, 'a worker could not start');
    }
  }

  /** Asks one worker that is ready, whichever. */
  async #ask<M extends keyof WorkerMethods>(
    method: M,
    ...parameters: Parameters<WorkerMethods[M]>
  ): Promise<Awaited<ReturnType<WorkerMethods[M]>>> {
    const slot = this.#slots.find(({ isReady }) => isReady);
    if (slot?.process == null) throw new DependencyFault('store_unavailable', 'no worker is ready');
    return await slot.process.call(method, ASK_TIMEOUT_MS, ...parameters);
  }

  /** Asks every worker that is ready. Those that do not answer in time are left out. */
  async #askAll<M extends keyof WorkerMethods>(
    method: M,
    ...parameters: Parameters<WorkerMethods[M]>
  ): Promise<ReadonlyMap<number, Awaited<ReturnType<WorkerMethods[M]>>>> {
    const answers = new Map<number, Awaited<ReturnType<WorkerMethods[M]>>>();
    const ready = this.#slots.filter(({ isReady }) => isReady);
    await Promise.all(
      ready.map(async ({ number, process }) => {
        try {
          if (process !== null) answers.set(number, await process.call(method, ASK_TIMEOUT_MS, ...parameters));
        } catch (fault) {
          this.#dependencies.log.warn({ worker: number, method, fault: errorFields(fault) }, 'a worker did not answer');
        }
      }),
    );
    return answers;
  }
}

const nameOf = ({ number }: Slot) => `worker ${number}`;

/** One component of each name: one that does not work, if any process says so. */
function worstOfEach(components: readonly ComponentHealth[]): ComponentHealth[] {
  const byName = new Map<string, ComponentHealth>();
  for (const component of components) {
    const present = byName.get(component.name);
    if (present === undefined || (present.isOk && !component.isOk)) byName.set(component.name, component);
  }
  return [...byName.values()];
}
