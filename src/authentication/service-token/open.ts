/** Opens the issuers of one configuration: keys, rules, and what is counted of them. */

import { isDeepStrictEqual } from 'node:util';
import type { OwnKey } from '../../jwt/own-key-set.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { Logger } from '../../telemetry/log.ts';
import type { RevokedTokens } from '../revocation/revoked-tokens.ts';
import { type Issuer, type IssuerDefaults, issuerRules } from './issuer.ts';
import { loadIssuer } from './load-issuer.ts';
import type { IssuerConfig } from './section.ts';
import type { ServiceTokenSeries } from './series.ts';
import { ServiceTokens } from './service-tokens.ts';

/** What the rules of issuers are made from. */
export interface IssuerSections {
  readonly issuers: Readonly<Record<string, IssuerConfig>>;
  readonly publicOrigin: readonly string[];
  readonly upstreamToken: { readonly algorithm: string };
}

/** What outlives a configuration, as far as issuers need it. */
export interface IssuerSurroundings {
  readonly clocks: Clocks;
  readonly series: { readonly serviceTokens: ServiceTokenSeries };
  readonly log: Logger;
  /** `iss` of the tokens that the gateway signs. */
  readonly issuer: string;
  readonly ownKeys: () => readonly OwnKey[];
  readonly revokedTokens: RevokedTokens;
}

/** The issuers of the configuration before, and that configuration. */
export interface PreviousIssuers {
  readonly config: IssuerSections;
  readonly issuers: ReadonlyMap<string, Issuer>;
}

/**
 * Opens the issuers that a configuration names. What has to be fetched is not asked for before `keys.start()`.
 *
 * @param previous  whose fetched keys are kept, where nothing about the issuer has changed
 * @throws ConfigFault when a file that the configuration names cannot be used
 */
export async function openIssuers(
  config: IssuerSections,
  { clocks, series, log, issuer: ownIssuer, ownKeys }: IssuerSurroundings,
  previous: PreviousIssuers | null,
): Promise<ReadonlyMap<string, Issuer>> {
  const { upstreamToken, publicOrigin } = config;
  const defaults: IssuerDefaults = {
    audiences: publicOrigin,
    own: { issuer: ownIssuer, algorithm: upstreamToken.algorithm },
  };
  const parts = {
    defaults,
    ownKeys,
    monotonicMs: clocks.monotonicMs,
    onFetched: (issuer: string, result: 'refreshed' | 'failed', problem: string | null) => {
      series.serviceTokens.onFetched(issuer, result, problem);
      if (result === 'failed') log.warn({ issuer, problem }, 'JWKS fetch failed; keeping the last good keys');
      else if (problem !== null) log.warn({ issuer, problem }, 'some keys of an issuer are unusable');
      else log.debug({ issuer }, 'JWKS fetched');
    },
  };
  const entries = Object.entries(config.issuers).map(async ([name, issuerConfig]): Promise<[string, Issuer]> => {
    const present = previous?.issuers.get(name);
    // Files are read again: their content may have changed without the configuration.
    if (present?.keys.isFetched === true && isDeepStrictEqual(previous?.config.issuers[name], issuerConfig))
      return [name, { ...present, rules: issuerRules(issuerConfig, defaults) }];
    return [name, await loadIssuer(name, issuerConfig, parts)];
  });
  return new Map(await Promise.all(entries));
}

/** The verifier of service tokens over issuers that were opened. Every series of its metrics exists from now on. */
export function verifierOver(
  issuers: ReadonlyMap<string, Issuer>,
  { clocks, series, revokedTokens }: IssuerSurroundings,
): ServiceTokens {
  series.serviceTokens.expect(issuers.values());
  return new ServiceTokens([...issuers.values()], {
    clocks,
    revoked: revokedTokens,
    events: series.serviceTokens,
  });
}
