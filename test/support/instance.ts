/**
 * A whole instance in the test's own process: a configuration file that can be rewritten, the gateway, its admin
 * listener.
 */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { ExplainThreads } from '../../src/cli/explain/on-thread.ts';
import { readConfigText } from '../../src/config/load.ts';
import { type LoadedConfig, loadConfig } from '../../src/gateway/configuration/load.ts';
import { type Clocks, systemClocks } from '../../src/lib/clock.ts';
import { Instance } from '../../src/process/instance.ts';
import { type ReadInstance, type ReadResult, readFiles } from '../../src/process/read.ts';
import { AuditLog, auditOn } from '../../src/telemetry/audit.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { MetricRegistry } from '../../src/telemetry/registry.ts';
import { CapturedLog, type GatewayOptions, testConfig } from './gateway.ts';

export const ADMIN_TOKEN = 'an-admin-token-that-is-long-enough-for-tests';

export interface InstanceTestOptions extends GatewayOptions {
  /** Reload when the file changes. */
  readonly isWatched?: boolean;
  /** Changes the file after it was read and before anything starts. */
  readonly afterReading?: (file: ConfigFileFixture) => void;
  /** Leave `listeners.admin.tokenFile` out. */
  readonly hasNoToken?: boolean;
  /** Files beside the configuration, by name. */
  readonly files?: Readonly<Record<string, string>>;
}

/** The configuration file of an instance. */
export class ConfigFileFixture implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'sallyport-config-'));
  readonly path: string = join(this.directory, 'sallyport.yaml');
  readonly #clocks: Clocks;

  /** @param clocks  those of the instance, which compares the times at which it reads a file */
  constructor(clocks: Clocks = systemClocks) {
    this.#clocks = clocks;
  }

  /** Writes it, with the defaults of the gateway fixture. */
  write(options: InstanceTestOptions): void {
    for (const [name, text] of Object.entries(options.files ?? {})) this.text(name, text);
    const config = testConfig(options) as { listeners: { admin: Record<string, unknown> } };
    if (options.hasNoToken !== true) {
      config.listeners.admin['tokenFile'] = this.text('admin.token', `${ADMIN_TOKEN}\n`);
    }
    writeFileSync(this.path, stringify(config));
  }

  /** Writes another file beside it, and returns its path. */
  text(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** Reads it, with the files beside it. */
  async load(inUse: LoadedConfig['config'] | null = null): Promise<ReadResult> {
    const options = { path: this.path, cwd: this.directory, env: {} };
    return readFiles(loadConfig(readConfigText(this.path), options), this.#clocks, inUse);
  }

  /** Reads it, and throws if it is invalid. */
  async loadToRun(): Promise<ReadInstance> {
    const { loaded, problems } = await this.load();
    if (loaded === null) throw new Error(problems.map(({ message }) => message).join('\n'));
    return loaded;
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

export class TestInstance implements AsyncDisposable {
  readonly instance: Instance;
  readonly file: ConfigFileFixture;
  readonly log: CapturedLog;
  readonly audit: CapturedLog;
  readonly metrics: MetricRegistry;

  constructor(
    instance: Instance,
    file: ConfigFileFixture,
    log: CapturedLog,
    audit: CapturedLog,
    metrics: MetricRegistry,
  ) {
    this.instance = instance;
    this.file = file;
    this.log = log;
    this.audit = audit;
    this.metrics = metrics;
  }

  get port(): number {
    return this.instance.addresses.public.port;
  }

  get adminPort(): number {
    return this.instance.addresses.admin.port;
  }

  /** Asks the admin listener, with the token. */
  admin(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, ...(init.headers as Record<string, string>) };
    return fetch(`http://127.0.0.1:${this.adminPort}${path}`, { ...init, headers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.instance.close();
    this.file[Symbol.dispose]();
  }
}

/** Starts an instance in this process. */
export async function startInstance(options: InstanceTestOptions & { clocks?: Clocks } = {}): Promise<TestInstance> {
  using opened = new DisposableStack();
  const file = opened.use(new ConfigFileFixture(options.clocks));
  file.write(options);
  const log = new CapturedLog();
  const audit = new CapturedLog();
  const metrics = new MetricRegistry();
  const loaded = await file.loadToRun();
  options.afterReading?.(file);
  const explaining = new ExplainThreads();
  const instance = await Instance.start(
    {
      loaded,
      load: (inUse) => file.load(inUse),
      build: { version: 'test', revision: 'unknown' },
      explain: (question, config) => explaining.answer(question, config, { error: () => {} }),
      watchedFile: options.isWatched === true ? file.path : null,
      onHopeless: () => {},
    },
    {
      clocks: options.clocks ?? systemClocks,
      lines: log,
      log: createLog('debug', log),
      audit: new AuditLog(options.auditOutput ?? auditOn(audit), (options.clocks ?? systemClocks).wallMs),
      metrics,
    },
  );
  opened.move();
  return new TestInstance(instance, file, log, audit, metrics);
}
