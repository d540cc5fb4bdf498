/**
 * The series of the routes of a gateway. A reload keeps those of routes that still exist; those of a route that is gone
 * are removed some time later, so that the last requests are scraped and renamed routes do not pile up.
 */

import { LoopShare } from '../lib/concurrency/loop-share.ts';
import { NO_DESTINATION, NO_ROUTE, OWN_ENDPOINT, type RequestSeries, RouteMetrics } from './route-series.ts';

/** For this long, a route that is gone keeps its series. */
export const GONE_AFTER_MS = 15 * 60_000;

/** A route, as it is counted. */
export interface CountedRoute {
  readonly id: string;
  /** `null` when it forwards nothing. */
  readonly upstream: string | null;
}

/** The sections that have what is counted by route. */
interface Counted {
  readonly routes: readonly CountedRoute[];
  readonly outbound?: { readonly destinations: readonly CountedRoute[] } | undefined;
}

/** Destinations are counted like routes, after which they are numbered. */
export const routesAndDestinations = ({ routes, outbound }: Counted): readonly CountedRoute[] => [
  ...routes,
  ...(outbound?.destinations ?? []),
];

/** Everything that is counted by route, including what is not a route of the configuration. */
export const countedRoutes = (config: Counted): readonly CountedRoute[] => [
  ...routesAndDestinations(config),
  ...[NO_ROUTE, OWN_ENDPOINT, ...(config.outbound === undefined ? [] : [NO_DESTINATION])].map((id) => ({
    id,
    upstream: null,
  })),
];

/** Makes, keeps and removes the series of routes. */
export class CountedRoutes {
  readonly #series: RequestSeries;
  readonly #present = new Map<string, RouteMetrics>();
  /** Since when a route, or an upstream, is in no configuration. */
  readonly #goneSinceMs = { route: new Map<string, number>(), upstream: new Map<string, number>() };

  constructor(series: RequestSeries) {
    this.#series = series;
  }

  /** The series of a route. @param labels  `metrics.labels` of the configuration, which a reload does not change */
  of(route: CountedRoute, labels: readonly 'method'[]): RouteMetrics {
    const key = keyOf(route);
    const present = this.#present.get(key);
    if (present !== undefined) return present;
    const made = new RouteMetrics(this.#series, route.id, route.upstream, labels);
    this.#present.set(key, made);
    return made;
  }

  /** Makes the series of new routes, in parts, so that {@link of} finds them. */
  async prepare(routes: readonly CountedRoute[], labels: readonly 'method'[]): Promise<void> {
    const share = new LoopShare();
    for (const route of routes) {
      this.of(route, labels);
      if (share.isUsed) await share.next();
    }
    await share.next();
  }

  /** From now on these are all; the series of the others are removed later. */
  keepOnly(routes: readonly CountedRoute[], nowMs: number): void {
    const keys = new Set(routes.map(keyOf));
    const ids = new Set(routes.map(({ id }) => id));
    const upstreams = new Set(routes.map(({ upstream }) => upstream));
    for (const [key, { route, upstream }] of this.#present) {
      if (keys.has(key)) continue;
      this.#present.delete(key);
      if (!ids.has(route)) this.#goneSinceMs.route.set(route, nowMs);
      if (upstream !== null && !upstreams.has(upstream)) this.#goneSinceMs.upstream.set(upstream, nowMs);
    }
    for (const id of ids) this.#goneSinceMs.route.delete(id);
    for (const upstream of upstreams) if (upstream !== null) this.#goneSinceMs.upstream.delete(upstream);
    this.sweep(nowMs);
  }

  /** Removes the series of what is gone for long enough. A route on which something is in progress, such as a WebSocket, waits. */
  sweep(nowMs: number): void {
    for (const label of ['route', 'upstream'] as const) {
      const since = this.#goneSinceMs[label];
      const over = new Set<string>();
      for (const [name, ms] of since) {
        const isInUse = label === 'route' && this.#series.inFlight.child({ route: name }).value > 0;
        if (nowMs - ms < GONE_AFTER_MS || isInUse) continue;
        over.add(name);
        since.delete(name);
      }
      if (over.size > 0) this.#series.remove(label, over);
    }
  }
}

const keyOf = ({ id, upstream }: CountedRoute) => `${id} ${upstream ?? ''}`;
