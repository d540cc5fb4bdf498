/**
 * process: what `sallyport start` runs. A gateway in this process, or several in worker processes; the admin listener; the
 * reloader. Takes a loaded configuration and the dependencies of the process; neither reads arguments nor exits.
 *
 * A step of the start that fails closes the steps before it. Ending is bounded in time: `drain` lets requests finish,
 * `close` cuts them.
 */

import { availableParallelism } from 'node:os';
import { AdminListener } from '../admin/admin-listener.ts';
import type { ApplyResult, ComponentHealth, GatewayControl } from '../admin/control.ts';
import type { Build, ExplainAnswer, ExplainQuestion } from '../admin/request.ts';
import type { ReadConfig } from '../gateway/configuration/contents.ts';
import type { Config } from '../gateway/configuration/schema.ts';
import { LocalControl } from '../gateway/control.ts';
import { Gateway, type GatewayDependencies, type Started } from '../gateway/gateway.ts';
import type { ListenerAddress, ListenerAddresses } from '../listener/listener.ts';
import { isShared } from '../store/kinds.ts';
import type { ReadInstance } from './read.ts';
import { Reloader, type ReloaderParts } from './reload.ts';
import { ProcessSeries, type WorkerSeries } from './series.ts';
import { WorkerPool } from './workers/pool.ts';

interface InstanceOptions {
  readonly loaded: ReadInstance;
  readonly load: ReloaderParts['load'];
  readonly build: Build;
  /** Answers a question of the admin page by this configuration. Never rejects. */
  readonly explain: (question: ExplainQuestion, config: Config) => Promise<ExplainAnswer>;
  /** The configuration file to watch; `null` when there is none (standard input). */
  readonly watchedFile: string | null;
  /** Called when workers keep failing to start. The process should exit with an error. */
  readonly onHopeless: () => void;
}

interface InstanceAddresses extends ListenerAddresses {
  readonly admin: ListenerAddress;
}

/** The gateway of an instance, or its workers. */
interface Serving {
  readonly control: GatewayControl;
  listen(): Promise<Started>;
  apply(read: ReadConfig): Promise<readonly ApplyResult[]>;
  /** Ends gracefully, in a bounded time. */
  drain(): Promise<void>;
  /** Ends at once. */
  close(): Promise<void>;
}

/** A running gateway with its admin listener and its reloader. */
export class Instance {
  readonly addresses: InstanceAddresses;
  /** Describes the store and the signing keys. */
  readonly uses: Pick<Started, 'store' | 'signing'>;
  readonly reloader: Reloader;
  readonly #serving: Serving;
  readonly #admin: AdminListener;
  #draining: Promise<void> | null = null;

  private constructor(
    serving: Serving,
    admin: AdminListener,
    reloader: Reloader,
    addresses: InstanceAddresses,
    uses: Instance['uses'],
  ) {
    this.#serving = serving;
    this.#admin = admin;
    this.reloader = reloader;
    this.addresses = addresses;
    this.uses = uses;
  }

  /**
   * Starts everything. When a step fails, the steps before it are closed.
   *
   * @throws ConfigFault with one clear message when something fails to open
   */
  static async start(options: InstanceOptions, dependencies: GatewayDependencies): Promise<Instance> {
    const { loaded, load, build, explain, watchedFile, onHopeless } = options;
    const { config } = loaded;
    const { log, clocks } = dependencies;
    const series = new ProcessSeries(dependencies.metrics, build);
    await using started = new AsyncDisposableStack();
    const serving = started.adopt(await openServing(loaded, dependencies, series.workers, onHopeless), (it) =>
      it.close(),
    );
    const apply = (next: ReadConfig) => serving.apply(next);
    const reloader = new Reloader({ initial: loaded, load, apply, log, series: series.reload, clocks });
    started.defer(() => reloader.close());
    const parts = {
      control: serving.control,
      reloader,
      explain: (question: ExplainQuestion) => explain(question, reloader.inUse.config),
      problemTypeBase: () => reloader.inUse.config.problemTypeBase,
      build,
      clocks,
      log,
      series: series.admin,
    };
    const admin = started.adopt(new AdminListener(config.listeners.admin, loaded.adminToken, parts), (it) =>
      it.close(),
    );
    const adminAddress = await admin.listen();
    const { addresses, ...uses } = await serving.listen();
    if (watchedFile !== null) reloader.watch(watchedFile);
    started.move();
    return new Instance(serving, admin, reloader, { ...addresses, admin: adminAddress }, uses);
  }

  /** The components that currently fail readiness. */
  async troubles(): Promise<readonly ComponentHealth[]> {
    const { components } = await this.#serving.control.health(false);
    return components.filter(({ isOk, isRequired }) => isRequired && !isOk);
  }

  /** The gateway when it runs in this process; `null` with workers. For tests. */
  get localGateway(): Gateway | null {
    return this.#serving instanceof LocalServing ? this.#serving.gateway : null;
  }

  /** Lets requests finish, in a bounded time, and closes everything. Later calls wait for the first one. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  /** Closes everything at once and cuts requests in progress. */
  async close(): Promise<void> {
    this.reloader.close();
    await this.#serving.close();
    this.#admin.close();
  }

  async #drain(): Promise<void> {
    this.reloader.close();
    await this.#serving.drain();
    this.#admin.close();
  }
}

/** The number of processes that serve. The embedded store lives in one process, so it gets one. */
function workerCount({ workers, store }: Config): number {
  if (!isShared(store)) return 1;
  return workers === 'auto' ? availableParallelism() : workers;
}

async function openServing(
  read: ReadConfig,
  dependencies: GatewayDependencies,
  series: WorkerSeries,
  onHopeless: () => void,
): Promise<Serving> {
  const { config } = read;
  const count = workerCount(config);
  if (count > 1) return new WorkerPool(config, count, dependencies, series, onHopeless);
  return new LocalServing(await Gateway.open(read, dependencies), dependencies);
}

/** One gateway, in this process. */
class LocalServing implements Serving {
  readonly control: GatewayControl;
  readonly gateway: Gateway;

  constructor(gateway: Gateway, { metrics }: GatewayDependencies) {
    this.gateway = gateway;
    this.control = new LocalControl(gateway, metrics);
  }

  listen(): Promise<Started> {
    return this.gateway.listen();
  }

  async apply(read: ReadConfig): Promise<readonly ApplyResult[]> {
    return [{ process: 'gateway', problem: null, kept: await this.gateway.apply(read) }];
  }

  drain(): Promise<void> {
    return this.gateway.drain();
  }

  close(): Promise<void> {
    return this.gateway.close();
  }
}
