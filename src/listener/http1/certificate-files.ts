/**
 * The certificates of a listener and the watch on their files: a replaced file is picked up, and one that cannot be used
 * leaves the previous certificate in place, which the log, the metrics and the answer to a reload report.
 */

import { isDeepStrictEqual } from 'node:util';
import { type FileWatch, watchFiles } from '../../config/watch.ts';
import { fileWatchReports } from '../../telemetry/file-watch.ts';
import { errorFields, type Logger } from '../../telemetry/log.ts';
import type { TlsConfig } from './section.ts';
import type { ListenerSeries } from './series.ts';
import type { CertificatePair, TlsCertificates } from './tls.ts';

/** Certificates that were read and are not in use yet. */
export interface LoadedCertificates {
  readonly config: TlsConfig;
  readonly pairs: readonly CertificatePair[];
}

/** Keeps certificates in step with their files until it is closed. */
export class CertificateFiles {
  readonly certificates: TlsCertificates;
  readonly #log: Logger;
  readonly #series: ListenerSeries;
  #config: TlsConfig;
  #watch: FileWatch;

  /** @param certificates  opened from this configuration */
  constructor(certificates: TlsCertificates, config: TlsConfig, log: Logger, series: ListenerSeries) {
    this.certificates = certificates;
    this.#config = config;
    this.#log = log;
    this.#series = series;
    series.readFrom(certificates);
    this.#watch = this.#follow();
  }

  /**
   * Reads the certificates of another configuration without putting them in use.
   *
   * @param config  `undefined` when it has no TLS any more, which takes a restart
   * @returns `null` when it names no other files than before
   * @throws ConfigFault when a file cannot be used
   */
  load(config: TlsConfig | undefined): LoadedCertificates | null {
    if (config === undefined || isDeepStrictEqual(config.certificates, this.#config.certificates)) return null;
    return { config, pairs: this.certificates.load(config) };
  }

  /**
   * Puts in use what {@link load} has returned; reads the files again when they are no others.
   *
   * @returns what stays as it was, one line each: files named as before that cannot be used any more
   */
  use(loaded: LoadedCertificates | null): readonly string[] {
    if (loaded === null) return this.#reload();
    this.#config = loaded.config;
    this.certificates.use(loaded.config, loaded.pairs);
    this.#watch.close();
    this.#watch = this.#follow();
    return [];
  }

  /** Ends the watch. The certificates stay in use. */
  close(): void {
    this.#watch.close();
  }

  #follow(): FileWatch {
    this.#series.certificatesLastReadSuccessful.set(1);
    return watchFiles(this.certificates.files, {
      onChange: () => void this.#reload(),
      ...fileWatchReports('certificates', this.#log, this.#series.certificateWatchErrors),
    });
  }

  #reload(): readonly string[] {
    const faults = this.certificates.reload();
    this.#series.certificatesLastReadSuccessful.set(faults.length === 0 ? 1 : 0);
    for (const fault of faults) {
      this.#log.error({ fault: errorFields(fault) }, 'certificate reload failed; keeping the previous one');
    }
    if (faults.length === 0) this.#log.info('certificates reloaded');
    return faults.map(({ message }) => `${message}; the previous certificate stays in use`);
  }
}
