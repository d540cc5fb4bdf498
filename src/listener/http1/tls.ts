/**
 * TLS of the public listener: certificates from files, chosen by SNI, and read again when they are replaced.
 *
 * Inputs: the `tls` section of a listener. Outputs: options for the server and the contexts behind its SNI callback. At start a file that cannot be used is a ConfigFault; later the last good pair stays in use
 * and the fault is reported. Only TLS 1.2 and 1.3, and only `http/1.1` by ALPN: a client that offers nothing else gets
 * no connection.
 *
 * The certificate is chosen by SNI alone, and so is nothing else: versions and client certificates are the same for
 * every name, so that no name is a way around them (TLS-02).
 */

import { randomBytes, type X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Server as HttpsServer } from 'node:https';
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import { formatPath, type KeyPath } from '../../config/problem.ts';
import { ConfigFault } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { dnsNames, NOT_A_CERTIFICATE, pairProblem, readCertificates } from '../../lib/pem.ts';
import type { TlsConfig } from './section.ts';

type PairConfig = TlsConfig['certificates'][number];

/** One certificate and its key, as they are in use. */
export interface CertificatePair {
  /** Position in the configuration: the metric label. */
  readonly index: number;
  /** Lower-case names of the leaf, `*.` ones included. */
  readonly names: readonly string[];
  /** When the leaf expires; wall clock. */
  readonly expiresAtMs: number;
  readonly certificate: string;
  readonly key: string;
  readonly context: SecureContext;
}

const KEY = ['listeners', 'public', 'tls'] as const;

/** Keys for TLS session tickets. */
export const newTicketKeys = (): Buffer => randomBytes(48);

/** The certificates of one listener in use, and the TLS options that follow from them. */
export class TlsCertificates {
  readonly #wallMs: Clock;
  #ticketKeys: Buffer;
  #config: TlsConfig;
  #clientCa: string | null;
  #pairs: readonly CertificatePair[];
  #byName: ReadonlyMap<string, SecureContext>;
  #server: HttpsServer | null = null;

  /**
   * @param ticketKeys  with which sessions are written into tickets, so that they can be resumed
   * @throws ConfigFault when a file cannot be used: missing, not PEM, key of another certificate, expired
   */
  constructor(config: TlsConfig, wallMs: Clock, ticketKeys = newTicketKeys()) {
    this.#ticketKeys = ticketKeys;
    this.#config = config;
    this.#wallMs = wallMs;
    this.#clientCa = readClientCa(config);
    this.#pairs = this.load(config);
    this.#byName = contextsByName(this.#pairs);
  }

  /** The pairs in use, in the order of the configuration. */
  get pairs(): readonly CertificatePair[] {
    return this.#pairs;
  }

  /** Every file that was read, to be watched. */
  get files(): readonly string[] {
    const { certificates, clientCertificates } = this.#config;
    const files = certificates.flatMap(({ certFile, keyFile }) => [certFile, keyFile]);
    return clientCertificates === undefined ? files : [...files, clientCertificates.caFile];
  }

  /** Options for the server, which is then given to {@link attach}. */
  serverOptions(): TlsOptions & SecureContextOptions {
    return {
      ...this.#defaultContext(),
      ALPNProtocols: ['http/1.1'],
      SNICallback: (serverName, callback) => callback(null, this.contextFor(serverName)),
      ticketKeys: this.#ticketKeys,
      requestCert: this.#clientCa !== null,
      rejectUnauthorized: this.#config.clientCertificates?.mode === 'require',
    };
  }

  /** Sets the server whose default context, for clients that send no name, follows the files. */
  attach(server: HttpsServer): void {
    this.#server = server;
  }

  /**
   * The context for a server name: that of the exact name, else of its wildcard, else of the first certificate.
   *
   * @param serverName  as the client sent it: any case, perhaps with a trailing dot, perhaps nonsense
   */
  contextFor(serverName: string): SecureContext {
    const name = serverName.toLowerCase().replace(/\.$/, '');
    const exact = this.#byName.get(name);
    if (exact !== undefined) return exact;
    const dot = name.indexOf('.');
    const wildcard = dot > 0 ? this.#byName.get(`*${name.slice(dot)}`) : undefined;
    return wildcard ?? (this.#pairs[0] as CertificatePair).context;
  }

  /**
   * Reads the certificates of a configuration, all of them, without putting them in use.
   *
   * @throws ConfigFault when a file cannot be used
   */
  load(config: TlsConfig): readonly CertificatePair[] {
    return config.certificates.map((pair, index) => this.#load(pair, index));
  }

  /** Puts the certificates in use that {@link load} read from this configuration. */
  use(config: TlsConfig, pairs: readonly CertificatePair[]): void {
    this.#config = { ...this.#config, certificates: config.certificates };
    this.#pairs = pairs;
    this.#byName = contextsByName(pairs);
    this.#server?.setSecureContext({ ...this.#defaultContext(), ticketKeys: this.#ticketKeys } as SecureContextOptions);
  }

  /**
   * Reads the files again. A pair that cannot be used keeps its last good state; the others are put in use.
   *
   * @returns one fault for each pair that cannot be used
   */
  reload(): readonly ConfigFault[] {
    const faults: ConfigFault[] = [];
    try {
      const clientCa = readClientCa(this.#config);
      // A session that was resumed would still be that of a client whose CA has gone.
      if (clientCa !== this.#clientCa) this.#ticketKeys = newTicketKeys();
      this.#clientCa = clientCa;
    } catch (fault) {
      faults.push(asConfigFault(fault));
    }
    const pairs = this.#config.certificates.map((pair, index) => {
      try {
        return this.#load(pair, index);
      } catch (fault) {
        faults.push(asConfigFault(fault));
        const present = this.#pairs[index] as CertificatePair;
        return { ...present, context: this.#context(present.certificate, present.key) };
      }
    });
    this.use(this.#config, pairs);
    return faults;
  }

  #load(config: PairConfig, index: number): CertificatePair {
    const { leaf, certificate, key } = readPair(config, index, this.#wallMs);
    const context = parse(
      () => this.#context(certificate, key),
      [...KEY, 'certificates', index, 'certFile'],
      config.certFile,
      'has a chain that cannot be used',
    );
    return { index, names: dnsNames(leaf), expiresAtMs: leaf.validToDate.getTime(), certificate, key, context };
  }

  #context(cert: string, key: string): SecureContext {
    return createSecureContext(this.#contextOptions(cert, key));
  }

  /** Every context gets all of this: OpenSSL takes the CA for client certificates from the one that SNI has chosen. */
  #contextOptions(cert: string, key: string): SecureContextOptions {
    return {
      cert,
      key,
      minVersion: this.#config.minVersion,
      maxVersion: 'TLSv1.3',
      ...(this.#clientCa !== null && { ca: this.#clientCa }),
    };
  }

  #defaultContext(): SecureContextOptions {
    const { certificate, key } = this.#pairs[0] as CertificatePair;
    return this.#contextOptions(certificate, key);
  }
}

/** Whether the client gave a certificate that the configured CA did not sign: it is refused also where giving none is allowed. */
export function hasBadClientCertificate(socket: TLSSocket): boolean {
  return !socket.authorized && socket.getPeerX509Certificate() !== undefined;
}

/** A name that several certificates have goes to the first of them. */
function contextsByName(pairs: readonly CertificatePair[]): ReadonlyMap<string, SecureContext> {
  const contexts = new Map<string, SecureContext>();
  for (const { names, context } of pairs) {
    for (const name of names) if (!contexts.has(name)) contexts.set(name, context);
  }
  return contexts;
}

/**
 * Reads the CA that client certificates come from.
 *
 * @throws ConfigFault when it cannot be read or is not a certificate
 */
export function readClientCa({ clientCertificates }: TlsConfig): string | null {
  if (clientCertificates === undefined) return null;
  const key = [...KEY, 'clientCertificates', 'caFile'];
  const { caFile } = clientCertificates;
  const pem = readPem(caFile, key);
  if (readCertificates(pem) === null) throw mistake(key, caFile, NOT_A_CERTIFICATE);
  return pem;
}

/** One certificate and its key as they are in their files. */
interface PairFiles {
  readonly leaf: X509Certificate;
  readonly certificate: string;
  readonly key: string;
}

/**
 * Reads one of `certificates`.
 *
 * @throws ConfigFault when a file cannot be used: missing, not PEM, key of another certificate, expired
 */
export function readPair({ certFile, keyFile }: PairConfig, index: number, wallMs: Clock): PairFiles {
  const certAt = [...KEY, 'certificates', index, 'certFile'];
  const keyAt = [...KEY, 'certificates', index, 'keyFile'];
  const certificate = readPem(certFile, certAt);
  const key = readPem(keyFile, keyAt);
  const problem = pairProblem(certificate, key);
  if (problem !== null) {
    const [at, path] = problem.of === 'certFile' ? [certAt, certFile] : [keyAt, keyFile];
    throw mistake(at, path, problem.what);
  }
  const [leaf] = readCertificates(certificate) as readonly [X509Certificate];
  if (leaf.validToDate.getTime() <= wallMs()) {
    throw mistake(certAt, certFile, `expired on ${leaf.validToDate.toISOString()}`);
  }
  return { leaf, certificate, key };
}

const readPem = (path: string, key: KeyPath): string =>
  parse(() => readFileSync(path, 'utf8'), key, path, 'cannot be read');

function parse<T>(read: () => T, key: KeyPath, path: string, problem: string): T {
  try {
    return read();
  } catch (cause) {
    throw mistake(key, path, problem, cause);
  }
}

const mistake = (key: KeyPath, path: string, problem: string, cause?: unknown): ConfigFault =>
  new ConfigFault(`${formatPath(key)}: ${path} ${problem}`, { cause, key });

function asConfigFault(thrown: unknown): ConfigFault {
  return thrown instanceof ConfigFault
    ? thrown
    : new ConfigFault(`${formatPath(KEY)} cannot be read again`, {
        cause: thrown instanceof Error ? thrown : undefined,
      });
}
