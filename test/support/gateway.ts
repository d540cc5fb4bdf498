/**
 * A whole gateway in the test's own process: a configuration as plain data, real sockets on free ports, and access to
 * everything that it logs.
 */

import { readConfig } from '../../src/gateway/configuration/contents.ts';
import { type Config, configSchema } from '../../src/gateway/configuration/schema.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { type Clocks, systemClocks } from '../../src/lib/clock.ts';
import type { ListenerAddresses } from '../../src/listener/listener.ts';
import type { UserAttributes } from '../../src/store/session-record.ts';
import { AuditLog, type AuditOutput, auditOn } from '../../src/telemetry/audit.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';

export const PUBLIC_ORIGIN = 'https://shop.example.com';
export const HOST = 'Host: shop.example.com';

type Written = Record<string, unknown>;

export interface GatewayOptions {
  /** Top-level keys of the configuration, which override the defaults of the fixture. */
  readonly config?: Written;
  /** Origin of the upstream `app`, which every route uses unless it says otherwise. */
  readonly upstream?: string;
  readonly routes?: readonly Written[];
  readonly clocks?: Clocks;
  /** Keys for TLS session tickets, as processes behind one address share them. */
  readonly ticketKeys?: Buffer;
  /** Where audit records go, instead of the captured log. */
  readonly auditOutput?: AuditOutput;
}

/** Lines written to a log stream. */
export class CapturedLog {
  text = '';
  write(line: string): void {
    this.text += line;
  }
  get records(): Record<string, unknown>[] {
    return this.text.trim() === ''
      ? []
      : this.text
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Record<string, unknown>);
  }
}

export class TestGateway implements AsyncDisposable {
  readonly gateway: Gateway;
  readonly addresses: ListenerAddresses;
  readonly log: CapturedLog;
  readonly audit: CapturedLog;
  readonly metrics: MetricRegistry;

  constructor(
    gateway: Gateway,
    addresses: ListenerAddresses,
    log: CapturedLog,
    audit: CapturedLog,
    metrics: MetricRegistry,
  ) {
    this.gateway = gateway;
    this.addresses = addresses;
    this.log = log;
    this.audit = audit;
    this.metrics = metrics;
  }

  /** Port of the public listener. */
  get port(): number {
    return this.addresses.public.port;
  }

  /** Port of a configured listener. */
  portOf(listener: string): number {
    const address = this.addresses[listener];
    if (address === undefined) throw new Error(`no listener ${listener}`);
    return address.port;
  }

  /** Opens a session without logging in, and returns its cookie as a Cookie header line. */
  async cookie(subject = 'bob', user: UserAttributes = { roles: ['customer'] }): Promise<string> {
    return `Cookie: __Host-sid=${await this.sessionId(subject, user)}`;
  }

  /** Opens a session without logging in, and returns its id. */
  async sessionId(subject = 'bob', user: UserAttributes = { roles: ['customer'] }): Promise<string> {
    const { sessionId } = await this.gateway.sessions.open({ subject, user, method: 'password', device: 'test' });
    return sessionId;
  }

  /** Applies another configuration, as a reload does. */
  async apply(config: Config): Promise<void> {
    const { longLived, config: inUse } = this.gateway;
    await this.gateway.apply(await readConfig(config, longLived.clocks, inUse));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.close();
  }
}

/** A valid configuration with the given routes. */
export function testConfig({ config = {}, upstream = 'http://127.0.0.1:9', routes }: GatewayOptions): Written {
  return {
    version: 1,
    publicOrigin: PUBLIC_ORIGIN,
    listeners: { public: { address: '127.0.0.1:0' }, admin: { address: '127.0.0.1:0' } },
    upstreams: { app: { endpoints: [upstream] } },
    routes: (routes ?? [{ id: 'app', match: { path: '/' }, credential: 'session' }]).map((route) => ({
      upstream: 'app',
      ...route,
    })),
    ...config,
    ...('store' in config && { store: patient(config['store']) }),
  };
}

/**
 * A store with long timeouts, since a busy machine delays Redis as well. A test of a Redis that does not answer sets its
 * own timeouts.
 */
function patient(store: unknown): unknown {
  const { redis } = Object(store) as { redis?: unknown };
  return Object(redis) === redis
    ? { redis: { connectTimeout: '10s', commandTimeout: '10s', ...(redis as object) } }
    : store;
}

/** For a Redis that stops answering: short enough not to delay a test, long enough for a busy machine to answer. */
export const SOON_UNANSWERED = { commandTimeout: '3s' };

/** Created once: that takes longer than the start of a gateway. */
const schema = configSchema({ baseDir: process.cwd(), fileProblem: () => null });

/** The parsed {@link testConfig}. Files are assumed to exist. */
export const parseTestConfig = (options: GatewayOptions): Config => schema.parse(testConfig(options));

/** Starts a gateway. Dispose of it with `await using`. */
export async function startGateway(options: GatewayOptions = {}): Promise<TestGateway> {
  const clocks = options.clocks ?? systemClocks;
  const config = await readConfig(parseTestConfig(options), clocks);
  const log = new CapturedLog();
  const audit = new CapturedLog();
  const metrics = new MetricRegistry();
  const gateway = await Gateway.open(config, {
    clocks,
    lines: log,
    log: createLog('debug', log),
    audit: new AuditLog(options.auditOutput ?? auditOn(audit), (options.clocks ?? systemClocks).wallMs),
    metrics,
    ...(options.ticketKeys && { ticketKeys: options.ticketKeys }),
  });
  const { addresses } = await gateway.listen();
  return new TestGateway(gateway, addresses, log, audit, metrics);
}
