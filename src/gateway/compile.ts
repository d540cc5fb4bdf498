/**
 * One configuration, compiled into the frozen object that requests run through. A reload compiles another one and
 * swaps; requests that are under way finish on the one they began with.
 *
 * Nothing is read here, and nothing fails: what is in the files of the configuration is handed in (`configuration/contents.ts`), and so is
 * what lives longer than a configuration: store, sessions, metrics, signing keys.
 */

import { isDeepStrictEqual } from 'node:util';
import type { Authenticator } from '../authentication/authenticate.ts';
import { compileCredential } from '../authentication/credential.ts';
import type { Issuer } from '../authentication/service-token/issuer.ts';
import { openIssuers, verifierOver } from '../authentication/service-token/open.ts';
import { Authorizer } from '../authorization/authorize.ts';
import { csrfRules } from '../authorization/csrf.ts';
import { compileAuthorizer, sentStatus } from '../authorizer/pipeline.ts';
import { LocalKeySet } from '../jwt/key-set.ts';
import { grpcCodeOf } from '../lib/http/grpc.ts';
import { clientLimits, openLimits } from '../limits/open.ts';
import { redirectPipeline } from '../listener/redirect.ts';
import { Outbound } from '../outbound/outbound.ts';
import type { Pipeline, PipelineSeries } from '../pipeline.ts';
import type { Responder } from '../response/respond.ts';
import { compileRoutes } from '../routing/route.ts';
import { sanitizeRules } from '../sanitize/rules.ts';
import { Sanitizer } from '../sanitize/sanitize.ts';
import { type CountedRoute, type CountedRoutes, routesAndDestinations } from '../telemetry/counted-routes.ts';
import { NO_DESTINATION, NO_ROUTE, OWN_ENDPOINT } from '../telemetry/route-series.ts';
import { UpstreamTokens } from '../token/upstream-token.ts';
import { Forwarder, type Outlet } from '../upstream/forward.ts';
import { openUpstreams } from '../upstream/open.ts';
import type { Upstream } from '../upstream/servers/upstream.ts';
import { openAuthenticator } from './authenticator.ts';
import type { Contents } from './configuration/contents.ts';
import type { Config } from './configuration/schema.ts';
import { openEndpoints } from './endpoints.ts';
import type { LongLived } from './long-lived.ts';
import { openResponder, ownCookies } from './responder.ts';

const withCompiledCredential = (route: Config['routes'][number]) => ({
  ...route,
  credential: compileCredential(route.credential),
});

/** The pipelines of a configuration, one for each listener that it has. */
interface Pipelines {
  readonly public: Pipeline;
  readonly [listener: string]: Pipeline | undefined;
}

/** A compiled configuration. Nothing is fetched from its identity providers before `provider.start()`. */
export interface Runtime extends Omit<ReturnType<typeof openEndpoints>, 'endpoints'> {
  readonly config: Config;
  /** By the name of their listener. */
  readonly pipelines: Pipelines;
  readonly upstreamTokens: UpstreamTokens;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** Whose service tokens are accepted, by name. Keys that are elsewhere are not fetched before `keys.start()`. */
  readonly issuers: ReadonlyMap<string, Issuer>;
  /** The side on which the workload calls others; `null` when the configuration has none. */
  readonly outbound: Outbound | null;
}

/**
 * Compiles a configuration.
 *
 * @param contents  what is in its files
 * @param previous  the runtime that it will replace: upstreams that did not change keep their connections, issuers that
 *   did not change the keys that were fetched
 */
export function compileRuntime(
  config: Config,
  contents: Contents,
  longLived: LongLived,
  previous: Runtime | null,
): Runtime {
  const { signingKeys, series, clocks } = longLived;
  const routes = compileRoutes(config, compileCredential);
  const upstreams = openUpstreams(config.upstreams, contents.upstreams, {
    monotonicMs: clocks.monotonicMs,
    series: series.upstreams,
    previous: previous?.upstreams ?? null,
  });
  const responder = openResponder(config, contents.pages, clocks.wallMs);
  // The one place that decides the `iss` of the gateway's tokens.
  const issuer = config.upstreamToken.issuer ?? (config.publicOrigin[0] as string);
  const ownKeys = new LocalKeySet(() => signingKeys.keyring.verifying());
  const surroundings = { ...longLived, issuer, responder, ownKeys };
  const issuers = openIssuers(config, contents.issuers, surroundings, previous);
  const serviceTokens = verifierOver(issuers, surroundings);
  const upstreamTokens = compileUpstreamTokens(config, issuer, longLived, previous);
  const { endpoints, ...opened } = openEndpoints(config, contents, { ...surroundings, serviceTokens }, previous);
  const authenticator = openAuthenticator(config, serviceTokens, opened.providerTokens.revalidation, longLived);
  const counted = compileSeries(config, series.routes);
  const shared = { config, longLived, responder, upstreams, authenticator, series: counted };
  const sanitizer = new Sanitizer(sanitizeRules(config));
  const pipeline: Pipeline = {
    sanitizer,
    endpoints,
    routes,
    limits: openLimits(config, longLived.inProgress, series.limits),
    authenticator,
    authorizer: new Authorizer(config.routes.map(withCompiledCredential), csrfRules(config.csrf), clocks.wallMs),
    tokens: upstreamTokens,
    providerTokens: opened.providerTokens.accessTokens,
    outlet: compileOutlet(shared, publicOutlet(config, sanitizer)),
    responder,
    series: counted,
    tracer: longLived.traces.tracer,
  };
  const outbound = compileOutbound(shared, contents.outbound, issuer, previous?.outbound ?? null);
  return Object.freeze({
    config,
    pipelines: {
      public: pipeline,
      redirect: redirectPipeline(pipeline),
      ...compileQuestions(config, contents, pipeline, longLived),
      ...(outbound && { outbound: outbound.pipeline }),
    },
    upstreamTokens,
    upstreams,
    issuers,
    ...opened,
    outbound,
  });
}

/** What the pipelines of the public listener and of the outbound side share. */
interface Shared {
  readonly config: Config;
  readonly longLived: LongLived;
  readonly responder: Responder;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly series: PipelineSeries;
  /** Whose credentials end while streams are open. The workload's does not. */
  readonly authenticator: Authenticator;
}

const publicOutlet = (config: Config, sanitizer: Sanitizer) => ({
  sanitizer,
  tokenHeader: config.upstreamToken.header,
  areClientsKnown: clientLimits(config).requests !== Number.POSITIVE_INFINITY,
});

function compileOutlet(
  { config, longLived, responder, upstreams, authenticator }: Shared,
  own: Pick<Forwarder['settings'], 'tokenHeader' | 'areClientsKnown' | 'sanitizer'>,
): Outlet {
  const { clocks, outletOf, series } = longLived;
  const forwarder = new Forwarder(
    {
      upstreams,
      ownCookies: ownCookies(config),
      ...own,
      bodyIdleTimeoutMs: config.listeners.public.timeouts.bodyIdle,
      minBodyBytesPerSec: config.listeners.public.limits.minUploadRate,
    },
    {
      onFailure: (exchange, failure) => responder.unserved(exchange, failure),
      onRetry: (upstream, reason) => series.upstreams.retries.inc({ upstream, reason }),
      onCallEnded: (upstream, status) => series.upstreams.calls.inc({ upstream, grpc_code: grpcCodeOf(status) }),
      watch: (principal, stream) => authenticator.watch(principal, stream),
    },
    clocks.monotonicMs,
  );
  return outletOf?.(forwarder) ?? forwarder;
}

/** The pipelines for questions of other proxies. */
function compileQuestions(config: Config, { pages }: Contents, front: Pipeline, own: LongLived) {
  const responder = openResponder(config, pages, own.clocks.wallMs, sentStatus);
  return compileAuthorizer(config, front, { responder, ownCookies: ownCookies(config), outletOf: own.outletOf });
}

/** @param previous  its tokens are sent again after a reload */
function compileOutbound(
  shared: Shared,
  cas: Contents['outbound'],
  issuer: string,
  previous: Outbound | null,
): Outbound | null {
  const { config, longLived, responder } = shared;
  if (config.outbound === undefined) return null;
  const { clocks, series, signingKeys, revokedTokens } = longLived;
  // The workload is trusted: its traces continue.
  const own = { trustedProxies: null, traceParents: 'all', publicOrigins: new Map<string, string>() } as const;
  const sanitizer = new Sanitizer({ ...sanitizeRules(config), ...own });
  const parts = {
    sanitizer,
    outlet: compileOutlet(shared, { tokenHeader: 'Authorization', areClientsKnown: false, sanitizer }),
    responder,
    keyring: signingKeys.keyring,
    revoked: revokedTokens,
    issuer,
    clocks,
    tokenSeries: series.outbound,
    routeCount: config.routes.length,
    tracer: longLived.traces.tracer,
    series: {
      ...shared.series,
      unmatched: series.routes.of({ id: NO_DESTINATION, upstream: null }, config.metrics.labels),
    },
  };
  return Outbound.compile(config.outbound, cas, parts, previous);
}

/** Reuses tokens that were minted before a reload, unless its settings change them. */
function compileUpstreamTokens(
  { upstreamToken }: Config,
  issuer: string,
  { signingKeys, revokedTokens, clocks, series }: LongLived,
  previous: Runtime | null,
): UpstreamTokens {
  const settings = { issuer, lifetimeMs: upstreamToken.lifetime, claims: upstreamToken.claims };
  const present = previous?.upstreamTokens.settings;
  const isUnchanged = present !== undefined && isDeepStrictEqual(present, settings);
  return new UpstreamTokens(
    isUnchanged ? present : settings,
    signingKeys.keyring,
    revokedTokens,
    clocks,
    series.tokens,
  );
}

function compileSeries(config: Config, counted: CountedRoutes): PipelineSeries {
  const seriesOf = (route: CountedRoute) => counted.of(route, config.metrics.labels);
  return {
    unmatched: seriesOf({ id: NO_ROUTE, upstream: null }),
    endpoints: seriesOf({ id: OWN_ENDPOINT, upstream: null }),
    routes: routesAndDestinations(config).map(seriesOf),
  };
}
