/**
 * A worker process: a gateway that does what the primary says. Signals are the primary's to hear: a terminal or a
 * supervisor may send them to all processes at once.
 */

import type { Health, SessionSummary, TokenRevocationReport, TokenRevocationRequest } from '../../admin/control.ts';
import type { Config } from '../../config/schema.ts';
import { Gateway, type GatewayDependencies } from '../../gateway/gateway.ts';
import { LocalControl } from '../../gateway/local-control.ts';
import type { AuditSource } from '../../telemetry/audit.ts';
import type { Metrics } from '../../telemetry/metrics.ts';
import { type Call, isCall, type Reply, writeFault } from './messages.ts';
import type { MetricsSnapshot, SharedSecrets, StartedWorker, WorkerMethods } from './methods.ts';

/** Opens what a process gives its gateway, as a configuration says. */
export type OpenDependencies = (config: Config) => Promise<GatewayDependencies>;

/** Serves the primary. Resolves when it has said to end, and everything has ended. */
export function runWorker(open: OpenDependencies): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
  const worker = new GatewayWorker(open);
  return new Promise((resolve) => {
    process.on('message', (message) => {
      if (!isCall(message)) return;
      void replyTo(message, worker).then((reply) => {
        process.send?.(reply, () => {
          if (message.method === 'shutdown') resolve();
        });
      });
    });
  });
}

async function replyTo({ id, method, parameters }: Call, worker: GatewayWorker): Promise<Reply> {
  try {
    const call = worker[method] as (...given: unknown[]) => Promise<unknown>;
    return { sallyport: 'reply', id, value: await call.apply(worker, [...parameters]) };
  } catch (thrown) {
    return { sallyport: 'reply', id, fault: writeFault(thrown) };
  }
}

class GatewayWorker implements WorkerMethods {
  readonly #open: OpenDependencies;
  #gateway: Gateway | null = null;
  #control: LocalControl | null = null;
  #metrics: Metrics | null = null;

  constructor(open: OpenDependencies) {
    this.#open = open;
  }

  async start(config: Config, { ticketKeys }: SharedSecrets): Promise<StartedWorker> {
    const dependencies = await this.#open(config);
    // What has crossed between processes is plain bytes.
    const gateway = await Gateway.open(config, { ...dependencies, ticketKeys: Buffer.from(ticketKeys) });
    const { address, port } = await gateway.listen();
    this.#gateway = gateway;
    this.#metrics = dependencies.metrics;
    this.#control = new LocalControl(gateway, dependencies.metrics);
    return {
      public: { address, port },
      redirect: gateway.redirectAddress,
      outbound: gateway.outboundAddress,
      store: gateway.store.description,
      signing: gateway.signingKeys.description,
    };
  }

  async apply(config: Config): Promise<readonly string[]> {
    return started(this.#gateway).apply(config);
  }

  async metrics(): Promise<MetricsSnapshot> {
    await started(this.#gateway).collect();
    return (await started(this.#metrics).registry.getMetricsAsJSON()) as MetricsSnapshot;
  }

  async shutdown(): Promise<void> {
    await this.#gateway?.shutdown();
  }

  async health(withUpstreams: boolean): Promise<Health> {
    return started(this.#control).health(withUpstreams);
  }

  async jwks(): Promise<unknown> {
    return started(this.#control).jwks();
  }

  async sessionsOf(subject: string): Promise<readonly SessionSummary[]> {
    return started(this.#control).sessionsOf(subject);
  }

  async revokeSession(handle: string, source: AuditSource): Promise<SessionSummary | null> {
    return started(this.#control).revokeSession(handle, source);
  }

  async revokeSessionsOf(subject: string, source: AuditSource): Promise<readonly string[]> {
    return started(this.#control).revokeSessionsOf(subject, source);
  }

  async revokeTokens(request: TokenRevocationRequest, source: AuditSource): Promise<TokenRevocationReport> {
    return started(this.#control).revokeTokens(request, source);
  }
}

function started<T>(part: T | null): T {
  if (part === null) throw new Error('the worker has not started');
  return part;
}
