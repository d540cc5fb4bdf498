/** The metric series of one gateway: one typed list of what its parts count. */

import { RevocationSeries } from '../authentication/revocation/series.ts';
import { AuthenticationSeries } from '../authentication/series.ts';
import { ServiceTokenSeries } from '../authentication/service-token/series.ts';
import { SessionSeries } from '../authentication/session/series.ts';
import { CommandLineSeries } from '../endpoints/command-line/series.ts';
import { LoginSeries } from '../endpoints/login/series.ts';
import { RefreshSeries } from '../endpoints/refresh/series.ts';
import { TokenEndpointSeries } from '../endpoints/token/series.ts';
import { LimitSeries } from '../limits/series.ts';
import { ListenerSeries, QueueSeries } from '../listener/series.ts';
import { OutboundSeries } from '../outbound/series.ts';
import { StoreSeries } from '../store/series.ts';
import { CountedRoutes } from '../telemetry/counted-routes.ts';
import type { MetricRegistry } from '../telemetry/registry.ts';
import { RequestSeries } from '../telemetry/route-series.ts';
import { TraceSeries } from '../telemetry/traces/series.ts';
import { TokenSeries } from '../token/series.ts';
import { UpstreamSeries } from '../upstream/series.ts';

/** Everything that a gateway counts; once per registry. A part is given its own member, never the whole. */
export function gatewaySeries(registry: MetricRegistry) {
  const requests = new RequestSeries(registry);
  return {
    requests,
    routes: new CountedRoutes(requests),
    listeners: new ListenerSeries(registry),
    queue: new QueueSeries(registry),
    limits: new LimitSeries(registry),
    authentication: new AuthenticationSeries(registry),
    sessions: new SessionSeries(registry),
    serviceTokens: new ServiceTokenSeries(registry),
    revocations: new RevocationSeries(registry),
    tokens: new TokenSeries(registry),
    upstreams: new UpstreamSeries(registry),
    logins: new LoginSeries(registry),
    refresh: new RefreshSeries(registry),
    tokenEndpoint: new TokenEndpointSeries(registry),
    commandLine: new CommandLineSeries(registry),
    outbound: new OutboundSeries(registry),
    store: new StoreSeries(registry),
    traces: new TraceSeries(registry),
  };
}

/** What {@link gatewaySeries} makes. */
export type GatewaySeries = ReturnType<typeof gatewaySeries>;
