/** Opens the issuers of one configuration: keys, rules, and what is counted of them. */

import { isDeepStrictEqual } from 'node:util';
import { readText, readTokenFile } from '../../config/files/secret-file.ts';
import { DependencyFault } from '../../errors.ts';
import { jsonFetcher } from '../../jwt/fetch-json.ts';
import type { KeySet } from '../../jwt/key-set.ts';
import { RemoteKeySet } from '../../jwt/remote-key-set.ts';
import { discoveredKeys, type FetchKeySet, keysAt } from '../../jwt/sources.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { RevokedTokens } from '../revocation/revoked-tokens.ts';
import { ClusterIssuer } from './cluster.ts';
import { type Issuer, type IssuerDefaults, issuerRules, keyRules } from './issuer.ts';
import type { IssuerConfig } from './section.ts';
import type { ServiceTokenSeries } from './series.ts';
import { ServiceTokens } from './service-tokens.ts';

interface IssuerSections {
  readonly issuers: Readonly<Record<string, IssuerConfig>>;
  readonly publicOrigin: readonly string[];
  readonly upstreamToken: { readonly algorithm: string };
}

/** What outlives a configuration, as far as issuers need it. */
interface IssuerSurroundings {
  readonly clocks: Clocks;
  readonly series: { readonly serviceTokens: ServiceTokenSeries };
  readonly log: Logger;
  /** `iss` of the tokens that the gateway signs. */
  readonly issuer: string;
  /** Verifies them. */
  readonly ownKeys: KeySet;
  readonly revokedTokens: RevokedTokens;
}

/** The issuers of the configuration before, and that configuration. */
interface PreviousIssuers {
  readonly config: IssuerSections;
  readonly issuers: ReadonlyMap<string, Issuer>;
}

/**
 * Opens the issuers that a configuration names. What has to be fetched is not asked for before `keys.start()`.
 *
 * @param files     the keys that were read with the configuration, by the name of the issuer
 * @param previous  whose fetched keys are kept, where nothing about the issuer has changed
 */
export function openIssuers(
  config: IssuerSections,
  files: ReadonlyMap<string, KeySet | null>,
  surroundings: IssuerSurroundings,
  previous: PreviousIssuers | null,
): ReadonlyMap<string, Issuer> {
  const { upstreamToken, publicOrigin } = config;
  const defaults: IssuerDefaults = {
    audiences: publicOrigin,
    own: { issuer: surroundings.issuer, algorithm: upstreamToken.algorithm },
  };
  const entries = Object.entries(config.issuers).map(([name, issuerConfig]): [string, Issuer] => {
    const rules = issuerRules(issuerConfig, defaults);
    const present = previous?.issuers.get(name);
    if (present?.keys.isFetched === true && isDeepStrictEqual(previous?.config.issuers[name], issuerConfig))
      return [name, { ...present, rules }];
    const keys = files.get(name) ?? null;
    const opened: OpenedKeys = keys === null ? openKeys(name, issuerConfig, surroundings) : { keys };
    const learnt = rules.profile.issuer === null ? (opened.cluster ?? null) : null;
    return [name, { name, rules, keys: opened.keys, learnt }];
  });
  return new Map(entries);
}

interface OpenedKeys {
  readonly keys: KeySet;
  readonly cluster?: ClusterIssuer;
}

/** The keys of an issuer that are elsewhere, or the gateway's own. */
function openKeys(name: string, config: IssuerConfig, surroundings: IssuerSurroundings): OpenedKeys {
  const { jwksUrl, discovery, kubernetes, spiffe, issuer = '', fetch } = config;
  const rules = keyRules(config);
  const remote = (fetchKeys: FetchKeySet) => remoteKeySet(name, config, fetchKeys, surroundings);
  if (kubernetes !== undefined) {
    const { apiServer, tokenFile, caFile } = kubernetes;
    const fetchJson = jsonFetcher({
      timeoutMs: fetch.timeout,
      ca: () => readText(caFile),
      bearer: () => readTokenFile(tokenFile),
    });
    const cluster = new ClusterIssuer({
      tokenFile,
      metadataUrl: below(apiServer, '/.well-known/openid-configuration'),
      fetchJson,
      keptMs: config.maxLifetime + config.clockSkew,
      monotonicMs: surroundings.clocks.monotonicMs,
    });
    return { cluster, keys: remote(keysAt(below(apiServer, '/openid/v1/jwks'), fetchJson, rules)) };
  }
  const { caFile, timeout: timeoutMs, insecureHttp: isPlainHttpMeant } = fetch;
  const fetchJson = jsonFetcher({ timeoutMs, ca: caFile === undefined ? null : () => readText(caFile), bearer: null });
  const url = jwksUrl ?? spiffe?.bundleUrl;
  if (url !== undefined) return { keys: remote(keysAt(url, fetchJson, rules)) };
  if (discovery !== undefined)
    return { keys: remote(discoveredKeys({ url: discovery, issuer, isPlainHttpMeant }, fetchJson, rules)) };
  return { keys: surroundings.ownKeys };
}

/** A path of the API server, which may itself be below a path, as behind Rancher. */
function below(apiServer: string, path: string): string {
  const url = new URL(apiServer);
  url.pathname = url.pathname.replace(/\/$/, '') + path;
  return url.href;
}

function remoteKeySet(
  issuer: string,
  { fetch }: IssuerConfig,
  fetchKeys: FetchKeySet,
  { clocks, series, log }: IssuerSurroundings,
): KeySet {
  const { refreshEvery: refreshEveryMs, maxStale: maxStaleMs, coolDown: coolDownMs } = fetch;
  return new RemoteKeySet(fetchKeys, { refreshEveryMs, maxStaleMs, coolDownMs }, clocks.monotonicMs, {
    onFetched: (result, problem) => {
      series.serviceTokens.onFetched(issuer, result, problem);
      if (result === 'failed') log.warn({ issuer, problem }, 'JWKS fetch failed; keeping the last good keys');
      else if (problem !== null) log.warn({ issuer, problem }, 'some keys of an issuer are unusable');
      else log.debug({ issuer }, 'JWKS fetched');
    },
    unavailable: () => new DependencyFault('jwks_unavailable', 'no usable key set of the issuer'),
  });
}

/** The verifier of service tokens over issuers that were opened. Every series of its metrics exists from now on. */
export function verifierOver(
  issuers: ReadonlyMap<string, Issuer>,
  { clocks, series, revokedTokens }: IssuerSurroundings,
): ServiceTokens {
  series.serviceTokens.expect(issuers.values());
  const events = series.serviceTokens;
  return new ServiceTokens([...issuers.values()], { clocks, revoked: revokedTokens, events });
}
