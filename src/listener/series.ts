/** What is counted of connections, of certificates, and of requests that wait for their turn. */

import { CONFIGURED, type MetricRegistry } from '../telemetry/registry.ts';
import type { TlsCertificates, TlsListener } from './http1/tls.ts';

/** Why a connection never carried a request: too many are open, or too many of its client, the TLS handshake failed, or the peer may not connect. */
const CONNECTION_REFUSALS = ['limit', 'client', 'tls', 'peer'] as const;
/** One of {@link CONNECTION_REFUSALS}. */
export type ConnectionRefusal = (typeof CONNECTION_REFUSALS)[number];

/**
 * Why a connection was cut: it was idle and only dripped, its client took nothing of its answer for too long or took it too
 * slowly, an answer waited for its client longer than a whole transfer may, or it flooded HTTP/2 with resets or control frames.
 * Over HTTP/2 a slow reader loses the request, and the connection stays open.
 */
const CONNECTION_CUTS = ['idle', 'stalled_reader', 'slow_reader', 'transfer', 'flood'] as const;
/** One of {@link CONNECTION_CUTS}. */
export type ConnectionCut = (typeof CONNECTION_CUTS)[number];

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

/** When a request is refused: as it comes, because those before it wait too long, or after it has waited too long. */
const SHED = ['early', 'late'] as const;

/** The metrics of the queue in front of the pipelines. */
export class QueueSeries {
  readonly shed;
  readonly #queued;

  constructor(registry: MetricRegistry) {
    this.shed = registry.counter(
      'requests_shed_total',
      'Requests refused because the process is overloaded: on arrival, or after waiting too long for their turn.',
      { when: SHED },
    );
    this.#queued = registry.readGauge('requests_queued', 'Requests that wait for their turn in the process.', {});
  }

  /** Reads the gauge from this queue from now on. */
  readFrom(queue: { readonly size: number }): void {
    this.#queued.readFrom(() => queue.size);
  }
}
