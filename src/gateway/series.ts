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
import { ListenerSeries } from '../listener/http1/series.ts';
import { QueueSeries } from '../listener/series.ts';
import { OutboundSeries } from '../outbound/series.ts';
import { StoreSeries } from '../store/series.ts';
import { CountedRoutes } from '../telemetry/counted-routes.ts';
import type { MetricRegistry } from '../telemetry/registry.ts';
import { RequestSeries } from '../telemetry/route-series.ts';
import { TraceSeries } from '../telemetry/traces/series.ts';
import { TokenSeries } from '../token/series.ts';
import { UpstreamSeries } from '../upstream/series.ts';

/** Everything that a gateway counts. A part is given its own member, never the whole. */
export class GatewaySeries {
  readonly requests: RequestSeries;
  readonly routes: CountedRoutes;
  readonly listeners: ListenerSeries;
  readonly queue: QueueSeries;
  readonly limits: LimitSeries;
  readonly authentication: AuthenticationSeries;
  readonly sessions: SessionSeries;
  readonly serviceTokens: ServiceTokenSeries;
  readonly revocations: RevocationSeries;
  readonly tokens: TokenSeries;
  readonly upstreams: UpstreamSeries;
  readonly logins: LoginSeries;
  readonly refresh: RefreshSeries;
  readonly tokenEndpoint: TokenEndpointSeries;
  readonly commandLine: CommandLineSeries;
  readonly outbound: OutboundSeries;
  readonly store: StoreSeries;
  readonly traces: TraceSeries;

  /** Once per registry. */
  constructor(registry: MetricRegistry) {
    this.requests = new RequestSeries(registry);
    this.routes = new CountedRoutes(this.requests);
    this.listeners = new ListenerSeries(registry);
    this.queue = new QueueSeries(registry);
    this.limits = new LimitSeries(registry);
    this.authentication = new AuthenticationSeries(registry);
    this.sessions = new SessionSeries(registry);
    this.serviceTokens = new ServiceTokenSeries(registry);
    this.revocations = new RevocationSeries(registry);
    this.tokens = new TokenSeries(registry);
    this.upstreams = new UpstreamSeries(registry);
    this.logins = new LoginSeries(registry);
    this.refresh = new RefreshSeries(registry);
    this.tokenEndpoint = new TokenEndpointSeries(registry);
    this.commandLine = new CommandLineSeries(registry);
    this.outbound = new OutboundSeries(registry);
    this.store = new StoreSeries(registry);
    this.traces = new TraceSeries(registry);
  }
}
