/** What is counted of refresh tokens. */

import { REFRESH_CLIENTS } from '../../store/refresh-family.ts';
import type { MetricRegistry } from '../../telemetry/registry.ts';
import { REFRESH_RESULTS } from './refresher.ts';

/** The metrics of refresh tokens. */
export class RefreshSeries {
  readonly familiesBegun;
  readonly refreshes;

  constructor(registry: MetricRegistry) {
    this.familiesBegun = registry.counter(
      'refresh_families_begun_total',
      'Families of refresh tokens that began with a login, by kind of client.',
      { client: REFRESH_CLIENTS },
    );
    this.refreshes = registry.counter(
      'refreshes_total',
      'Refreshes by result: rotated, replayed or kept, or why there was none.',
      { result: REFRESH_RESULTS },
    );
  }
}
