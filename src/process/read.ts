/** Reads what a loaded configuration names, for `validate`, `start` and a reload: all mistakes at once, each at its place. */

import { readAdminToken } from '../admin/token-file.ts';
import { FileReader } from '../config/files/named-files.ts';
import { type SeenFiles, seeFiles } from '../config/files/watch.ts';
import { codes } from '../config/findings/codes.ts';
import { byPosition, formatPath } from '../config/findings/problem.ts';
import type { FindingSource } from '../config/text/source.ts';
import { contentWarnings, isKept, type ReadConfig, readContents } from '../gateway/configuration/contents.ts';
import type { Draft } from '../gateway/configuration/draft.ts';
import type { LoadedConfig, LoadResult } from '../gateway/configuration/load.ts';
import type { Clocks } from '../lib/clock.ts';

/** A configuration that can be run, with what is in its files. */
export interface ReadInstance extends ReadConfig, LoadedConfig {
  /** SHA-256 of the admin token; `null` where the configuration has none. */
  readonly adminToken: Buffer | null;
  /** Files whose change requires a reload: all that it names, except those that a part of the gateway watches itself. */
  readonly watched: readonly string[];
  /** The state of the files just before they were read. */
  readonly seen: SeenFiles;
}

/** What loading and reading a configuration give. */
export interface ReadResult extends LoadResult {
  /** `null` when at least one problem is an error. */
  readonly loaded: ReadInstance | null;
}

/**
 * Reads the files that a configuration names, and adds what is wrong with them to what is wrong with it. Nothing is written
 * and nothing is connected to.
 *
 * @param inUse  the configuration that it is going to replace; `null` when there is none
 */
export async function readFiles<S extends FindingSource>(
  result: Omit<LoadResult, 'source'> & { readonly source: S },
  clocks: Clocks,
  inUse: LoadedConfig['config'] | null = null,
): Promise<Omit<ReadResult, 'source'> & { readonly source: S }> {
  const { loaded, problems, source, draft, path, files } = result;
  const seen = seeFiles(path === '-' ? files : [path, ...files]);
  if (draft === null) return { ...result, loaded: null };
  const broken = problems.filter(({ severity }) => severity === 'error').map(({ path }) => path);
  // A key with an error would otherwise be reported twice, in different words.
  const reader = new FileReader(clocks, (key) => broken.some((path) => isAtOrBelow(path, formatPath(key))));
  const tokenFile = draft.listeners?.admin.tokenFile;
  const [contents, adminToken] = await Promise.all([
    readContents(draft, reader),
    reader.read(['listeners', 'admin', 'tokenFile'], tokenFile, readAdminToken, null),
  ]);
  const { true: kept = [], false: mistakes = [] } = Object.groupBy(reader.mistakes, (mistake) =>
    String(isKept(mistake, draft, inUse)),
  );
  const found = mistakes.flatMap(({ key, message }) =>
    message.split('\n').map((line) => source.problemAt(codes['config/file'], key ?? [], line, null, 'value')),
  );
  const isAccepted = (code: string) => draft.acceptWarnings?.some((accepted) => accepted === code) === true;
  const fileWarnings = reader.warnings
    .filter(({ code }) => !isAccepted(code.code))
    .map(({ code, fault }) => source.problemAt(code, fault.key ?? [], fault.message, null, 'value'));
  const warnings = [...contentWarnings(draft, contents, source), ...fileWarnings];
  const isUsable = loaded !== null && found.length === 0;
  const followed = followedByParts(draft);
  const watched = [...result.files].filter((file) => !followed.has(file));
  return {
    ...result,
    loaded: isUsable
      ? { ...loaded, warnings: [...loaded.warnings, ...warnings], contents, adminToken, kept, watched, seen }
      : null,
    problems: [...problems, ...found, ...warnings].toSorted(byPosition),
  };
}

function followedByParts({ login, listeners, upstreamToken, outbound }: Draft): ReadonlySet<string | undefined> {
  const { certificates = [], clientCertificates } = listeners?.public.tls ?? {};
  return new Set([
    listeners?.admin.tokenFile,
    ...certificates.flatMap(({ certFile, keyFile }) => [certFile, keyFile]),
    clientCertificates?.caFile,
    login?.password?.usersFile,
    upstreamToken?.keys?.directory,
    ...(outbound?.destinations ?? []).map(({ token }) => token.kubernetes?.tokenFile),
  ]);
}

const isAtOrBelow = (path: string, above: string): boolean =>
  path.startsWith(above) && /^(?:$|[.[])/.test(path.slice(above.length));
