/**
 * A worker process: a gateway that the primary directs. It ignores signals, because a terminal or a supervisor may send
 * them to all processes at once and the primary coordinates the shutdown.
 */

import { ANSWERED_BY } from '../../admin/control.ts';
import { type FileContents, readingRemembered, rememberedFiles } from '../../config/files/remembered-files.ts';
import { ConfigFault } from '../../errors.ts';
import { readConfig } from '../../gateway/configuration/contents.ts';
import type { Config } from '../../gateway/configuration/schema.ts';
import { LocalControl } from '../../gateway/control.ts';
import { Gateway, type GatewayDependencies, type Started } from '../../gateway/gateway.ts';
import { errorFields } from '../../telemetry/log.ts';
import type { MetricPart } from '../../telemetry/metric-parts.ts';
import { someMetrics } from './merge-metrics.ts';
import {
  type Call,
  type CallAnswer,
  isCall,
  type KnownToOthers,
  type SomeMetrics,
  type WorkerLife,
  writeFault,
} from './messages.ts';

/** Opens the dependencies of a gateway in this process. */
type OpenDependencies = (config: Config) => Promise<GatewayDependencies>;

/** Serves the primary. Resolves when the primary has asked it to end and everything is closed. */
export function runWorker(open: OpenDependencies): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  const worker = new GatewayWorker(open);
  return new Promise((resolve) => {
    process.on('message', (message) => {
      if (!isCall(message)) return;
      void replyTo(message, worker).then((reply) => {
        process.send?.(reply, () => {
          if (message.method === 'drain') resolve();
        });
      });
    });
  });
}

async function replyTo({ id, method, parameters }: Call, worker: GatewayWorker): Promise<CallAnswer> {
  try {
    const target: object = Object.hasOwn(ANSWERED_BY, method) ? worker.control : worker;
    const operation = target[method as never] as (...parameters: readonly unknown[]) => Promise<unknown>;
    return { sallyport: 'reply', id, value: await operation.apply(target, [...parameters]) };
  } catch (thrown) {
    return { sallyport: 'reply', id, fault: writeFault(thrown) };
  }
}

class GatewayWorker implements WorkerLife {
  readonly #open: OpenDependencies;
  /** The scrape under way. */
  #scrape: AsyncGenerator<MetricPart> | null = null;
  #running: {
    readonly gateway: Gateway;
    readonly control: LocalControl;
    readonly dependencies: GatewayDependencies;
  } | null = null;

  constructor(open: OpenDependencies) {
    this.#open = open;
  }

  async start(
    config: Config,
    ticketKeys: Buffer,
    sharing: 'alone' | 'shared',
    { files, wasReady }: KnownToOthers,
  ): Promise<Started> {
    const dependencies = await this.#open(config);
    // Buffers arrive from the primary as plain Uint8Arrays.
    const shared = { ticketKeys: Buffer.from(ticketKeys), sharing };
    const gateway = await openWith(files, config, { ...dependencies, ...shared });
    const started = await gateway.listen();
    this.#running = { gateway, control: new LocalControl(gateway, dependencies.metrics, wasReady), dependencies };
    return started;
  }

  async apply(config: Config): Promise<readonly string[]> {
    const { gateway, dependencies } = this.#started;
    return gateway.apply(await readConfig(config, dependencies.clocks, gateway.config));
  }

  async nextMetrics(isFirst: boolean): Promise<SomeMetrics> {
    if (isFirst || this.#scrape === null) this.#scrape = this.#started.dependencies.metrics.parts();
    return someMetrics(this.#scrape);
  }

  async files(): Promise<FileContents> {
    return rememberedFiles();
  }

  async drain(): Promise<void> {
    await this.#running?.gateway.drain();
  }

  /** @throws Error before `start` has succeeded */
  get control(): LocalControl {
    return this.#started.control;
  }

  get #started() {
    if (this.#running === null) throw new Error('the worker has not started');
    return this.#running;
  }
}

/** Opens a gateway from the files of its configuration; if they have become unusable, from what the others have read. */
async function openWith(files: FileContents, config: Config, dependencies: GatewayDependencies): Promise<Gateway> {
  const { clocks, log } = dependencies;
  const read = await readConfig(config, clocks).catch((fault: unknown) => {
    if (!(fault instanceof ConfigFault)) throw fault;
    log.error(
      { fault: errorFields(fault) },
      'files of the configuration cannot be used; starting with what was read before',
    );
    return null;
  });
  if (read !== null) return Gateway.open(read, dependencies);
  return readingRemembered(files, async () => Gateway.open(await readConfig(config, clocks), dependencies));
}
