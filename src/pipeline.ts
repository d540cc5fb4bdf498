/**
 * The path of a request. Start reading here.
 *
 *   listener → sanitize → routing → authentication → authorization → token → upstream → response
 *
 * Every stage answers with its result or with a Denial; a fault is thrown. Both end in `response/`. A stage is a folder,
 * and stages do not import each other (test/architecture.test.ts).
 */

import type { Authenticator } from './authentication/authenticate.ts';
import type { Authorizer } from './authorization/authorize.ts';
import type { Permit } from './authorization/permit.ts';
import { preflightMethod } from './cors/rule.ts';
import type { Endpoints } from './endpoints/endpoints.ts';
import { asGatewayFault, Denial } from './errors.ts';
import type { Exchange } from './exchange.ts';
import type { CompactToken } from './lib/http/bearer.ts';
import type { Limits } from './limits/limits.ts';
import type { Responder } from './response/respond.ts';
import { patternPath, type RoutePattern } from './routing/pattern.ts';
import { matchReadings } from './routing/readings.ts';
import type { Route } from './routing/route.ts';
import type { RouteEntry, RouteTable } from './routing/table.ts';
import type { Sanitizer, ScreenedRequest } from './sanitize/sanitize.ts';
import type { RouteMetrics } from './telemetry/route-series.ts';
import type { RequestTrace } from './telemetry/traces/request-trace.ts';
import type { Tracer } from './telemetry/traces/tracer.ts';
import type { ProviderTokenSource, TokenSource } from './token/token-source.ts';
import type { Outlet } from './upstream/forward.ts';

/**
 * The stages, compiled from one configuration. The outbound side has other parts in these places than the public
 * listener; the order is the same.
 */
export interface Pipeline {
  readonly sanitizer: Pick<Sanitizer, 'screen'>;
  readonly endpoints: Pick<Endpoints, 'match'> & Partial<Pick<Endpoints, 'pathOf'>>;
  readonly routes: RouteTable<Route>;
  readonly limits: Pick<Limits, 'begun' | 'routed' | 'identified'>;
  readonly authenticator: Authenticator;
  readonly authorizer: Authorizer;
  readonly tokens: TokenSource;
  /** `null` where no route sends any. */
  readonly providerTokens: ProviderTokenSource | null;
  readonly outlet: Outlet;
  readonly responder: Responder;
  readonly series: PipelineSeries;
  /** `null` where nothing is recorded. */
  readonly tracer: Tracer | null;
}

/** The series that a pipeline's exchanges are counted in. */
export interface PipelineSeries {
  /** Requests that match no route. */
  readonly unmatched: RouteMetrics;
  /** Requests to the gateway's own endpoints. */
  readonly endpoints: RouteMetrics;
  /** By `index` of the route. */
  readonly routes: readonly RouteMetrics[];
}

/** Takes a request from its head to its answer. Never throws or rejects. */
export function handle(exchange: Exchange, pipeline: Pipeline): Promise<void> {
  const { sanitizer, tracer, responder } = pipeline;
  try {
    const request = sanitizer.screen(exchange);
    if (tracer !== null) exchange.trace = tracer.begin(exchange.startedMs, request instanceof Denial ? null : request);
    return exchange.trace === null
      ? answer(exchange, request, pipeline)
      : exchange.trace.run(answer, exchange, request, pipeline);
  } catch (thrown) {
    responder.fault(exchange, asGatewayFault(thrown));
    return Promise.resolve();
  }
}

async function answer(exchange: Exchange, request: ScreenedRequest | Denial, pipeline: Pipeline): Promise<void> {
  const { responder } = pipeline;
  try {
    if (request instanceof Denial) return responder.denial(exchange, request);
    exchange.screened = request;
    if (request.proxyRequestId !== null) exchange.id = request.proxyRequestId;
    const crowd = pipeline.limits.begun(exchange, request.clientAddress);
    if (crowd !== null) return responder.denial(exchange, crowd);

    const endpoint = pipeline.endpoints.match(request);
    if (endpoint !== null) {
      exchange.isOwnEndpoint = true;
      exchange.enter(pipeline.series.endpoints);
      if (exchange.trace !== null && !(endpoint instanceof Denial)) noteEndpoint(exchange.trace, request, pipeline);
      const denial = endpoint instanceof Denial ? endpoint : await endpoint(exchange, request);
      if (denial !== null) responder.denial(exchange, denial);
      return;
    }

    const asked = preflightMethod(request);
    if (asked !== null && isPreflightAnswered(exchange, request, asked, pipeline)) return;

    const found = pipeline.routes.match(request.host, request.target.path, request.method);
    if (found instanceof Denial) return responder.denial(exchange, found);
    const match = decidingEntry(request, found, pipeline);
    const { route, pattern } = match instanceof Denial ? found : match;
    exchange.route = route;
    exchange.enter(pipeline.series.routes[route.index] as RouteMetrics);
    exchange.trace?.matched(patternPath(pattern));
    if (match instanceof Denial) return responder.denial(exchange, match);
    const target = pipeline.limits.routed(exchange, route) ?? upstreamTarget(request, route, pattern);
    if (target instanceof Denial) return responder.denial(exchange, target);

    // Only what has to wait is awaited: with a cached session and a token in reuse, nothing is.
    const authenticated = pipeline.authenticator.authenticate(request, route.credential);
    const principal = authenticated instanceof Promise ? await authenticated : authenticated;
    if (principal instanceof Denial) return responder.denial(exchange, principal);
    exchange.principal = principal;
    const excess = pipeline.limits.identified(exchange, principal);
    if (excess !== null) return responder.denial(exchange, excess);

    const permit = pipeline.authorizer.authorize(principal, route, request);
    if (permit instanceof Denial) return responder.denial(exchange, permit);

    const given = tokenOf(exchange, request, permit, pipeline);
    const token = given instanceof Promise ? await given : given;
    if (token instanceof Denial) return responder.denial(exchange, token);

    pipeline.outlet.forward(exchange, request, permit, target, token, pipeline.tokens);
  } catch (thrown) {
    responder.fault(exchange, asGatewayFault(thrown));
  }
}

/** The redirect listener answers every path, and has no name for any. */
function noteEndpoint(trace: RequestTrace, { target }: ScreenedRequest, { endpoints }: Pipeline): void {
  if (endpoints.pathOf !== undefined) trace.matched(endpoints.pathOf(target.path));
}

/** The upstream token of a request, without a promise if it is available at once. */
const tokenOf = (exchange: Exchange, request: ScreenedRequest, permit: Permit, pipeline: Pipeline) =>
  permit.route.providerToken === null
    ? pipeline.tokens.forPermit(permit)
    : withProviderToken(exchange, request, permit, pipeline);

/** The token of a request that also takes one of the identity provider along. */
async function withProviderToken(
  exchange: Exchange,
  request: ScreenedRequest,
  permit: Permit,
  { tokens, providerTokens }: Pipeline,
): Promise<CompactToken | null | Denial> {
  const given = (await providerTokens?.forRequest(permit.principal, request)) ?? null;
  if (given instanceof Denial) return given;
  exchange.providerToken = given;
  return tokens.forPermit(permit);
}

/** Answers a preflight about a route with `cors`. Another one is a request like any other. */
function isPreflightAnswered(
  exchange: Exchange,
  request: ScreenedRequest,
  asked: string,
  { routes, series, responder }: Pipeline,
): boolean {
  const shared = sharedRoute(request, asked, routes);
  if (shared === null) return false;
  exchange.route = shared;
  exchange.enter(series.routes[shared.index] as RouteMetrics);
  const denial = responder.preflight(exchange, asked);
  if (denial !== null) responder.denial(exchange, denial);
  return true;
}

/** The route that a preflight asks about, if it has `cors`. */
function sharedRoute({ host, target }: ScreenedRequest, method: string, routes: RouteTable<Route>): Route | null {
  const found = routes.match(host, target.path, method);
  return found instanceof Denial || found.route.cors === null ? null : found.route;
}

const NO_WEBSOCKET = new Denial('upgrade_unsupported', 'route does not allow WebSockets');

/** The entry whose rules apply: the one that was found, unless the upstream may read the path in several ways. */
function decidingEntry(
  request: ScreenedRequest,
  found: RouteEntry<Route>,
  { routes, endpoints }: Pipeline,
): RouteEntry<Route> | Denial {
  const { target } = request;
  if (!target.hasEncodedSlash && !target.hasSemicolon) return found;
  const isReserved = (path: string) => endpoints.match({ ...request, target: { ...target, path } }) !== null;
  return matchReadings(routes, found, request, isReserved);
}

/** What the upstream will be asked for, if the route admits a request of this form. */
function upstreamTarget(request: ScreenedRequest, route: Route, pattern: RoutePattern): string | Denial {
  const { spelling, query } = request.target;
  if (request.isWebSocket && !route.allowsWebSocket) return NO_WEBSOCKET;
  const rewritten = route.rewrite === null ? spelling : route.rewrite(spelling, pattern);
  return rewritten instanceof Denial ? rewritten : `${rewritten}${query}`;
}
