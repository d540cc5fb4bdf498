/** Verifies a token as the gateway with a configuration would, by the issuers of that configuration. */

import { openIssuers, verifierOver } from '../../authentication/service-token/open.ts';
import { ServiceTokenSeries } from '../../authentication/service-token/series.ts';
import { ConfigFault, Denial, DependencyFault } from '../../errors.ts';
import { FixedKeySet } from '../../jwt/key-set.ts';
import { bearerToken } from '../../lib/http/bearer.ts';
import { createLog } from '../../telemetry/log.ts';
import { MetricRegistry } from '../../telemetry/registry.ts';
import type { CliIo } from '../command.ts';
import { loadToRun } from '../io/configuration.ts';

/** The issuer whose token it is, by its name in the configuration, or what is wrong with the token. */
type ConfiguredVerdict = { readonly issuer: string } | { readonly problem: string };

/**
 * Verifies a token by the rules and the keys of every issuer of a configuration. Keys that are elsewhere are fetched.
 *
 * Does not check whether the token was revoked or its session is alive: that is in the store.
 *
 * @throws ConfigFault when the configuration cannot be used, or keys are unavailable
 */
export async function verifyByConfiguration(token: string, path: string, io: CliIo): Promise<ConfiguredVerdict> {
  const { config, contents } = await loadToRun(path, io);
  const { publicOrigin, upstreamToken } = config;
  const surroundings = {
    clocks: io.clocks,
    series: { serviceTokens: new ServiceTokenSeries(new MetricRegistry()) },
    log: createLog('silent', { write: () => {} }),
    issuer: upstreamToken.issuer ?? (publicOrigin[0] as string),
    ownKeys: new FixedKeySet((contents.signing ?? []).map(({ signing }) => signing.verification)),
    revokedTokens: { isRevoked: () => false },
  };
  const issuers = openIssuers(config, contents.issuers, surroundings, null);
  const compact = bearerToken(`Bearer ${token}`);
  if (compact === null) return { problem: 'token is not a strict compact JWS' };
  try {
    const found = await verifierOver(issuers, surroundings).verify(compact, new Set(issuers.keys()));
    return found instanceof Denial ? { problem: found.note } : { issuer: found.issuer };
  } catch (fault) {
    if (!(fault instanceof DependencyFault)) throw fault;
    throw new ConfigFault('the keys of the issuer are unavailable', { cause: fault });
  } finally {
    for (const { keys } of issuers.values()) keys.close();
  }
}
