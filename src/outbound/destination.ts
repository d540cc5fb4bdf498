/**
 * A destination of the outbound side as a route: what the workload may call is matched, rewritten and forwarded by the
 * same code as what clients call.
 */

import { compileRoute, type Route, routePatterns } from '../routing/route.ts';
import type { RouteConfig } from '../routing/section.ts';
import { type RouteEntry, RouteTable } from '../routing/table.ts';
import type { DestinationConfig } from './section.ts';

/** Under which hosts the workload calls when it tells destinations apart by path. */
const LOOPBACK_HOSTS = ['127.0.0.1', 'localhost', '[::1]'];

/** The credential rule of a destination: the workload, by being there. */
const WORKLOAD = { session: 'no', issuers: new Set<string>() } as const;
/** The same, and a bearer token that is exchanged. What stands for its issuer is only a name: whoever exchanges it verifies it. */
const WORKLOAD_WITH_SUBJECT = { session: 'no', issuers: new Set(['subject token']) } as const;

/** A destination written as a route would be. */
export function asRoute(destination: DestinationConfig): RouteConfig {
  const { token: _token, hostHeader: _hostHeader, match, ...shared } = destination;
  const { host = LOOPBACK_HOSTS, path, exactPath } = match;
  return {
    ...shared,
    match: { ...match, host, ...(path === undefined && exactPath === undefined && { path: ['/'] }) },
    credential: 'none',
    upstreamToken: 'none',
    csrf: 'off',
    passAuthorization: false,
    relaySessionCookie: false,
    onUnauthenticated: 'challenge',
  };
}

/**
 * Compiles the destinations into their table.
 *
 * @param firstIndex  of the first destination: where those of the routes end, so that both have one numbering
 */
export function compileDestinations(
  destinations: readonly DestinationConfig[],
  firstIndex: number,
): { readonly table: RouteTable<Route>; readonly routes: readonly Route[] } {
  const routes = destinations.map((destination, position) => compileDestination(destination, firstIndex + position));
  const entries = destinations.flatMap((destination, position) =>
    routePatterns(asRoute(destination), []).map(
      (pattern): RouteEntry<Route> => ({ pattern, route: routes[position] as Route }),
    ),
  );
  return { table: new RouteTable(entries), routes };
}

function compileDestination(destination: DestinationConfig, index: number): Route {
  return Object.freeze({
    ...compileRoute(asRoute(destination), index),
    credential: destination.token.exchange === undefined ? WORKLOAD : WORKLOAD_WITH_SUBJECT,
    hostHeader: destination.hostHeader,
    // It is the workload that calls: that it does so through us is nobody's business.
    namesClient: false,
  });
}
