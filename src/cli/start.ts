import cluster from 'node:cluster';
import { resolve } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import type { ComponentHealth } from '../admin/control.ts';
import { ConfigFault } from '../errors.ts';
import type { GatewayDependencies } from '../gateway/gateway.ts';
import type { LoadedConfig } from '../gateway/load.ts';
import { counted } from '../lib/counted.ts';
import type { ListenerAddress } from '../listener/listener.ts';
import type { Instance } from '../process/instance.ts';
import type { ReadInstance } from '../process/read.ts';
import type { ReadAgain } from '../process/read-again.ts';
import type { LossReports } from '../telemetry/line-blocks.ts';
import type { Logger } from '../telemetry/log.ts';
import type { LogConfig } from '../telemetry/section.ts';
import { type CliIo, defineCommand, EXIT, type ExitCode } from './command.ts';
import { CONFIG_OPTION, checkWithContents, configPath, JSON_OPTION, loadToRun } from './configuration.ts';

/** `sallyport start`. */
export const start = defineCommand({
  name: 'start',
  summary: 'Run the gateway',
  description: [
    'Prints one line when the gateway is ready; logs are JSON lines on standard output. The gateway reloads its configuration when the file changes, on SIGHUP, and on POST /-/reload of the admin listener. An invalid configuration changes nothing.',
    'SIGTERM or SIGINT shuts the gateway down gracefully, within shutdown.delay and shutdown.timeout; a second signal ends it at once.',
  ],
  options: {
    config: CONFIG_OPTION,
    json: { ...JSON_OPTION, description: 'Report readiness as a JSON log line, even on a terminal.' },
  },
  examples: [
    ['sallyport start', 'With sallyport.yaml'],
    ['sallyport start --config /etc/sallyport/sallyport.yaml', 'In a container'],
  ],
  exit: {
    ok: 'shut down gracefully',
    failed: 'the configuration is not valid, something cannot be opened, or the gateway can no longer serve requests',
  },
  async run({ options, io }) {
    // Node would open a debugger on it, to which everybody on this machine could connect. `--inspect` opens one still.
    process.on('SIGUSR1', () => {});
    stayReadyWhenIdle();
    // A worker is this program with these arguments; its configuration comes from the primary.
    if (cluster.isWorker) return runAsWorker(io);
    const path = configPath(options.config, io);
    const isForPeople = !options.json && io.stdout.isTTY === true;
    try {
      const loaded = isForPeople ? await loadToRun(path, io) : await loadInLines(path, io);
      return await runGateway(path, loaded, io, isForPeople);
    } catch (thrown) {
      if (!isForPeople) await logFailedStart(thrown);
      // With its output in a file, the terminal is on standard error.
      if (isForPeople || io.stderr.isTTY === true) throw thrown;
      return EXIT.failed;
    }
  },
});

/**
 * Keeps V8 from shrinking its heap after some idle seconds. It would drop code compiled for kinds of objects that do not
 * exist just then, and slow the first requests of the next burst (docs/adr/0012-compiled-code-outlives-idleness.md).
 */
function stayReadyWhenIdle(): void {
  setFlagsFromString('--memory-reducer-gc-count=0');
  setFlagsFromString('--lazy-new-space-shrinking');
}

/**
 * Runs the gateway from its loaded configuration to its end.
 *
 * @param isForPeople  report readiness in plain text, not as a log line
 * @throws ConfigFault with one clear message when something cannot be opened
 */
async function runGateway(path: string, loaded: ReadInstance, io: CliIo, isForPeople: boolean): Promise<ExitCode> {
  const { flushLogs } = await import('../telemetry/log.ts');
  const { Instance } = await import('../process/instance.ts');
  const { logWarnings } = await import('../process/reload.ts');
  const { revisionOf, VERSION } = await import('../version.ts');
  const signals = endSignals();
  const reloads = new ReloadSignal();
  const hopeless = Promise.withResolvers<'hopeless'>();
  try {
    const dependencies = await openDependencies(loaded.config, io);
    const { log, lines } = dependencies;
    logWarnings(loaded, log);
    const starting = Instance.start(
      {
        loaded,
        load: (inUse) => loadAgain(path, io, inUse),
        build: { version: VERSION, revision: revisionOf(io.env) },
        watchedFile: path === '-' ? null : resolve(io.cwd, path),
        onHopeless: () => hopeless.resolve('hopeless'),
      },
      dependencies,
    );
    const instance = await Promise.race([starting, signals.next()]);
    if (typeof instance === 'string') {
      log.info({ signal: instance }, 'stopped by a signal before it was ready');
      return EXIT.ok;
    }
    const { text, fields } = await readiness(instance, loaded, io);
    if (isForPeople) io.stdout.write(`sallyport ${VERSION} ${text}\n`);
    else log['notReady' in fields ? 'warn' : 'info']({ version: VERSION, ...fields }, text);
    lines.flush();
    reloads.pass(() => void instance.reloader.reload());
    return await untilEnd(instance, signals, hopeless.promise, dependencies);
  } finally {
    signals.stop();
    reloads.stop();
    await flushLogs();
    endSoon();
  }
}

/** Writes why the gateway cannot start as a line of its log, with one text for each mistake. */
async function logFailedStart(thrown: unknown): Promise<void> {
  const { createLog, errorFields, flushLogs, standardOutput } = await import('../telemetry/log.ts');
  const log = createLog('info', standardOutput());
  if (thrown instanceof ConfigFault) log.fatal({ problems: thrown.message.split('\n') }, 'cannot start');
  else log.fatal({ fault: errorFields(thrown) }, 'cannot start');
  await flushLogs();
}

/** Runs as one of several workers. */
async function runAsWorker(io: CliIo): Promise<ExitCode> {
  const { flushLogs } = await import('../telemetry/log.ts');
  const { runWorker } = await import('../process/workers/worker.ts');
  await runWorker((config) => openDependencies(config, io));
  await flushLogs();
  endSoon();
  process.disconnect?.();
  return EXIT.ok;
}

async function openDependencies(config: { readonly log: LogConfig }, { clocks }: CliIo) {
  const { createLog, lossReports, standardOutput } = await import('../telemetry/log.ts');
  const { MetricRegistry } = await import('../telemetry/registry.ts');
  const { collectNodeMetrics } = await import('../telemetry/node-metrics.ts');
  const { LogSeries } = await import('../telemetry/series.ts');
  const { AuditLog, auditOn } = await import('../telemetry/audit.ts');
  const lines = standardOutput();
  const log = createLog(config.log.level, lines);
  endOnBug(log);
  const metrics = new MetricRegistry();
  collectNodeMetrics(metrics);
  const { linesLost } = new LogSeries(metrics);
  const reportsOf = (output: 'stdout' | 'audit_file', name: string) =>
    lossReports(name, log, { inc: (count) => linesLost.inc({ output }, count) });
  lines.reports = reportsOf('stdout', 'standard output');
  const { auditFile } = config.log;
  const records =
    auditFile === undefined
      ? auditOn(lines)
      : await openAuditFile(auditFile, log, reportsOf('audit_file', 'audit file'));
  return { clocks, lines, log, audit: new AuditLog(records, clocks.wallMs), metrics } satisfies GatewayDependencies;
}

/** An uncaught exception ends the process, but only after it, and everything logged before it, has been written. */
function endOnBug(log: Logger): void {
  process.once('uncaughtException', (error: unknown) => {
    const { name, message, stack = '' } = error instanceof Error ? error : new Error('non-error thrown');
    const frames = stack.split('\n').filter((line) => /^ +at /.test(line));
    log.fatal(
      { fault: { error: name, message, at: frames.slice(0, 8).map((line) => line.trim()) } },
      'uncaught exception, a bug in the gateway: the process ends',
    );
    void import('../telemetry/log.ts').then(({ flushLogs }) => flushLogs()).finally(() => process.exit(EXIT.failed));
  });
}

/** Everything should be closed by now; a handle that is still open does not keep the process running. */
function endSoon(): void {
  setTimeout(() => process.exit(), 500).unref();
}

/** Waits for a signal, then drains; a second signal ends the process at once. */
async function untilEnd(
  instance: Instance,
  signals: EndSignals,
  hopeless: Promise<'hopeless'>,
  { log, lines, clocks }: Awaited<ReturnType<typeof openDependencies>>,
): Promise<ExitCode> {
  const signal = await Promise.race([signals.next(), hopeless]);
  const beganMs = clocks.monotonicMs();
  const afterMs = () => Math.round(clocks.monotonicMs() - beganMs);
  if (signal === 'hopeless') {
    log.fatal('workers keep failing to start: the process ends');
    await instance.close();
    return EXIT.failed;
  }
  const { delay: delayMs, timeout: timeoutMs } = instance.reloader.inUse.config.shutdown;
  log.info({ signal, delayMs, timeoutMs }, 'shutting down');
  const second = await Promise.race([instance.drain(), signals.next()]);
  if (typeof second !== 'string') {
    log.info({ afterMs: afterMs() }, 'stopped');
    return EXIT.ok;
  }
  log.warn({ signal: second, afterMs: afterMs() }, 'stopped by a second signal; requests in progress were cut');
  setTimeout(() => process.exit(EXIT.failed), CUT_GRACE_MS).unref();
  lines.flush();
  await instance.close();
  return EXIT.failed;
}

/** Time for connections to close before the process ends anyway. */
const CUT_GRACE_MS = 500;

/** SIGHUP, which would end a process that does not listen for it. One that arrives before the start is complete waits. */
class ReloadSignal {
  #reload: (() => void) | null = null;
  #isWaiting = false;

  constructor() {
    process.on('SIGHUP', this.#onSignal);
  }

  /** From now on each signal reloads. */
  pass(reload: () => void): void {
    this.#reload = reload;
    if (this.#isWaiting) reload();
  }

  stop(): void {
    process.off('SIGHUP', this.#onSignal);
  }

  readonly #onSignal = (): void => {
    if (this.#reload === null) this.#isWaiting = true;
    else this.#reload();
  };
}

interface EndSignals {
  next(): Promise<NodeJS.Signals>;
  stop(): void;
}

/** SIGTERM and SIGINT, in the order in which they arrive. */
function endSignals(): EndSignals {
  let next = Promise.withResolvers<NodeJS.Signals>();
  const onSignal = (signal: NodeJS.Signals) => {
    const { resolve: signalled } = next;
    next = Promise.withResolvers<NodeJS.Signals>();
    signalled(signal);
  };
  process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
  return {
    next: () => next.promise,
    stop: () => void process.off('SIGTERM', onSignal).off('SIGINT', onSignal),
  };
}

async function loadAgain(path: string, io: CliIo, inUse: LoadedConfig['config']): Promise<ReadAgain> {
  if (path === '-') throw new ConfigFault('the configuration came from standard input and cannot be read again');
  const { readConfigText } = await import('../config/load.ts');
  const { readAgain } = await import('../process/read-again.ts');
  const text = readConfigText(resolve(io.cwd, path), path);
  return readAgain({ text, options: { path, cwd: io.cwd, env: { ...io.env } } }, io.clocks, inUse);
}

/** @throws ConfigFault with one line for each mistake, without the lines of the file */
async function loadInLines(path: string, io: CliIo): Promise<ReadInstance> {
  const { errorLines } = await import('../config/render.ts');
  const result = await checkWithContents(path, io);
  if (result.loaded === null) throw new ConfigFault(errorLines(result).join('\n'));
  return result.loaded;
}

async function openAuditFile(file: string, log: Logger, reports: LossReports) {
  const { AuditFile } = await import('../telemetry/audit-file.ts');
  try {
    return new AuditFile(file, log, reports);
  } catch (cause) {
    throw new ConfigFault(`log.auditFile: ${file} cannot be opened`, { cause });
  }
}

/** What is reported once everything is open. */
async function readiness(instance: Instance, { config, hash, warnings }: LoadedConfig, io: CliIo) {
  const { addresses, uses } = instance;
  const { scheme } = addresses.public;
  const places = Object.entries(addresses).map(([name, at]) => [name, urlOf(at as ListenerAddress)] as const);
  const afterMs = Math.round(io.clocks.monotonicMs() - io.startedAtMs);
  const troubles = (await instance.troubles()).map(inWords);
  const fields = {
    origins: config.publicOrigin,
    ...Object.fromEntries(places),
    routes: config.routes.length,
    ...uses,
    config: hash,
    warnings: warnings.length,
    ...(troubles.length === 0 ? { readyAfterMs: afterMs } : { startedAfterMs: afterMs, notReady: troubles }),
  };
  // Only the origin is served: a bare address would get 421.
  const by = config.publicOrigin.every((origin) => origin.startsWith(`${scheme}:`)) ? '' : ` by ${scheme}`;
  const state =
    troubles.length === 0
      ? `is ready after ${afterMs} ms:`
      : `started after ${afterMs} ms, not ready: ${troubles.join(', ')};`;
  const text = [
    `${state} ${config.publicOrigin.join(' and ')} (on ${place(addresses.public)}${by})`,
    ...places.filter(([name]) => name !== 'public').map(([name, url]) => `${name} ${url}`),
    counted(fields.routes, 'route'),
    `store ${fields.store}`,
    fields.signing,
    `configuration ${hash}`,
    counted(warnings.length, 'warning'),
  ].join(', ');
  return { text, fields };
}

/** `host:port` of a listener; an IPv6 address in brackets. */
const place = ({ address, port }: ListenerAddress) =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

const urlOf = (at: ListenerAddress) => `${at.scheme}://${place(at)}`;

/** A component that does not work, in words. */
const inWords = ({ name, detail }: ComponentHealth) =>
  name === 'store' ? `the session store ${detail}` : `${name}: ${detail}`;
