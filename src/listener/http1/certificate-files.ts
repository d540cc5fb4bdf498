/**
 * The certificates of a listener and the watch on their files: a replaced file is picked up, and one that cannot be used
 * leaves the previous certificate in place, which the log, the metrics and the answer to a reload report.
 */

import { isDeepStrictEqual } from 'node:util';
import { FileReader } from '../../config/files/named-files.ts';
import { FileWatch } from '../../config/files/watch.ts';
import type { ConfigFault } from '../../errors.ts';
import type { Clocks } from '../../lib/clock.ts';
import { fileWatchReports } from '../../telemetry/file-watch.ts';
import { errorFields, type Logger } from '../../telemetry/log.ts';
import type { TlsConfig } from '../section.ts';
import type { ListenerSeries } from '../series.ts';
import { readTls, TlsCertificates, type TlsFiles, type TlsListener } from './tls.ts';

/** Keeps certificates in step with their files until it is closed. */
export class CertificateFiles {
  readonly certificates: TlsCertificates;
  readonly #clocks: Clocks;
  readonly #listener: TlsListener;
  readonly #log: Logger;
  readonly #watch: FileWatch;
  #config: TlsConfig;
  /** What the last reading left as it was, one line each. */
  #kept: readonly string[] = [];
  /** When the certificates in use were read. */
  #readAtMs = Number.NEGATIVE_INFINITY;

  /**
   * @param files       all of which can be used
   * @param ticketKeys  see {@link TlsCertificates}
   */
  constructor(
    config: TlsConfig,
    files: TlsFiles,
    ticketKeys: Buffer | undefined,
    { clocks, log, series }: { readonly clocks: Clocks; readonly log: Logger; readonly series: ListenerSeries },
    listener: TlsListener = 'public',
  ) {
    const certificates = new TlsCertificates(config, files, ticketKeys);
    this.certificates = certificates;
    this.#clocks = clocks;
    this.#listener = listener;
    this.#config = config;
    this.#log = log;
    series.readFrom(
      listener,
      certificates,
      () => this.#kept.length === 0 && !certificates.pairs.some(({ expiresAtMs }) => expiresAtMs <= clocks.wallMs()),
    );
    const events = {
      onChange: () => void this.#readAgain(),
      ...fileWatchReports('certificates', log, series.certificateWatchErrors),
    };
    this.#watch = new FileWatch(certificates.files, events, files.seen);
  }

  /**
   * Applies what was read from the files of a configuration.
   *
   * @param faults  of the files that became unusable; the configuration names the same ones as before
   * @returns what stays as it was, one line each
   */
  use(config: TlsConfig, files: TlsFiles, faults: readonly ConfigFault[]): readonly string[] {
    // Files that have changed since then have been read again already.
    const isSame = isDeepStrictEqual(config.certificates, this.#config.certificates);
    if (isSame && files.readAtMs < this.#readAtMs) return this.#kept;
    this.#readAtMs = files.readAtMs;
    this.#config = config;
    this.certificates.use(config, files);
    this.#watch.follow(this.certificates.files, files.seen);
    this.#kept = faults.map(({ message }) => `${message}; the previous certificate stays in use`);
    for (const fault of faults) {
      this.#log.error({ fault: errorFields(fault) }, 'certificate reload failed; keeping the previous one');
    }
    for (const { index, isExpired } of this.certificates.pairs)
      if (isExpired) this.#log.warn({ certificate: index }, 'certificate has expired');
    if (faults.length === 0) this.#log.info('certificates reloaded');
    return this.#kept;
  }

  /** Ends the watch. The certificates stay in use. */
  close(): void {
    this.#watch.close();
  }

  async #readAgain(): Promise<void> {
    const config = this.#config;
    const reader = new FileReader(this.#clocks);
    const files = await readTls(config, reader, this.#listener);
    // A reload may have replaced the configuration, and its files, in the meantime.
    if (config === this.#config) this.use(config, files, reader.mistakes);
  }
}
