/**
 * workers: several gateway processes behind one address, and the primary that supervises them. Each worker listens on the
 * address with sockets of its own, over which the kernel spreads connections (SO_REUSEPORT); where the system cannot do that,
 * the primary accepts them and hands them over. The primary runs the admin listener and restarts workers that exit; it
 * forwards no request and holds no session. Each worker has its own connections to the store and its own revocation feed.
 *
 * A worker that does not answer is left out of merged answers. When every worker keeps failing, the pool gives up.
 */

import cluster from 'node:cluster';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ANSWERED_BY,
  type AnsweredBy,
  type ApplyResult,
  type ComponentHealth,
  type GatewayControl,
  type Health,
} from '../../admin/control.ts';
import type { ProcessStatus } from '../../admin/status.ts';
import { type FileContents, rememberedFiles } from '../../config/files/remembered-files.ts';
import { DependencyFault, GatewayFault } from '../../errors.ts';
import type { ReadConfig } from '../../gateway/configuration/contents.ts';
import type { Config } from '../../gateway/configuration/schema.ts';
import type { GatewayDependencies, Started } from '../../gateway/gateway.ts';
import { sharedAddresses, withPorts } from '../../gateway/listeners.ts';
import { CAN_SHARE_PORT } from '../../listener/http1/acceptors.ts';
import { newTicketKeys } from '../../listener/http1/tls.ts';
import type { ListenerAddresses } from '../../listener/listener.ts';
import { errorFields } from '../../telemetry/log.ts';
import type { TextFormat } from '../../telemetry/metric-parts.ts';
import { mergedReasons, type RecentRequest } from '../../telemetry/recent-requests.ts';
import type { WorkerSeries } from '../series.ts';
import { MetricsMerger, ProcessMetrics } from './merge-metrics.ts';
import { mergedRoutes, mergedUpstreams } from './merge-status.ts';
import type { WorkerAnswer, WorkerMethods } from './messages.ts';
import { remote } from './remote.ts';
import { WorkerProcess } from './worker-process.ts';

/** A worker that exits sooner than this after its start counts as failed again; one that lasts longer resets the count. */
const STABLE_AFTER_MS = 30_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 30_000;
/** After this many failures in a row of every worker the pool gives up, so that its supervisor notices. */
const HOPELESS_AFTER = 8;

const START_TIMEOUT_MS = 60_000;
const APPLY_TIMEOUT_MS = 60_000;
const ASK_TIMEOUT_MS = 5_000;
/** What workers get beyond their own limit for draining before they are closed. */
const EXIT_GRACE_MS = 5_000;

/** The operations that any one worker answers for all of them. */
const ASKED_OF_ONE = (Object.keys(ANSWERED_BY) as (keyof GatewayControl)[]).filter(
  (name): name is AnsweredBy<'one'> => ANSWERED_BY[name] === 'one',
);

/** One worker's place in the pool, and the process that currently fills it. */
interface Slot {
  readonly number: number;
  process: WorkerProcess | null;
  isReady: boolean;
  /** Consecutive starts that did not last. */
  failures: number;
}

/** The workers of an instance, kept running until the pool is drained or closed. */
export class WorkerPool {
  /** The admin operations, answered by one worker or merged from all of them. */
  readonly control: GatewayControl;
  readonly #dependencies: GatewayDependencies;
  readonly #ticketKeys = newTicketKeys();
  readonly #series: WorkerSeries;
  readonly #onHopeless: () => void;
  readonly #slots: readonly Slot[];
  readonly #merger = new MetricsMerger();
  /** The scrape that gathers metrics now, and those that wait for it. */
  #gathering: Promise<void> = Promise.resolve();
  readonly #ending = new AbortController();
  #wasReady = false;
  #config: Config;
  /** Where the workers listen; `null` before the first one does. */
  #addresses: ListenerAddresses | null = null;

  /** @param onHopeless  called when every worker has failed to start several times */
  constructor(
    config: Config,
    count: number,
    dependencies: GatewayDependencies,
    series: WorkerSeries,
    onHopeless: () => void,
  ) {
    this.#config = config;
    this.#dependencies = dependencies;
    this.#series = series;
    this.#onHopeless = onHopeless;
    const merged: Pick<GatewayControl, AnsweredBy<'all'>> = {
      health: (withUpstreams) => this.#health(withUpstreams),
      metrics: (format) => this.#metrics(format),
      status: () => this.#status(),
      routes: async (page) => mergedRoutes((await this.#askAll('routes', [page])).values()),
      upstreams: async (page) => mergedUpstreams((await this.#askAll('upstreams', [page])).values()),
      requestOf: (id) => this.#requestOf(id),
      recentRequests: (count) => this.#recentRequests(count),
      recentReasons: async () => mergedReasons([...(await this.#askAll('recentReasons', [])).values()].flat()),
    };
    this.control = {
      ...remote<Pick<GatewayControl, AnsweredBy<'one'>>>(ASKED_OF_ONE, (name, parameters) =>
        this.#ask(name, parameters as never),
      ),
      ...merged,
    };
    this.#slots = Array.from({ length: count }, (_, index) => ({
      number: index + 1,
      process: null,
      isReady: false,
      failures: 0,
    }));
    series.ready.readFrom(() => this.#slots.filter(({ isReady }) => isReady).length);
    cluster.setupPrimary({ serialization: 'advanced', stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  }

  /**
   * Starts the workers. When one of them fails to start, the others are closed again.
   *
   * @returns where they listen and what they use, which is the same for all
   * @throws ConfigFault that the failed worker reports
   */
  async listen(): Promise<Started> {
    try {
      const { areFixed, ensureFree } = sharedAddresses(this.#config);
      if (CAN_SHARE_PORT) await ensureFree();
      // A port that the system chooses is that of the first one.
      const [first, others] = areFixed ? [[], this.#slots] : [this.#slots.slice(0, 1), this.#slots.slice(1)];
      const started = await this.#startAll(first);
      started.push(...(await this.#startAll(others)));
      return started[0] as Started;
    } catch (fault) {
      await this.close();
      throw fault;
    }
  }

  /**
   * Applies a configuration in every worker: in one first, and in the others only when that has succeeded.
   *
   * @throws ConfigFault when the first one rejects it; then nothing has changed
   */
  async apply({ config }: Pick<ReadConfig, 'config'>): Promise<readonly ApplyResult[]> {
    const first = this.#slots.find(({ isReady }) => isReady);
    if (first?.process == null) throw new DependencyFault('store_unavailable', 'no worker is ready');
    const kept = await first.process.call('apply', APPLY_TIMEOUT_MS, [config]);
    this.#config = config;
    // Those among them that have become ready meanwhile were started with the configuration before.
    const others = this.#slots.filter((slot) => slot.isReady && slot !== first);
    const results = others.map(async (slot): Promise<ApplyResult> => {
      try {
        const itsKept = (await slot.process?.call('apply', APPLY_TIMEOUT_MS, [config])) ?? [];
        return { process: nameOf(slot), problem: null, kept: itsKept };
      } catch (fault) {
        return { process: nameOf(slot), problem: fault instanceof Error ? fault.message : 'failed', kept: [] };
      }
    });
    return [{ process: nameOf(first), problem: null, kept }, ...(await Promise.all(results))];
  }

  async #health(withUpstreams: boolean): Promise<Health> {
    const answers = await this.#askAll('health', [withUpstreams]);
    const ready = this.#slots.filter(({ isReady }) => isReady).length;
    const workers: ComponentHealth = {
      name: 'workers',
      isRequired: true,
      isOk: ready === this.#slots.length && answers.size === ready && !this.#ending.signal.aborted,
      detail: `${ready} of ${this.#slots.length} ready`,
    };
    const components = [...answers.values()].flatMap((health) => health.components);
    this.#wasReady ||= [workers, ...components].every(({ isOk, isRequired }) => isOk || !isRequired);
    return { isStarted: answers.size > 0, components: [workers, ...worstOfEach(components)] };
  }

  async #status(): Promise<readonly ProcessStatus[]> {
    const answers = [...(await this.#askAll('status', []))].toSorted(([one], [other]) => one - other);
    return answers.flatMap(([number, statuses]) =>
      statuses.map((status) => ({ ...status, process: nameOf({ number }) })),
    );
  }

  /** Clients can reuse the id of a request: the last one counts. */
  async #requestOf(id: string): Promise<RecentRequest | null> {
    const answers = [...(await this.#askAll('requestOf', [id])).values()].filter((request) => request !== null);
    return newestFirst(answers)[0] ?? null;
  }

  async #recentRequests(count: number): Promise<readonly RecentRequest[]> {
    const answers = await this.#askAll('recentRequests', [count]);
    return newestFirst([...answers.values()].flat()).slice(0, count);
  }

  async *#metrics(format: TextFormat): AsyncGenerator<string> {
    // One after the other: a worker is in the middle of one scrape at a time.
    const gathering = this.#gathering.then(() => this.#gather(format));
    this.#gathering = gathering.then(
      () => {},
      () => {},
    );
    yield* await gathering;
  }

  async #gather(format: TextFormat): Promise<AsyncGenerator<string>> {
    const [own, theirs] = await Promise.all([
      ProcessMetrics.of(this.#dependencies.metrics.parts()),
      this.#fromAll('nextMetrics', allMetrics),
    ]);
    return this.#merger.merge(own, theirs, format);
  }

  /** Drains every worker. Resolves when all have exited; those that exceed the limit are closed. */
  async drain(): Promise<void> {
    this.#ending.abort();
    const { delay: delayMs, timeout: timeoutMs } = this.#config.shutdown;
    const limitMs = delayMs + timeoutMs + EXIT_GRACE_MS;
    const processes = this.#processes();
    for (const process of processes) process.call('drain', limitMs, []).catch(() => {});
    const limit = setTimeout(() => void this.close(), limitMs);
    await Promise.all(processes.map(({ ended }) => ended));
    clearTimeout(limit);
  }

  /** Ends every worker at once. Resolves when all have exited. */
  async close(): Promise<void> {
    this.#ending.abort();
    const processes = this.#processes();
    for (const process of processes) process.close();
    await Promise.all(processes.map(({ ended }) => ended));
  }

  async #startAll(slots: readonly Slot[]): Promise<Started[]> {
    const started = await Promise.all(slots.map((slot) => this.#startProcess(slot)));
    this.#addresses = started[0]?.addresses ?? this.#addresses;
    return started;
  }

  #processes(): WorkerProcess[] {
    return this.#slots.flatMap(({ process }) => (process === null ? [] : [process]));
  }

  async #startProcess(slot: Slot): Promise<Started> {
    const process = new WorkerProcess(this.#dependencies.lines);
    const startedMs = this.#dependencies.clocks.monotonicMs();
    slot.process = process;
    void process.ended.then(({ code, signal }) => this.#onEnded(slot, process, startedMs, signal ?? `code ${code}`));
    try {
      const config = this.#addresses === null ? this.#config : withPorts(this.#config, this.#addresses);
      const sharing = CAN_SHARE_PORT ? 'shared' : 'alone';
      const known = { files: await this.#knownFiles(), wasReady: this.#wasReady };
      const started = await process.call('start', START_TIMEOUT_MS, [config, this.#ticketKeys, sharing, known]);
      slot.isReady = slot.process === process;
      return started;
    } catch (fault) {
      process.close();
      throw fault;
    }
  }

  /** What this process has read, and what another worker has read again since: certificates, keys, users. */
  async #knownFiles(): Promise<FileContents> {
    const isAnyReady = this.#slots.some(({ isReady }) => isReady);
    const newer = isAnyReady ? await this.#ask('files', []).catch(() => []) : [];
    return new Map([...rememberedFiles(), ...newer]);
  }

  async #onEnded(slot: Slot, process: WorkerProcess, startedMs: number, how: string): Promise<void> {
    const { log, clocks } = this.#dependencies;
    const hasServed = slot.isReady;
    slot.isReady = false;
    slot.process = null;
    await this.#merger.retire(slot.number);
    if (this.#ending.signal.aborted) return;
    const hasLasted = hasServed && clocks.monotonicMs() - startedMs >= STABLE_AFTER_MS;
    slot.failures = hasLasted ? 0 : slot.failures + 1;
    log.error({ worker: slot.number, pid: process.pid, how }, 'worker exited; restarting');
    this.#series.restarts.inc();
    await this.#startAgain(slot);
  }

  /** At once the first time, then after growing delays. */
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
      if (config !== this.#config) await this.#catchUp(slot);
    } catch (fault) {
      const { log } = this.#dependencies;
      // The process exits, and `#onEnded` tries again.
      log.error({ worker: slot.number, fault: errorFields(fault) }, 'worker failed to start');
    }
  }

  /** The configuration was reloaded while a worker was starting. One that cannot apply it starts again, with it. */
  async #catchUp({ process }: Slot): Promise<void> {
    try {
      await process?.call('apply', APPLY_TIMEOUT_MS, [this.#config]);
    } catch (fault) {
      process?.close();
      throw fault;
    }
  }

  /** Asks any worker that is ready, and another one where it does not answer. */
  async #ask<M extends keyof WorkerMethods>(
    method: M,
    parameters: Parameters<WorkerMethods[M]>,
  ): Promise<WorkerAnswer<M>> {
    let why: GatewayFault = new DependencyFault('store_unavailable', 'no worker is ready');
    for (const { number, process } of this.#slots.filter(({ isReady }) => isReady)) {
      try {
        if (process !== null) return await process.call(method, ASK_TIMEOUT_MS, parameters);
      } catch (fault) {
        // Any other is the answer.
        if (!(fault instanceof GatewayFault) || fault.reason !== 'bug') throw fault;
        this.#dependencies.log.warn({ worker: number, method, fault: errorFields(fault) }, 'worker did not answer');
        why = fault;
      }
    }
    throw why;
  }

  /** Asks every worker that is ready. Leaves out those that fail, do not answer in time, or exit before all have answered. */
  #askAll<M extends keyof WorkerMethods>(
    method: M,
    parameters: Parameters<WorkerMethods[M]>,
  ): Promise<ReadonlyMap<number, WorkerAnswer<M>>> {
    return this.#fromAll(method, (process) => process.call(method, ASK_TIMEOUT_MS, parameters));
  }

  /** Like `#askAll`, for questions that take several calls each. @param method  for the log */
  async #fromAll<T>(
    method: keyof WorkerMethods,
    question: (process: WorkerProcess) => Promise<T>,
  ): Promise<ReadonlyMap<number, T>> {
    const answers = new Map<Slot, { readonly process: WorkerProcess; readonly answer: T }>();
    const ask = async (slot: Slot, process: WorkerProcess) => {
      try {
        answers.set(slot, { process, answer: await question(process) });
      } catch (fault) {
        const { log } = this.#dependencies;
        log.warn({ worker: slot.number, method, fault: errorFields(fault) }, 'worker did not answer');
      }
    };
    const ready = this.#slots.filter(({ isReady }) => isReady);
    await Promise.all(ready.map((slot) => (slot.process === null ? null : ask(slot, slot.process))));
    const alive = [...answers].filter(([slot, { process }]) => slot.process === process);
    return new Map(alive.map(([{ number }, { answer }]) => [number, answer]));
  }
}

/** All metrics of a worker. */
async function allMetrics(process: WorkerProcess): Promise<ProcessMetrics> {
  const metrics = new ProcessMetrics();
  for (let isFirst = true; ; isFirst = false) {
    const { parts, areLast } = await process.call('nextMetrics', ASK_TIMEOUT_MS, [isFirst]);
    for (const part of parts) metrics.add(part);
    if (areLast) return metrics;
  }
}

const newestFirst = (requests: readonly RecentRequest[]) =>
  requests.toSorted((one, other) => other.time.localeCompare(one.time));

const nameOf = ({ number }: Pick<Slot, 'number'>) => `worker ${number}`;

/** One component per name: the first that failed and counts, else the first that failed, else the first. */
function worstOfEach(components: readonly ComponentHealth[]): ComponentHealth[] {
  const named = Map.groupBy(components, ({ name }) => name);
  return [...named.values()].map((same) => same.reduce((one, other) => (badness(other) > badness(one) ? other : one)));
}

const badness = ({ isOk, isRequired }: ComponentHealth) => (isOk ? 0 : isRequired ? 2 : 1);
