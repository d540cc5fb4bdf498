/**
 * What is in the files that a configuration names: the one list of the parts that read files. Reading needs a part's own
 * section only and collects every mistake; building, in `compile.ts` and `long-lived.ts`, takes what was read.
 */

import { isDeepStrictEqual } from 'node:util';
import type { KnownClient } from '../../authentication/client/clients.ts';
import { readIssuer } from '../../authentication/service-token/fixed-keys.ts';
import { codes as authorization } from '../../authorization/lint.ts';
import { sharedNames } from '../../authorization/shared-names.ts';
import { FileReader } from '../../config/files/named-files.ts';
import { formatPath, type KeyPath, type Problem } from '../../config/findings/problem.ts';
import { valueAt } from '../../config/report.ts';
import type { FindingSource } from '../../config/text/source.ts';
import { type LoginFiles, readLogin } from '../../endpoints/login/open.ts';
import { NO_USERS } from '../../endpoints/login/password/users-file.ts';
import { readTokenEndpoint } from '../../endpoints/token/compile.ts';
import { ConfigFault } from '../../errors.ts';
import type { KeySet } from '../../jwt/key-set.ts';
import type { Clocks } from '../../lib/clock.ts';
import { readTls, type TlsFiles, type TlsListener, uncoveredHosts } from '../../listener/http1/tls.ts';
import { codes as listener } from '../../listener/lint.ts';
import type { TlsConfig } from '../../listener/section.ts';
import { readOutbound } from '../../outbound/read.ts';
import { type PageFiles, readPages } from '../../pages/section.ts';
import { namedStores } from '../../store/kinds.ts';
import { NO_TRACE_FILES, readTraceFiles, type TraceFiles } from '../../telemetry/traces/files.ts';
import type { DatedKey } from '../../token/keyring.ts';
import { readSigningKeys } from '../../token/signing-keys.ts';
import type { UpstreamTls } from '../../upstream/connect.ts';
import { readUpstream } from '../../upstream/open.ts';
import { type Draft, wholeDraft } from './draft.ts';
import type { LoadedConfig } from './load.ts';

/** What was read, by part. A file that cannot be used, and one that was not read, has a stand-in. */
export interface Contents {
  /** Of each listener; `null` without TLS. */
  readonly tls: Readonly<Record<TlsListener, TlsFiles | null>>;
  readonly login: LoginFiles;
  readonly pages: PageFiles;
  /** `null` where the key will be made in memory. */
  readonly signing: readonly DatedKey[] | null;
  /** Of the token endpoint. */
  readonly clients: readonly KnownClient[];
  /** `null` for keys that are elsewhere. */
  readonly issuers: ReadonlyMap<string, KeySet | null>;
  /** `null` without TLS settings. */
  readonly upstreams: ReadonlyMap<string, UpstreamTls | null>;
  readonly traces: TraceFiles;
  /** The CAs of authorization servers, by destination. */
  readonly outbound: readonly (string | null)[];
}

/** A configuration with what is in its files. */
export interface ReadConfig {
  readonly config: LoadedConfig['config'];
  readonly contents: Contents;
  /** Files that became unusable and whose previous contents stay in use: see {@link isKept}. */
  readonly kept: readonly ConfigFault[];
}

/** Reads the files that the valid part of a configuration names. Unusable ones are in `reader.mistakes`. */
export async function readContents(draft: Draft, reader: FileReader): Promise<Contents> {
  const { listeners, upstreamToken, tokenEndpoint, store } = draft;
  const [frontTls, grpcTls] = [listeners?.public.tls, listeners?.grpcAuthorizer?.tls];
  const [front, grpcAuthorizer, login, pages, signing, clients, issuers, upstreams, outbound, traces] =
    await Promise.all([
      frontTls === undefined ? null : readTls(frontTls, reader),
      grpcTls === undefined ? null : readTls(grpcTls, reader, 'grpcAuthorizer'),
      draft.login === undefined ? { users: NO_USERS, backends: [], providers: [] } : readLogin(draft.login, reader),
      draft.pages === undefined ? { logo: null } : readPages(draft.pages, reader),
      upstreamToken === undefined ? null : readSigningKeys(upstreamToken, reader),
      tokenEndpoint === undefined ? [] : readTokenEndpoint(tokenEndpoint, reader),
      readEntries(draft.issuers, (name, issuer) => readIssuer(name, issuer, reader)),
      readEntries(draft.upstreams, (name, upstream) => readUpstream(name, upstream, reader)),
      draft.outbound === undefined ? [] : readOutbound(draft.outbound, reader),
      draft.traces === undefined ? NO_TRACE_FILES : readTraceFiles(draft.traces, reader),
      ...(store === undefined
        ? []
        : namedStores(store).map((it) => reader.read(['store', it.kind], '', it.checkFiles, null))),
    ]);
  const tls = { public: front, grpcAuthorizer };
  return { tls, login, pages, signing, clients, issuers, upstreams, outbound, traces };
}

/** Warnings about what a configuration and its files say together, but for those that it accepts. */
export function contentWarnings(draft: Draft, { login, tls }: Contents, source: FindingSource): readonly Problem[] {
  // The configuration alone was judged with its rules.
  const judged = new Set(sharedNames(draft, []).map(({ path }) => formatPath(path)));
  const names = sharedNames(draft, login.users.users.subjects).filter(({ path }) => !judged.has(formatPath(path)));
  const hosts = tls.public === null ? [] : uncoveredHosts(draft.publicOrigin ?? [], tls.public);
  return [
    ...names.map((it) => ({ ...it, code: authorization['subjects/shared-name'] })),
    ...hosts.map((it) => ({ ...it, code: listener['tls/uncovered-host'] })),
  ]
    .filter(({ code }) => draft.acceptWarnings?.includes(code.code) !== true)
    .map(({ code, path, message, hint }) => source.problemAt(code, path, message, hint, 'value'));
}

async function readEntries<T, R>(
  entries: ReadonlyMap<string, T | undefined>,
  read: (name: string, entry: T) => Promise<R>,
): Promise<ReadonlyMap<string, R | null>> {
  const done = [...entries].map(
    async ([name, entry]) => [name, entry === undefined ? null : await read(name, entry)] as const,
  );
  return new Map(await Promise.all(done));
}

/**
 * Reads the files of a configuration that is going to be run.
 *
 * @param inUse  the configuration that it replaces; `null` at start
 * @throws ConfigFault with every mistake, one line each
 */
export async function readConfig(
  config: LoadedConfig['config'],
  clocks: Clocks,
  inUse: LoadedConfig['config'] | null = null,
): Promise<ReadConfig> {
  const reader = new FileReader(clocks);
  const contents = await readContents(wholeDraft(config), reader);
  const isFault = (mistake: ConfigFault) => !isKept(mistake, config, inUse);
  const faults = reader.mistakes.filter(isFault).map(({ message }) => message);
  if (faults.length > 0) throw new ConfigFault(faults.toSorted().join('\n'));
  return { config, contents, kept: reader.mistakes };
}

/** The parts that outlive a configuration and keep what they have read. */
const KEPT: readonly KeyPath[] = [
  ['listeners', 'public', 'tls'],
  ['listeners', 'grpcAuthorizer', 'tls'],
  ['upstreamToken', 'keys'],
  ['upstreamToken', 'secretFile'],
];

/**
 * Whether a reload can proceed without a file: the configuration in use names the same one, and the part that has read
 * it keeps what it has.
 */
export const isKept = ({ key }: ConfigFault, config: unknown, inUse: unknown): boolean =>
  inUse !== null &&
  KEPT.some(
    (at) =>
      at.every((part, index) => key?.[index] === part) && isDeepStrictEqual(valueAt(config, at), valueAt(inUse, at)),
  );

/** The listeners that terminate TLS, each with its section and what is in its files. */
export function withTls(
  { listeners }: Pick<LoadedConfig['config'], 'listeners'>,
  { tls: read }: Pick<Contents, 'tls'>,
): ReadonlyMap<TlsListener, { readonly tls: TlsConfig; readonly files: TlsFiles }> {
  const found = new Map<TlsListener, { readonly tls: TlsConfig; readonly files: TlsFiles }>();
  for (const listener of ['public', 'grpcAuthorizer'] as const) {
    const [tls, files] = [listeners[listener]?.tls, read[listener]];
    if (tls !== undefined && files !== null) found.set(listener, { tls, files });
  }
  return found;
}
