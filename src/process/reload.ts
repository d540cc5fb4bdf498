/**
 * Reloads the configuration when the admin API, SIGHUP or a changed file asks for it, one reload at a time. A configuration
 * with a mistake changes nothing; the log, the report and the metrics say so.
 */

import type { ApplyResult, ConfigurationReport, ReloadControl, ReloadReport } from '../admin/control.ts';
import { type FileWatch, watchFiles } from '../config/watch.ts';
import { ConfigFault } from '../errors.ts';
import { changesThatNeedRestart, type LoadedConfig } from '../gateway/load.ts';
import type { Clocks } from '../lib/clock.ts';
import { toTimestamp } from '../lib/timestamp.ts';
import { fileWatchReports } from '../telemetry/file-watch.ts';
import { errorFields, type Logger } from '../telemetry/log.ts';
import type { ReadInstance } from './read.ts';
import type { ReloadSeries } from './series.ts';

/** What a reloader works with. */
export interface ReloaderParts {
  /** The configuration that the gateway was started with. */
  readonly initial: ReadInstance;
  /**
   * Reads the configuration and its files again.
   *
   * @param inUse  the configuration that is in use
   * @throws ConfigFault with every mistake, one line each
   */
  readonly load: (inUse: LoadedConfig['config']) => Promise<ReadInstance>;
  /**
   * Applies a configuration in every process that serves.
   *
   * @throws ConfigFault when no process has applied it
   */
  readonly apply: (read: ReadInstance) => Promise<readonly ApplyResult[]>;
  readonly log: Logger;
  readonly series: ReloadSeries;
  readonly clocks: Clocks;
}

/** Holds the configuration in use and replaces it. */
export class Reloader implements ReloadControl {
  readonly #parts: ReloaderParts;
  #inUse: LoadedConfig;
  #loadedAtMs: number;
  #needRestart: readonly string[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #watch: FileWatch | null = null;

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

  /** Reloads from now on whenever the contents of this file, or of one that the configuration names, change. */
  watch(configFile: string): void {
    const files = () => [configFile, ...namedFiles(this.#inUse.config)];
    this.#watch?.close();
    const watch = watchFiles(files(), {
      onChange: () => void this.reload().then(() => this.#watch === watch && watch.follow(files())),
      ...fileWatchReports('configuration', this.#parts.log, this.#parts.series.watchErrors),
    });
    this.#watch = watch;
  }

  /** Stops watching files. */
  close(): void {
    this.#watch?.close();
    this.#watch = null;
  }

  reload(): Promise<ReloadReport> {
    const reload = this.#last.then(() => this.#reload());
    this.#last = reload;
    return reload;
  }

  report(): ConfigurationReport {
    return {
      hash: this.#inUse.hash,
      loadedAt: toTimestamp(this.#loadedAtMs),
      needRestart: this.#needRestart,
      config: this.#inUse.effective,
    };
  }

  async #reload(): Promise<ReloadReport> {
    const { load, apply, clocks } = this.#parts;
    let results: readonly ApplyResult[] = [];
    try {
      const loaded = await load(this.#inUse.config);
      results = await apply(loaded);
      if (results.every(({ problem }) => problem !== null)) return this.#rejected(results, null);
      this.#inUse = loaded;
      this.#loadedAtMs = clocks.wallMs();
      this.#needRestart = changesThatNeedRestart(this.#parts.initial.config, loaded.config);
    } catch (fault) {
      return this.#rejected(results, fault);
    }
    return results.some(({ problem }) => problem !== null) ? this.#rejected(results, null) : this.#applied(results);
  }

  #applied(results: readonly ApplyResult[]): ReloadReport {
    const { log, series } = this.#parts;
    const { hash } = this.#inUse;
    series.reloads.inc({ result: 'applied' });
    this.#publish();
    const needRestart = this.#needRestart.length > 0 ? { needRestart: this.#needRestart } : {};
    const kept = keptBy(results);
    if (kept.length === 0) log.info({ hash, ...needRestart }, 'configuration reloaded');
    else log.warn({ hash, ...needRestart, kept }, 'configuration reloaded; previous contents of unusable files kept');
    return { result: 'applied', hash, problems: [], needRestart: this.#needRestart, kept, results };
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

function problemsOf(results: readonly ApplyResult[], fault: unknown): readonly string[] {
  if (fault instanceof ConfigFault) return fault.message.split('\n');
  if (fault !== null) return ['the configuration could not be applied: see the log'];
  return results.flatMap(({ process, problem }) => (problem === null ? [] : [`${process}: ${problem}`]));
}

/** The unusable files of all processes, each once. */
const keptBy = (results: readonly ApplyResult[]): string[] => [...new Set(results.flatMap(({ kept }) => kept))];

/** Keys of files that are followed elsewhere, or that the gateway writes. */
const NOT_WATCHED = new Set(['usersFile', 'tokenFile', 'auditFile']);

/** The files that a configuration names, except for those that are followed without a reload. */
function namedFiles(config: LoadedConfig['config']): string[] {
  const { tls: _tls, ...listener } = config.listeners.public;
  return filesBelow({ ...config, listeners: { public: listener } });
}

function filesBelow(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    typeof member === 'string' && key.endsWith('File') && !NOT_WATCHED.has(key) ? [member] : filesBelow(member),
  );
}
