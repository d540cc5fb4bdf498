/**
 * A destination of the outbound side as a route, so that the same code matches, rewrites and forwards the calls of the
 * workload and the requests of clients.
 */

import { acceptWorkload } from '../authentication/workload/kind.ts';
import { compileRoute, type Route, routePatterns } from '../routing/route.ts';
import type { RouteConfig } from '../routing/section.ts';
import { type RouteEntry, RouteTable } from '../routing/table.ts';
import type { DestinationConfig } from './section.ts';

/** The hosts of destinations that are distinguished by path. */
const LOOPBACK_HOSTS = ['127.0.0.1', 'localhost', '[::1]'];

/** A destination as a route of the configuration, without its credential. */
export function asRoute(destination: DestinationConfig): Omit<RouteConfig, 'credential'> {
  const { token: _token, hostHeader: _hostHeader, match, ...shared } = destination;
  const { host = LOOPBACK_HOSTS, path, exactPath } = match;
  return {
    ...shared,
    match: { ...match, host, ...(path === undefined && exactPath === undefined && { path: ['/'] }) },
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
  const workload = acceptWorkload(destination.token.exchange !== undefined);
  return Object.freeze({
    ...compileRoute(asRoute(destination), index, { kind: 'required', accepts: [workload] }),
    hostHeader: destination.hostHeader,
    // The workload is the client; that it calls through a gateway is not disclosed.
    namesClient: false,
  });
}
