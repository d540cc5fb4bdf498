/**
 * TLS of a listener: certificates from files, chosen by SNI, and read again when they are replaced.
 *
 * Inputs: the `tls` section of a listener and what is in its files. Outputs: options for the server and the contexts behind
 * its SNI callback. Where a file becomes unusable, its previous contents stay in use. Only TLS 1.2 and 1.3. A client that offers
 * by ALPN nothing that the listener speaks gets no connection.
 *
 * SNI alone chooses the certificate, and it chooses nothing else: versions and client certificates are the same for
 * every name, so that no name is a way around them (TLS-02).
 */

import { hkdfSync, randomBytes, type X509Certificate } from 'node:crypto';
import type { Server as HttpsServer } from 'node:https';
import { isIP } from 'node:net';
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { type FileReader, faultAt, type Pair, readCa, readPair } from '../../config/files/named-files.ts';
import { type SeenFiles, seeFiles } from '../../config/files/watch.ts';
import type { KeyPath } from '../../config/findings/problem.ts';
import { ConfigFault } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import { dnsNames, readCertificates } from '../../lib/crypto/pem.ts';
import { toTimestamp } from '../../lib/text/timestamp.ts';
import { codes } from '../lint.ts';
import type { TlsConfig } from '../section.ts';

type PairConfig = TlsConfig['certificates'][number];

/** One certificate and its key, as they are in their files. */
interface ReadCertificate extends Pair {
  /** Lower-case names of the leaf, `*.` ones included. */
  readonly names: readonly string[];
  /** From when the leaf is valid; wall clock. */
  readonly validFromMs: number;
  /** When the leaf expires; wall clock. */
  readonly expiresAtMs: number;
  /** Whether it had expired when it was read: then it is used only where there is no other certificate. */
  readonly isExpired: boolean;
}

/** One certificate and its key, as they are in use. */
interface CertificatePair extends ReadCertificate {
  /** Position in the configuration: the metric label. */
  readonly index: number;
  readonly context: SecureContext;
}

/** What is in the files of the section. */
export interface TlsFiles {
  /** In the order of the configuration; `null` for one that cannot be used. */
  readonly pairs: readonly (ReadCertificate | null)[];
  /** Where client certificates come from; `null` where none are asked for, `undefined` when the file cannot be used. */
  readonly clientCa: string | null | undefined;
  /** When the reading began; monotonic. */
  readonly readAtMs: number;
  /** The state of the files just before they were read. */
  readonly seen: SeenFiles;
}

/** The listeners that can terminate TLS. */
export type TlsListener = 'public' | 'grpcAuthorizer';

const keyOf = (listener: TlsListener) => ['listeners', listener, 'tls'] as const;

const TICKET_KEY_BYTES = 48;

/** A secret for TLS session tickets. */
export const newTicketKeys = (): Buffer => randomBytes(TICKET_KEY_BYTES);

/**
 * The keys of tickets for clients of one CA. Otherwise a client whose CA was removed could still resume its session;
 * and processes that share the secret may have read different CAs.
 */
const ticketKeysFor = (secret: Buffer, clientCa: string | null): Buffer =>
  clientCa === null
    ? secret
    : Buffer.from(hkdfSync('sha256', secret, clientCa, 'TLS session tickets', TICKET_KEY_BYTES));

/** The certificates of one listener in use, and the TLS options that follow from them. */
export class TlsCertificates {
  readonly #ticketSecret: Buffer;
  #config: TlsConfig;
  #clientCa: string | null;
  #pairs: readonly CertificatePair[] = [];
  /** Those that had not expired come first. */
  #preferred: readonly CertificatePair[] = [];
  #byName: ReadonlyMap<string, SecureContext> = new Map();
  #server: Pick<HttpsServer, 'setSecureContext'> | null = null;
  #onOtherClients: () => void = () => {};

  /**
   * @param files         all of which can be used
   * @param ticketSecret  encrypts sessions into tickets, so that any process that knows it can resume them
   */
  constructor(config: TlsConfig, files: TlsFiles, ticketSecret = newTicketKeys()) {
    this.#ticketSecret = ticketSecret;
    this.#config = config;
    this.#clientCa = files.clientCa ?? null;
    this.#take(files, []);
  }

  /** The pairs in use, in the order of the configuration. */
  get pairs(): readonly CertificatePair[] {
    return this.#pairs;
  }

  /** Whether clients are asked for certificates. */
  get judgesClients(): boolean {
    return this.#clientCa !== null;
  }

  /** Every file that was read, to be watched. */
  get files(): readonly string[] {
    const { certificates, clientCertificates } = this.#config;
    const files = certificates.flatMap(({ certFile, keyFile }) => [certFile, keyFile]);
    return clientCertificates === undefined ? files : [...files, clientCertificates.caFile];
  }

  /**
   * Options for the server, which is then given to {@link attach}.
   *
   * @param protocols  by ALPN, the preferred one first
   */
  serverOptions(protocols: readonly string[]): TlsOptions & SecureContextOptions {
    return {
      ...this.#defaultContext(),
      ALPNProtocols: [...protocols],
      SNICallback: (serverName, callback) => callback(null, this.contextFor(serverName)),
      ticketKeys: ticketKeysFor(this.#ticketSecret, this.#clientCa),
      requestCert: this.#clientCa !== null,
      rejectUnauthorized: this.#config.clientCertificates?.mode === 'require',
    };
  }

  /**
   * Sets the server whose default context, for clients that send no name, follows the files.
   *
   * @param onOtherClients  a CA for client certificates was removed: clients that were let in before may finish what
   *   they have begun, and begin nothing more
   */
  attach(server: Pick<HttpsServer, 'setSecureContext'>, onOtherClients: () => void): void {
    this.#server = server;
    this.#onOtherClients = onOtherClients;
  }

  /**
   * The context for a server name: that of the exact name, else of its wildcard, else of the first certificate that has not
   * expired.
   *
   * @param serverName  as the client sent it: any case, perhaps with a trailing dot, perhaps nonsense
   */
  contextFor(serverName: string): SecureContext {
    const name = serverName.toLowerCase().replace(/\.$/, '');
    const exact = this.#byName.get(name);
    if (exact !== undefined) return exact;
    const dot = name.indexOf('.');
    const wildcard = dot > 0 ? this.#byName.get(`*${name.slice(dot)}`) : undefined;
    return wildcard ?? (this.#preferred[0] as CertificatePair).context;
  }

  /**
   * Applies what was read from the files of a configuration. If a file cannot be used, its previous contents stay in
   * use. Which CA client certificates come from, and the versions of TLS, change with a restart only.
   */
  use(config: TlsConfig, files: TlsFiles): void {
    const { clientCertificates } = this.#config;
    const isSameCa = isDeepStrictEqual(config.clientCertificates, clientCertificates);
    const before = this.#clientCa;
    if (isSameCa && files.clientCa !== undefined) this.#clientCa = files.clientCa;
    const isSame = isDeepStrictEqual(config.certificates, this.#config.certificates);
    this.#config = { ...this.#config, certificates: config.certificates };
    this.#take(files, isSame ? this.#pairs : []);
    const ticketKeys = ticketKeysFor(this.#ticketSecret, this.#clientCa);
    this.#server?.setSecureContext({ ...this.#defaultContext(), ticketKeys } as SecureContextOptions);
    if (before !== this.#clientCa && hasLost(before, this.#clientCa)) this.#onOtherClients();
  }

  /** @param before  the pairs of the same configuration that were read before */
  #take({ pairs }: TlsFiles, before: readonly CertificatePair[]): void {
    this.#pairs = pairs.map((read, index) => {
      const present = before[index];
      const isWorse = read?.isExpired === true && present?.isExpired === false;
      const pair = (read === null || isWorse ? present : read) as ReadCertificate;
      return { ...pair, index, context: createSecureContext(this.#contextOptions(pair)) };
    });
    this.#preferred = byPreference(this.#pairs);
    this.#byName = contextsByName(this.#preferred);
  }

  /** Every context gets all of this: OpenSSL takes the CA for client certificates from the one that SNI has chosen. */
  #contextOptions({ cert, key }: Pair): SecureContextOptions {
    return {
      cert,
      key,
      minVersion: this.#config.minVersion,
      maxVersion: 'TLSv1.3',
      ...(this.#clientCa !== null && { ca: this.#clientCa }),
    };
  }

  #defaultContext(): SecureContextOptions {
    return this.#contextOptions(this.#preferred[0] as CertificatePair);
  }
}

/**
 * Whether the client presented a certificate that the configured CA did not sign: it is refused even where clients may
 * present none.
 */
export function hasBadClientCertificate(socket: TLSSocket): boolean {
  return !socket.authorized && socket.getPeerX509Certificate() !== undefined;
}

/** Whether a file of CAs lacks one that another has: a new one beside it changes nothing for present clients. */
function hasLost(before: string | null, after: string | null): boolean {
  const fingerprints = (pem: string | null) => (readCertificates(pem ?? '') ?? []).map((it) => it.fingerprint256);
  const present = fingerprints(after);
  return fingerprints(before).some((it) => !present.includes(it));
}

const byPreference = <P extends ReadCertificate>(pairs: readonly P[]): readonly P[] =>
  pairs.toSorted((a, b) => Number(a.isExpired) - Number(b.isExpired));

/** A name that several certificates have goes to the first of them. */
function contextsByName(pairs: readonly CertificatePair[]): ReadonlyMap<string, SecureContext> {
  const contexts = new Map<string, SecureContext>();
  for (const { names, context } of pairs) {
    for (const name of names) if (!contexts.has(name)) contexts.set(name, context);
  }
  return contexts;
}

/** Reads the files of the section. An expired certificate is a mistake only where there is no other. */
export async function readTls(
  { certificates, clientCertificates }: TlsConfig,
  reader: FileReader,
  listener: TlsListener = 'public',
): Promise<TlsFiles> {
  const key = keyOf(listener);
  const readAtMs = reader.clocks.monotonicMs();
  const seen = seeFiles(certificates.flatMap(({ certFile, keyFile }) => [certFile, keyFile]));
  const caKey = [...key, 'clientCertificates', 'caFile'];
  const [clientCa, ...pairs] = await Promise.all([
    clientCertificates === undefined ? null : reader.read(caKey, clientCertificates.caFile, readCa, undefined),
    ...certificates.map((pair, index) => {
      const at = [...key, 'certificates', index];
      return reader.read(at, pair.certFile, () => readCertificate(at, pair, reader.clocks.wallMs), null);
    }),
  ]);
  const isAnyGood = pairs.some((pair) => pair?.isExpired === false);
  const usable = pairs.map((pair, index) => {
    if (pair?.isExpired !== true) return pair;
    const what = `${certificates[index]?.certFile} expired on ${toTimestamp(pair.expiresAtMs)}: renew it, or correct the clock of this machine`;
    const fault = faultAt([...key, 'certificates', index, 'certFile'], new ConfigFault(what));
    if (isAnyGood) reader.warnings.push({ code: codes['tls/expired'], fault });
    else reader.mistakes.push(fault);
    return isAnyGood ? pair : null;
  });
  return { pairs: usable, clientCa, readAtMs, seen };
}

/**
 * Warnings about hosts of `publicOrigin` that no certificate covers. A client that asks for an address sends no name,
 * and gets the certificate that is served by default.
 *
 * @returns nothing where a certificate could not be read: it may cover them
 */
export function uncoveredHosts(publicOrigin: readonly string[], { pairs }: TlsFiles) {
  const read = pairs.filter((pair) => pair !== null);
  if (read.length < pairs.length) return [];
  const leaves = byPreference(read).map(({ cert }) => readCertificates(cert)?.[0]);
  const covers = (host: string) =>
    isIP(host) === 0
      ? leaves.some((leaf) => leaf?.checkHost(host, { subject: 'never', partialWildcards: false }) !== undefined)
      : leaves[0]?.checkIP(host) !== undefined;
  const urls = publicOrigin.map((origin) => new URL(origin)).filter(({ protocol }) => protocol === 'https:');
  const hosts = new Set(urls.map(({ hostname }) => hostname.replace(/^\[|\]$/g, '')));
  return [...hosts]
    .filter((host) => !covers(host))
    .map((host) => ({
      path: [...keyOf('public'), 'certificates'],
      message:
        isIP(host) === 0
          ? `no certificate covers ${host}, a host of publicOrigin: browsers refuse the connection`
          : `the default certificate does not cover ${host}, a host of publicOrigin: browsers refuse the connection`,
      hint:
        isIP(host) === 0
          ? `add a certificate for ${host}, or correct publicOrigin`
          : 'put a certificate for this address first: browsers send no name by which another could be chosen',
    }));
}

async function readCertificate(at: KeyPath, files: PairConfig, wallMs: Clock): Promise<ReadCertificate> {
  const pair = await readPair(at, files);
  const [leaf] = readCertificates(pair.cert) as readonly [X509Certificate];
  const [validFromMs, expiresAtMs] = [leaf.validFromDate.getTime(), leaf.validToDate.getTime()];
  try {
    createSecureContext(pair);
  } catch (cause) {
    const fault = new ConfigFault(`${files.certFile} has a chain that cannot be used`, { cause });
    throw faultAt([...at, 'certFile'], fault);
  }
  return { ...pair, names: dnsNames(leaf), validFromMs, expiresAtMs, isExpired: expiresAtMs <= wallMs() };
}
