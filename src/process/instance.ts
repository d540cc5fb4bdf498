/**
 * What `sallyport start` runs: a gateway in this process, or several in worker processes; beside it the admin listener;
 * and what reads the configuration again.
 */

import type { AddressInfo } from 'node:net';
import { availableParallelism } from 'node:os';
import { AdminListener } from '../admin/admin-listener.ts';
import type { ApplyResult, ComponentHealth, GatewayControl } from '../admin/control.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { Gateway, type GatewayDependencies } from '../gateway/gateway.ts';
import { LocalControl } from '../gateway/local-control.ts';
import { newTicketKeys } from '../listener/http1/tls.ts';
import { Reloader } from './reload.ts';
import type { StartedWorker } from './workers/methods.ts';
import { WorkerPool } from './workers/pool.ts';

export interface InstanceOptions {
  readonly loaded: LoadedConfig;
  /**
   * Reads the configuration again.
   *
   * @throws ConfigFault with every mistake
   */
  readonly load: () => Promise<LoadedConfig>;
  /** Every mistake in it and in the files that it names, one line each. */
  readonly mistakes: () => Promise<readonly string[]>;
  /** The configuration file, which is then watched; `null` when it cannot be. */
  readonly watchedFile: string | null;
  /** Nothing can be served any more, and waiting does not help: the process has to end, and to say so. */
  readonly onHopeless: () => void;
}

/** Where an instance listens. */
export interface InstanceAddresses {
  readonly public: Pick<AddressInfo, 'address' | 'port'>;
  readonly redirect: Pick<AddressInfo, 'address' | 'port'> | null;
  readonly outbound: Pick<AddressInfo, 'address' | 'port'> | null;
  readonly admin: Pick<AddressInfo, 'address' | 'port'>;
}

/** The gateway or gateways of an instance. */
interface Serving extends GatewayControl {
  listen(): Promise<StartedWorker>;
  apply(config: Config): Promise<readonly ApplyResult[]>;
  shutdown(): Promise<void>;
  /** Ends at once. */
  kill(): Promise<void>;
}

export class Instance {
  readonly addresses: InstanceAddresses;
  /** What it keeps sessions in and signs with, in words. */
  readonly uses: Pick<StartedWorker, 'store' | 'signing'>;
  readonly reloader: Reloader;
  readonly #serving: Serving;
  readonly #admin: AdminListener;
  #end: Promise<void> | null = null;

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
   * Starts everything. When a step fails, what was started before is ended again.
   *
   * @throws ConfigFault with one clear message when something cannot be opened
   */
  static async start(options: InstanceOptions, dependencies: GatewayDependencies): Promise<Instance> {
    const { loaded, load, mistakes, watchedFile, onHopeless } = options;
    const { config } = loaded;
    const { log, metrics, clocks } = dependencies;
    await using started = new AsyncDisposableStack();
    const serving = started.adopt(await openServing(config, dependencies, onHopeless), (it) => it.kill());
    const apply = (next: LoadedConfig) => serving.apply(next.config);
    const reloader = new Reloader({ initial: loaded, load, mistakes, apply, log, metrics, clocks });
    started.defer(() => reloader.close());
    const parts = { control: serving, reloader, log };
    const admin = started.adopt(new AdminListener(config.listeners.admin, parts), (it) => it.close());
    const adminAddress = await admin.listen();
    const { store, signing, ...addresses } = await serving.listen();
    if (watchedFile !== null) reloader.watch(watchedFile);
    started.move();
    return new Instance(serving, admin, reloader, { ...addresses, admin: adminAddress }, { store, signing });
  }

  /** What does not work at the moment, so that it is not ready. */
  async troubles(): Promise<readonly ComponentHealth[]> {
    const { components } = await this.#serving.health(false);
    return components.filter(({ isOk }) => !isOk);
  }

  /** The gateway, where it is in this process. */
  get localGateway(): Gateway | null {
    return this.#serving instanceof LocalServing ? this.#serving.gateway : null;
  }

  /** Ends in order, in a bounded time. Later calls wait for the same end. */
  shutdown(): Promise<void> {
    this.#end ??= this.#shutDown();
    return this.#end;
  }

  /** Ends at once: what is under way is cut. */
  async close(): Promise<void> {
    this.reloader.close();
    await this.#serving.kill();
    this.#admin.close();
  }

  async #shutDown(): Promise<void> {
    this.reloader.close();
    await this.#serving.shutdown();
    this.#admin.close();
  }
}

/** How many processes a configuration asks for. The embedded store is in one process, so it is served by one. */
function workerCount({ workers, store }: Config): number {
  if (store.redis === undefined) return 1;
  return workers === 'auto' ? availableParallelism() : workers;
}

async function openServing(
  config: Config,
  dependencies: GatewayDependencies,
  onHopeless: () => void,
): Promise<Serving> {
  const count = workerCount(config);
  if (count > 1) return new WorkerPool(config, count, dependencies, { ticketKeys: newTicketKeys() }, onHopeless);
  return new LocalServing(await Gateway.open(config, dependencies), dependencies);
}

/** One gateway, in this process. */
class LocalServing extends LocalControl implements Serving {
  readonly gateway: Gateway;

  constructor(gateway: Gateway, { metrics }: GatewayDependencies) {
    super(gateway, metrics);
    this.gateway = gateway;
  }

  async listen(): Promise<StartedWorker> {
    const { gateway } = this;
    const address = await gateway.listen();
    return {
      public: address,
      redirect: gateway.redirectAddress,
      outbound: gateway.outboundAddress,
      store: gateway.store.description,
      signing: gateway.signingKeys.description,
    };
  }

  async apply(config: Config): Promise<readonly ApplyResult[]> {
    return [{ process: 'gateway', problem: null, kept: await this.gateway.apply(config) }];
  }

  shutdown(): Promise<void> {
    return this.gateway.shutdown();
  }

  kill(): Promise<void> {
    return this.gateway.close();
  }
}
