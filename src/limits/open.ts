/** Opens the limits of one configuration. */

import { type InProgress, Limits } from './limits.ts';
import type { LimitSeries } from './series.ts';

interface ListenerSections {
  readonly publicOrigin: readonly string[];
  readonly listeners: {
    readonly public: {
      readonly tls?: object | undefined;
      readonly trustedProxies: readonly string[];
      readonly limits: {
        readonly maxConnectionsPerClient?: number | undefined;
        readonly maxRequestsPerClient?: number | undefined;
      };
    };
  };
}

/** What the configuration says about limits. */
export interface LimitSections extends ListenerSections {
  readonly session: { readonly maxRequests: number };
  readonly routes: readonly { readonly maxRequests?: number | undefined }[];
}

/**
 * What one client may have. Where TLS ends at a proxy that is not in `trustedProxies`, every client has the address of that
 * proxy: then only configured limits apply.
 */
export function clientLimits({ publicOrigin, listeners }: ListenerSections): {
  readonly connections: number;
  readonly requests: number;
} {
  const { tls, trustedProxies, limits } = listeners.public;
  const isBehindUnknownProxy =
    tls === undefined && trustedProxies.length === 0 && publicOrigin.some((origin) => origin.startsWith('https:'));
  return {
    connections: limits.maxConnectionsPerClient ?? (isBehindUnknownProxy ? Number.POSITIVE_INFINITY : 2_000),
    requests: limits.maxRequestsPerClient ?? (isBehindUnknownProxy ? Number.POSITIVE_INFINITY : 1_024),
  };
}

/** Opens them. */
export function openLimits(config: LimitSections, inProgress: InProgress, series: LimitSeries): Limits {
  const rules = {
    perClient: clientLimits(config).requests,
    perSession: config.session.maxRequests,
    perRoute: config.routes.map(({ maxRequests }) => maxRequests),
  };
  return new Limits(rules, inProgress, series);
}
