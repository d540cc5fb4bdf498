/**
 * What is in the files that a configuration names: read by the loaders that the gateway opens them with, so that what
 * passes here is what starts. All mistakes at once, each at the key that names the file.
 *
 * Inputs: a configuration as far as it is valid. Outputs: the same result with more findings. Nothing is written,
 * nothing is connected to, and nothing that was read is kept.
 */

import { readAdminToken } from '../admin/token-file.ts';
import { readClientKeys, readClientSecret } from '../authentication/client/clients.ts';
import { loadIssuer } from '../authentication/service-token/load-issuer.ts';
import { type IssuerConfig, keySourceOf } from '../authentication/service-token/section.ts';
import { codes } from '../config/codes.ts';
import { byPosition, formatPath, type KeyPath, type Problem } from '../config/problem.ts';
import { UsersFile } from '../endpoints/login/password/users-file.ts';
import { ConfigFault } from '../errors.ts';
import type { Draft } from '../gateway/draft.ts';
import type { LoadResult } from '../gateway/load.ts';
import type { Clocks } from '../lib/clock.ts';
import { readClientCa, readPair } from '../listener/http1/tls.ts';
import { readCa } from '../outbound/authorization-server.ts';
import { readCredential } from '../outbound/client-credential.ts';
import { namedStores } from '../store/kinds.ts';
import { checkSigningKeys } from '../token/signing-keys.ts';
import { readUpstreamTls } from '../upstream/upstream.ts';

/** What is read for a key, and what it is read by. */
interface ContentCheck {
  readonly key: KeyPath;
  /** Throws a ConfigFault, or an error of the system, when the content cannot be used. */
  readonly read: () => unknown;
}

/** Adds what is wrong with the contents of files to what is wrong with the configuration. */
export async function checkContents(result: LoadResult, clocks: Clocks): Promise<LoadResult> {
  const { draft, problems, source } = result;
  if (draft === null) return result;
  const broken = problems.filter(({ severity }) => severity === 'error').map(({ path }) => path);
  // The loader would report an existing problem a second time in different words.
  const checks = checksOf(draft, clocks).filter(
    ({ key }) => !broken.some((path) => isAtOrBelow(path, formatPath(key))),
  );
  const found = (await Promise.all(checks.map((check) => findingsOf(check, source)))).flat();
  if (found.length === 0) return result;
  return { ...result, loaded: null, problems: [...problems, ...found].toSorted(byPosition) };
}

const isAtOrBelow = (path: string, above: string): boolean =>
  path.startsWith(above) && /^(?:$|[.[])/.test(path.slice(above.length));

async function findingsOf({ key, read }: ContentCheck, source: LoadResult['source']): Promise<Problem[]> {
  try {
    await read();
    return [];
  } catch (thrown) {
    const place = (thrown instanceof ConfigFault ? thrown.key : null) ?? key;
    const name = formatPath(place);
    return messagesOf(thrown).map((message) =>
      source.problemAt(
        codes['config/file'],
        place,
        message.startsWith(name) ? message : `${name}: ${message}`,
        null,
        'value',
      ),
    );
  }
}

/** One per mistake. */
function messagesOf(thrown: unknown): readonly string[] {
  if (thrown instanceof ConfigFault) return thrown.message.split('\n');
  if (thrown instanceof Error && 'syscall' in thrown) return ['cannot be read'];
  throw thrown;
}

function checksOf(draft: Draft, clocks: Clocks): readonly ContentCheck[] {
  return [
    ...listenerChecks(draft, clocks),
    ...storeChecks(draft),
    ...loginChecks(draft),
    ...signingChecks(draft, clocks),
    ...tokenEndpointChecks(draft),
    ...issuerChecks(draft, clocks),
    ...upstreamChecks(draft),
    ...outboundChecks(draft, clocks),
  ];
}

function listenerChecks({ listeners }: Draft, { wallMs }: Clocks): ContentCheck[] {
  const tls = listeners?.public.tls;
  const tokenFile = listeners?.admin.tokenFile;
  const at = ['listeners', 'public', 'tls'];
  return [
    ...(tls?.certificates ?? []).map((pair, index) => ({
      key: [...at, 'certificates', index],
      read: () => readPair(pair, index, wallMs),
    })),
    ...(tls === undefined ? [] : [{ key: [...at, 'clientCertificates'], read: () => readClientCa(tls) }]),
    ...(tokenFile === undefined
      ? []
      : [{ key: ['listeners', 'admin', 'tokenFile'], read: () => readAdminToken(tokenFile) }]),
  ];
}

function storeChecks({ store }: Draft): ContentCheck[] {
  if (store === undefined) return [];
  return namedStores(store).map(({ kind, checkFiles }) => ({ key: ['store', kind], read: checkFiles }));
}

function loginChecks({ login }: Draft): ContentCheck[] {
  const usersFile = login?.password?.usersFile;
  const secrets = (login?.trustedBackends ?? []).map(({ clientSecretFile }, index) => ({
    key: ['login', 'trustedBackends', index, 'clientSecretFile'],
    read: () => clientSecretFile !== undefined && readClientSecret(clientSecretFile),
  }));
  if (usersFile === undefined) return secrets;
  return [{ key: ['login', 'password', 'usersFile'], read: () => UsersFile.open(usersFile, () => {}) }, ...secrets];
}

function signingChecks({ upstreamToken }: Draft, { wallMs }: Clocks): ContentCheck[] {
  if (upstreamToken === undefined) return [];
  const key = upstreamToken.algorithm === 'HS256' ? ['secretFile'] : ['keys', 'directory'];
  return [{ key: ['upstreamToken', ...key], read: () => checkSigningKeys(upstreamToken, wallMs) }];
}

function tokenEndpointChecks({ tokenEndpoint }: Draft): ContentCheck[] {
  return Object.entries(tokenEndpoint?.clients ?? {}).flatMap(([id, { clientSecretFile, jwksFile, algorithms }]) => {
    const at = ['tokenEndpoint', 'clients', id];
    return [
      {
        key: [...at, 'clientSecretFile'],
        read: () => clientSecretFile !== undefined && readClientSecret(clientSecretFile),
      },
      { key: [...at, 'jwksFile'], read: () => jwksFile !== undefined && readClientKeys(jwksFile, algorithms) },
    ];
  });
}

/** Does not fetch keys from elsewhere. */
function issuerChecks({ issuers, publicOrigin = [], upstreamToken }: Draft, { monotonicMs }: Clocks): ContentCheck[] {
  const own = { issuer: upstreamToken?.issuer ?? '', algorithm: upstreamToken?.algorithm ?? 'ES256' };
  const parts = {
    defaults: { audiences: publicOrigin, own },
    ownKeys: () => [],
    monotonicMs,
    onFetched: () => {},
  };
  return [...issuers].flatMap(([name, issuer]) =>
    issuer === undefined
      ? []
      : [{ key: ['issuers', name, ...keysOf(issuer)], read: () => loadIssuer(name, issuer, parts) }],
  );
}

/** Below an issuer, where its keys are. */
function keysOf(issuer: IssuerConfig): KeyPath {
  return issuer.spiffe?.bundleFile === undefined ? [keySourceOf(issuer)] : ['spiffe', 'bundleFile'];
}

/** CA and client certificate by themselves, so that one does not hide what is wrong with the other. */
function upstreamChecks({ upstreams }: Draft): ContentCheck[] {
  return [...upstreams].flatMap(([name, upstream]) => {
    const { caFile, certFile, keyFile } = upstream?.tls ?? {};
    const at = ['upstreams', name, 'tls'];
    return [
      { key: [...at, 'caFile'], read: () => readUpstreamTls(name, { caFile }) },
      { key: [...at, 'keyFile'], read: () => readUpstreamTls(name, { certFile, keyFile }) },
    ];
  });
}

function outboundChecks({ outbound }: Draft, { wallMs }: Clocks): ContentCheck[] {
  return (outbound?.destinations ?? []).flatMap(({ token }, index) =>
    (['clientCredentials', 'exchange'] as const).flatMap((kind): ContentCheck[] => {
      const server = token[kind];
      if (server === undefined) return [];
      const at = ['outbound', 'destinations', index, 'token', kind];
      const credential = CREDENTIAL_FILES.find((file) => server[file] !== undefined) ?? 'clientSecretFile';
      return [
        { key: [...at, credential], read: () => readCredential(server, wallMs) },
        { key: [...at, 'caFile'], read: () => readCa(server) },
      ];
    }),
  );
}

const CREDENTIAL_FILES = ['clientSecretFile', 'privateKeyFile', 'assertionFile'] as const;
