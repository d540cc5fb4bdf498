/** Runs a gateway in this process, from its loaded configuration to its end: what `start` and `dev` have in common. */

import { resolve } from 'node:path';
import type { ComponentHealth } from '../../admin/control.ts';
import { ConfigFault } from '../../errors.ts';
import type { LoadedConfig } from '../../gateway/configuration/load.ts';
import type { GatewayDependencies } from '../../gateway/gateway.ts';
import { counted } from '../../lib/text/counted.ts';
import type { ListenerAddress } from '../../listener/listener.ts';
import type { Instance } from '../../process/instance.ts';
import type { ReadInstance } from '../../process/read.ts';
import type { ReadAgain } from '../../process/read-again.ts';
import type { LineBlocks, LossReports } from '../../telemetry/line-blocks.ts';
import type { LineStream, Logger } from '../../telemetry/log.ts';
import type { LogConfig } from '../../telemetry/section.ts';
import { type CliIo, EXIT, type ExitCode } from '../command.ts';

/** What differs between the commands that run a gateway. */
interface Running {
  /** Says that it is ready. Default: a line of the log. */
  readonly onReady?: (text: string) => void;
  /** Puts something between the log and standard output, or between the pipeline and the upstreams. Default: nothing. */
  readonly watching?: Watching;
}

/** Watches what a gateway logs and forwards. */
export interface Watching extends Pick<GatewayDependencies, 'outletOf'> {
  /** Takes the lines in place of the log. */
  readonly linesTo: (output: LineBlocks) => LineStream;
}

/**
 * Runs the gateway from its loaded configuration to its end.
 *
 * @param path  of the configuration, which is watched; `-` for one that cannot be read again
 * @throws ConfigFault with one clear message when something cannot be opened
 */
export async function runGateway(
  path: string,
  loaded: ReadInstance,
  io: CliIo,
  { onReady, watching }: Running,
): Promise<ExitCode> {
  const { flushLogs } = await import('../../telemetry/log.ts');
  const { Instance } = await import('../../process/instance.ts');
  const { logWarnings } = await import('../../process/reload.ts');
  const { ExplainThreads } = await import('../explain/on-thread.ts');
  const { revisionOf, VERSION } = await import('../../version.ts');
  const signals = endSignals();
  const reloads = new ReloadSignal();
  const hopeless = Promise.withResolvers<'hopeless'>();
  try {
    const dependencies = await openDependencies(loaded.config, io, watching);
    const { log, output } = dependencies;
    logWarnings(loaded, log);
    const explaining = new ExplainThreads();
    const starting = Instance.start(
      {
        loaded,
        load: (inUse) => loadAgain(path, io, inUse),
        build: { version: VERSION, revision: revisionOf(io.env) },
        explain: (question, config) => explaining.answer(question, config, log),
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
    if (onReady !== undefined) onReady(`sallyport ${VERSION} ${text}`);
    else log['notReady' in fields ? 'warn' : 'info']({ version: VERSION, ...fields }, text);
    output.flush();
    reloads.pass(() => void instance.reloader.reload());
    return await untilEnd(instance, signals, hopeless.promise, dependencies);
  } finally {
    signals.stop();
    reloads.stop();
    await flushLogs();
    endSoon();
  }
}

/** Opens what a process gives its gateway. */
export async function openDependencies(config: { readonly log: LogConfig }, { clocks }: CliIo, watching?: Watching) {
  const { createLog, lossReports, standardOutput } = await import('../../telemetry/log.ts');
  const { MetricRegistry } = await import('../../telemetry/registry.ts');
  const { collectNodeMetrics } = await import('../../telemetry/node-metrics.ts');
  const { LogSeries } = await import('../../telemetry/series.ts');
  const { AuditLog, auditOn } = await import('../../telemetry/audit.ts');
  const output = standardOutput();
  const lines = watching?.linesTo(output) ?? output;
  const log = createLog(config.log.level, lines);
  endOnBug(log);
  const metrics = new MetricRegistry();
  collectNodeMetrics(metrics);
  const { linesLost } = new LogSeries(metrics);
  const reportsOf = (output: 'stdout' | 'audit_file', name: string) =>
    lossReports(name, log, { inc: (count) => linesLost.inc({ output }, count) });
  output.reports = reportsOf('stdout', 'standard output');
  const { auditFile } = config.log;
  const records =
    auditFile === undefined
      ? auditOn(lines)
      : await openAuditFile(auditFile, log, reportsOf('audit_file', 'audit file'));
  const audit = new AuditLog(records, clocks.wallMs);
  const outletOf = watching?.outletOf;
  return { clocks, output, lines, log, audit, metrics, ...(outletOf && { outletOf }) } satisfies GatewayDependencies & {
    output: LineBlocks;
  };
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
    void import('../../telemetry/log.ts').then(({ flushLogs }) => flushLogs()).finally(() => process.exit(EXIT.failed));
  });
}

/** Everything should be closed by now; a handle that is still open does not keep the process running. */
export function endSoon(): void {
  setTimeout(() => process.exit(), 500).unref();
}

/** Waits for a signal, then drains; a second signal ends the process at once. */
async function untilEnd(
  instance: Instance,
  signals: EndSignals,
  hopeless: Promise<'hopeless'>,
  { log, output, clocks }: Awaited<ReturnType<typeof openDependencies>>,
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
  output.flush();
  await instance.close();
  return EXIT.failed;
}

/** Time for connections to close before the process ends anyway. */
const CUT_GRACE_MS = 500;

/** SIGHUP, which would end a process without a handler. One that arrives during the start is handled afterwards. */
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
  const { readConfigText } = await import('../../config/load.ts');
  const { readAgain } = await import('../../process/read-again.ts');
  const text = readConfigText(resolve(io.cwd, path), path);
  return readAgain({ text, options: { path, cwd: io.cwd, env: { ...io.env } } }, io.clocks, inUse);
}

async function openAuditFile(file: string, log: Logger, reports: LossReports) {
  const { AuditFile } = await import('../../telemetry/audit-file.ts');
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
