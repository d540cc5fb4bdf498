/** Reads the files of the token endpoint of one configuration, and puts it together. */

import { ClientAssertions } from '../../authentication/client/client-assertion.ts';
import { Clients, type KnownClient, readClient } from '../../authentication/client/clients.ts';
import { FailedAttempts } from '../../authentication/client/failed-attempts.ts';
import type { RevokedTokens } from '../../authentication/revocation/revoked-tokens.ts';
import type { ServiceTokens } from '../../authentication/service-token/service-tokens.ts';
import type { Sessions } from '../../authentication/session/sessions.ts';
import type { FileReader } from '../../config/files/named-files.ts';
import type { KeySet } from '../../jwt/key-set.ts';
import { ownTokenProfile } from '../../jwt/profiles.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { Responder } from '../../response/respond.ts';
import type { AttemptStore, OnceStore } from '../../store/store.ts';
import type { AuditLog } from '../../telemetry/audit.ts';
import type { Keyring } from '../../token/keyring.ts';
import { TokenIssuer } from '../../token/token-issuer.ts';
import type { Endpoint, EndpointRow } from '../endpoints.ts';
import { Grants } from './grants.ts';
import { clientPolicies } from './policy.ts';
import type { TokenEndpointConfig } from './section.ts';
import type { TokenEndpointSeries } from './series.ts';
import { SubjectTokens } from './subject-tokens.ts';
import { TokenEndpoint } from './token-endpoint.ts';

interface TokenEndpointSurroundings {
  /** `iss` of our tokens. */
  readonly issuer: string;
  readonly keyring: Keyring;
  /** The same keys, to verify with. */
  readonly ownKeys: KeySet;
  readonly serviceTokens: Pick<ServiceTokens, 'authenticate'>;
  readonly revokedTokens: RevokedTokens;
  readonly sessions: Sessions;
  readonly attempts: AttemptStore;
  readonly once: OnceStore;
  readonly responder: Responder;
  readonly audit: AuditLog;
  readonly series: { readonly tokenEndpoint: TokenEndpointSeries };
  readonly clocks: Clocks;
}

/** The sections that it reads. */
interface TokenEndpointSections {
  readonly tokenEndpoint?: TokenEndpointConfig | undefined;
  readonly basePath: string;
  readonly publicOrigin: readonly string[];
  readonly upstreamToken: { readonly claims: object };
  readonly listeners: { readonly public: { readonly timeouts: { readonly bodyIdle: number } } };
}

/** Reads the secrets and keys of the clients. */
export const readTokenEndpoint = (
  { clients }: TokenEndpointConfig,
  reader: FileReader,
): Promise<readonly KnownClient[]> =>
  Promise.all(
    Object.entries(clients).map(([id, client]) =>
      readClient(['tokenEndpoint', 'clients', id], { id, ...client }, reader),
    ),
  );

/**
 * The token endpoint; `null` where the configuration has none.
 *
 * @param clients  what {@link readTokenEndpoint} gave
 */
export function compileTokenEndpoint(
  config: TokenEndpointSections,
  clients: readonly KnownClient[],
  parts: TokenEndpointSurroundings,
): TokenEndpoint | null {
  const { tokenEndpoint } = config;
  if (tokenEndpoint === undefined) return null;
  return new TokenEndpoint({
    clients: compileClients(clients, tokenEndpoint, config, parts),
    policies: clientPolicies(tokenEndpoint.clients),
    grants: compileGrants(tokenEndpoint, config, parts),
    rate: { perSecond: tokenEndpoint.limits.requestsPerSecond, burst: tokenEndpoint.limits.burst },
    responder: parts.responder,
    audit: parts.audit,
    series: parts.series.tokenEndpoint,
    monotonicMs: parts.clocks.monotonicMs,
    bodyTimeoutMs: config.listeners.public.timeouts.bodyIdle,
  });
}

/** The row for `Endpoints`. */
export const tokenEndpointRow = (basePath: string, answer: Endpoint): EndpointRow => ({
  method: 'POST',
  path: `${basePath}/token`,
  // Services call the gateway by an internal name.
  needsPublicOrigin: false,
  answer,
});

/** Where the token endpoint is, under each public origin. */
export const tokenEndpointUrls = ({
  publicOrigin,
  basePath,
}: Pick<TokenEndpointSections, 'publicOrigin' | 'basePath'>): readonly string[] =>
  publicOrigin.map((origin) => `${origin}${basePath}/token`);

function compileClients(
  clients: readonly KnownClient[],
  { throttle }: TokenEndpointConfig,
  config: TokenEndpointSections,
  { issuer, serviceTokens, attempts, once, clocks }: TokenEndpointSurroundings,
): Clients {
  const { freeAttemptsPerClient: freeAttempts, maxDelay: maxDelayMs, window: windowMs } = throttle;
  return new Clients(clients, {
    serviceTokens,
    assertions: new ClientAssertions([issuer, ...tokenEndpointUrls(config)], once, clocks.wallMs),
    failedAttempts: new FailedAttempts('client', attempts, { freeAttempts, maxDelayMs, windowMs }, clocks.wallMs),
  });
}

function compileGrants(
  { maxChainDepth, exchangeLifetime, serviceTokenLifetime, subjectIssuers }: TokenEndpointConfig,
  { upstreamToken }: TokenEndpointSections,
  { issuer, keyring, ownKeys, serviceTokens, revokedTokens, sessions, clocks }: TokenEndpointSurroundings,
): Grants {
  const { wallMs } = clocks;
  const subjectTokens = new SubjectTokens(
    {
      ownKeys,
      ownProfile: ownTokenProfile(issuer),
      serviceTokens,
      revoked: revokedTokens,
      sessions,
      wallMs,
    },
    new Map(subjectIssuers.map(({ issuer: name, sharesSessions }) => [name, sharesSessions])),
  );
  return new Grants(
    {
      issuer,
      maxChainDepth,
      exchangeLifetimeMs: exchangeLifetime,
      serviceTokenLifetimeMs: serviceTokenLifetime,
      mappedClaims: new Set(Object.keys(upstreamToken.claims)),
    },
    subjectTokens,
    new TokenIssuer(issuer, keyring, wallMs),
  );
}
