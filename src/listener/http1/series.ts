/** What is counted of connections and certificates. */

import { CONFIGURED, type MetricRegistry } from '../../telemetry/registry.ts';
import { CONNECTION_CUTS, CONNECTION_REFUSALS } from '../listener.ts';
import type { TlsCertificates, TlsListener } from './tls.ts';

/** The metrics of the listeners. */
export class ListenerSeries {
  /** Open connections of clients. */
  readonly connections;
  readonly connectionsRefused;
  readonly connectionsCut;
  readonly certificateWatchErrors;
  readonly #certificateExpiry;
  readonly #certificateStart;
  readonly #certificatesLastRead;
  readonly #certificates = new Map<
    TlsListener,
    { readonly certificates: Pick<TlsCertificates, 'pairs'>; readonly areReadable: () => boolean }
  >();

  constructor(registry: MetricRegistry) {
    this.connections = registry.readGauge('open_connections', 'Open connections of clients.', {});
    this.connectionsRefused = registry.counter(
      'connections_refused_total',
      'Connections closed before a request: over the limit, or after a failed TLS handshake.',
      { reason: CONNECTION_REFUSALS },
    );
    this.connectionsCut = registry.counter(
      'connections_cut_total',
      'Connections cut because their clients were too slow: idle with bytes that begin no request, or reading too slowly.',
      { reason: CONNECTION_CUTS },
    );
    this.#certificateExpiry = registry.readGauge(
      'tls_certificate_expiry_timestamp_seconds',
      'When a certificate expires: of the public listener by its position in the configuration, of another one behind its name; none without TLS.',
      { certificate: CONFIGURED },
      'min',
    );
    this.#certificateStart = registry.readGauge(
      'tls_certificate_not_before_timestamp_seconds',
      'From when a certificate is valid. Same label as the expiry; the difference is its lifetime.',
      { certificate: CONFIGURED },
      'min',
    );
    this.#certificatesLastRead = registry.readGauge(
      'tls_certificates_last_read_successful',
      '1 when every certificate file could be used when it was last read, and none has expired; else the last good one is in use. None without TLS.',
      {},
      'min',
    );
    this.#certificatesLastRead.readFrom(() => []);
    this.certificateWatchErrors = registry.counter(
      'tls_certificates_watch_errors_total',
      'Times that the directory of a certificate file could not be watched; it is polled until it can.',
    );
  }

  /**
   * Reads the ends of a listener's certificates from these from now on.
   *
   * @param areReadable  whether every certificate file could be used when it was last read
   */
  readFrom(listener: TlsListener, certificates: Pick<TlsCertificates, 'pairs'>, areReadable: () => boolean): void {
    this.#certificates.set(listener, { certificates, areReadable });
    const all = [...this.#certificates];
    this.#certificatesLastRead.readFrom(() => Number(all.every(([, it]) => it.areReadable())));
    const timesOf = (time: 'expiresAtMs' | 'validFromMs') =>
      all.flatMap(([name, it]) => {
        const prefix = name === 'public' ? '' : `${name}.`;
        return it.certificates.pairs.map(
          (pair) => [{ certificate: `${prefix}${pair.index}` }, pair[time] / 1_000] as const,
        );
      });
    this.#certificateExpiry.readFrom(() => timesOf('expiresAtMs'));
    this.#certificateStart.readFrom(() => timesOf('validFromMs'));
  }
}
