/** Opens the upstreams of one configuration. */

import type { Clock } from '../lib/clock.ts';
import type { UpstreamConfig } from './section.ts';
import type { UpstreamSeries } from './series.ts';
import { Upstream } from './upstream.ts';

/** Upstreams by name. */
export type Upstreams = ReadonlyMap<string, Upstream>;

/**
 * Opens the upstreams. No connection is made before a request needs one.
 *
 * @param previous  upstreams that did not change, their TLS files included, are taken over with their connections
 * @throws ConfigFault when a TLS file cannot be used
 */
export function openUpstreams(
  sections: Readonly<Record<string, UpstreamConfig>>,
  monotonicMs: Clock,
  series: UpstreamSeries,
  previous: Upstreams | null,
): Upstreams {
  return new Map(
    Object.entries(sections).map(([name, section]) => {
      series.zero(name);
      const present = previous?.get(name);
      return [name, present?.isMadeBy(section) === true ? present : new Upstream(name, section, monotonicMs)];
    }),
  );
}
