/**
 * Reloads the configuration when the admin API, SIGHUP or a changed file asks for it, one reload at a time. A configuration
 * with a mistake changes nothing; the log, the report and the metrics say so.
 */

import { setImmediate } from 'node:timers/promises';
import type { ApplyResult, ConfigurationReport, PastReload, ReloadControl, ReloadReport } from '../admin/control.ts';
import { FileWatch } from '../config/files/watch.ts';
import { errorLines } from '../config/render.ts';
import { keysThatNeedRestart } from '../config/restart.ts';
import { ConfigFault } from '../errors.ts';
import type { LoadedConfig } from '../gateway/configuration/load.ts';
import type { Clocks } from '../lib/clock.ts';
import { toTimestamp } from '../lib/text/timestamp.ts';
import { fileWatchReports } from '../telemetry/file-watch.ts';
import { errorFields, type Logger } from '../telemetry/log.ts';
import type { ReadInstance } from './read.ts';
import type { ReadAgain } from './read-again.ts';
import type { ReloadSeries } from './series.ts';

/** What a reloader works with. */
export interface ReloaderParts {
  /** The configuration that the gateway was started with. */
  readonly initial: ReadInstance;
  /**
   * Reads the configuration and its files again.
   *
   * @param inUse  the configuration that is in use
   * @throws ConfigFault when the configuration file cannot be read
   */
  readonly load: (inUse: LoadedConfig['config']) => Promise<ReadAgain>;
  /**
   * Applies a configuration in every process that serves.
   *
   * @throws ConfigFault when no process has applied it
   */
  readonly apply: (read: ReadInstance) => Promise<readonly ApplyResult[]>;
  readonly log: Logger;
  readonly series: ReloadSeries;
  readonly clocks: Clocks;
  /** How long until a configuration that could not be applied is tried again. Default: 30 s. */
  readonly retryMs?: number;
}

const RETRY_MS = 30_000;
/** How many reloads are remembered, and how many lines of each list of one. */
const REMEMBERED_RELOADS = 10;
const REMEMBERED_LINES = 20;

/** Logs the warnings about a configuration that is put in use. */
export function logWarnings({ warnings }: LoadedConfig, log: Logger): void {
  for (const { code, line, column, message } of warnings) log.warn({ code, line, column }, message);
}

/** Holds the configuration in use and replaces it. */
export class Reloader implements ReloadControl {
  readonly #parts: ReloaderParts;
  #inUse: ReadInstance;
  #loadedAtMs: number;
  #isClosed = false;
  #needRestart: readonly string[] = [];
  #last: Promise<unknown> = Promise.resolve();
  /** The reload that waits for the one under way. */
  #waiting: Promise<ReloadReport> | null = null;
  /** The newest first. */
  #reloads: readonly PastReload[] = [];
  #watch: FileWatch | null = null;
  #configFile: string | null = null;
  #retry: NodeJS.Timeout | null = null;

  constructor(parts: ReloaderParts) {
    this.#parts = parts;
    this.#inUse = parts.initial;
    this.#loadedAtMs = parts.clocks.wallMs();
    this.#publish();
  }

  /** The configuration in use. */
  get inUse(): LoadedConfig {
    return this.#inUse;
  }

  /**
   * Reloads from now on whenever the contents of this file, or of one that the configuration names, change. After a
   * rejected reload that is the configuration that was rejected: a file that it misses may appear later.
   */
  watch(configFile: string): void {
    this.#watch?.close();
    this.#configFile = configFile;
    const { log, series } = this.#parts;
    const events = {
      onChange: () => void this.reload(),
      ...fileWatchReports('configuration', log, series.watchErrors),
    };
    this.#watch = new FileWatch([configFile, ...this.#inUse.watched], events, this.#inUse.seen);
  }

  /** Stops watching files. */
  close(): void {
    this.#isClosed = true;
    this.#watch?.close();
    this.#watch = null;
    clearTimeout(this.#retry ?? undefined);
  }

  /** A reload that waits has read nothing yet, so all requests that come meanwhile share it. */
  reload(): Promise<ReloadReport> {
    if (this.#waiting !== null) return this.#waiting;
    const reload = this.#last.then(() => {
      this.#waiting = null;
      return this.#reload();
    });
    this.#waiting = reload.then((report) => this.#remember(report));
    this.#last = this.#waiting;
    return this.#waiting;
  }

  report(): ConfigurationReport {
    return {
      hash: this.#inUse.hash,
      loadedAt: toTimestamp(this.#loadedAtMs),
      needRestart: this.#needRestart,
      config: this.#inUse.effective,
    };
  }

  history(): ReturnType<ReloadControl['history']> {
    const warnings = this.#inUse.warnings.map(({ code, line, column, message }) => ({ code, line, column, message }));
    return { reloads: this.#reloads, warnings };
  }

  #remember(report: ReloadReport): ReloadReport {
    const past: PastReload = {
      ...report,
      at: toTimestamp(this.#parts.clocks.wallMs()),
      problems: firstLines(report.problems),
      kept: firstLines(report.kept),
      needRestart: firstLines(report.needRestart),
    };
    this.#reloads = [past, ...this.#reloads].slice(0, REMEMBERED_RELOADS);
    return report;
  }

  async #reload(): Promise<ReloadReport> {
    clearTimeout(this.#retry ?? undefined);
    try {
      const read = await this.#parts.load(this.#inUse.config);
      const { loaded } = read;
      // After a rejection, too: a missing file may appear.
      if (this.#configFile !== null)
        this.#watch?.follow([this.#configFile, ...(loaded?.watched ?? read.files)], loaded?.seen);
      return loaded === null ? this.#rejected([], new ConfigFault(errorLines(read).join('\n'))) : this.#apply(loaded);
    } catch (fault) {
      return this.#rejected([], fault);
    }
  }

  async #apply(loaded: ReadInstance): Promise<ReloadReport> {
    const { apply, clocks } = this.#parts;
    let results: readonly ApplyResult[] = [];
    try {
      results = await apply(loaded);
      if (results.every(({ problem }) => problem !== null)) return this.#notApplied(results, null);
      this.#inUse = loaded;
      this.#loadedAtMs = clocks.wallMs();
      // Requests that arrived meanwhile come first.
      await setImmediate();
      const { initial } = this.#parts;
      this.#needRestart = keysThatNeedRestart(initial.restartKeys, initial.config, loaded.config);
    } catch (fault) {
      return this.#notApplied(results, fault);
    }
    return results.some(({ problem }) => problem !== null) ? this.#notApplied(results, null) : this.#applied(results);
  }

  #applied(results: readonly ApplyResult[]): ReloadReport {
    const { log, series } = this.#parts;
    const { hash } = this.#inUse;
    series.reloads.inc({ result: 'applied' });
    this.#publish();
    logWarnings(this.#inUse, log);
    const needRestart = this.#needRestart.length > 0 ? { needRestart: this.#needRestart } : {};
    const kept = keptBy(results);
    if (kept.length === 0) log.info({ hash, ...needRestart }, 'configuration reloaded');
    else log.warn({ hash, ...needRestart, kept }, 'configuration reloaded; previous contents of unusable files kept');
    return { result: 'applied', hash, problems: [], needRestart: this.#needRestart, kept, results };
  }

  /** The configuration is valid, but not every process could apply it. That may be temporary, so it is tried again. */
  #notApplied(results: readonly ApplyResult[], fault: unknown): ReloadReport {
    const { retryMs = RETRY_MS } = this.#parts;
    if (!this.#isClosed) this.#retry = setTimeout(() => void this.reload(), retryMs).unref();
    return this.#rejected(results, fault);
  }

  #rejected(results: readonly ApplyResult[], fault: unknown): ReloadReport {
    const { log, series } = this.#parts;
    const { hash } = this.#inUse;
    const problems = problemsOf(results, fault);
    series.reloads.inc({ result: 'rejected' });
    series.lastSuccessful.set(0);
    const cause = fault === null || fault instanceof ConfigFault ? {} : { fault: errorFields(fault) };
    log.error({ hash, problems, ...cause }, 'reload rejected; keeping the configuration in use');
    return { result: 'rejected', hash, problems, needRestart: this.#needRestart, kept: keptBy(results), results };
  }

  #publish(): void {
    const { series } = this.#parts;
    series.lastSuccessful.set(1);
    series.lastSuccessTimestamp.set(this.#loadedAtMs / 1_000);
    series.info.reset();
    series.info.set({ hash: this.#inUse.hash }, 1);
  }
}

function firstLines(lines: readonly string[]): readonly string[] {
  const more = lines.length - REMEMBERED_LINES;
  return more > 0 ? [...lines.slice(0, REMEMBERED_LINES), `and ${more} more`] : lines;
}

function problemsOf(results: readonly ApplyResult[], fault: unknown): readonly string[] {
  if (fault instanceof ConfigFault) return fault.message.split('\n');
  if (fault !== null) return ['the configuration could not be applied: see the log'];
  return results.flatMap(({ process, problem }) => (problem === null ? [] : [`${process}: ${problem}`]));
}

/** The unusable files of all processes, each once. */
const keptBy = (results: readonly ApplyResult[]): string[] => [...new Set(results.flatMap(({ kept }) => kept))];
