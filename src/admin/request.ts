/** A request to the admin listener, its answer, and what endpoints work with. */

import type { Logger } from '../telemetry/log.ts';
import type { GatewayControl, ReloadControl } from './control.ts';
import type { AdminSeries } from './series.ts';

/** What the admin listener works with. */
export interface AdminParts {
  readonly control: GatewayControl;
  readonly reloader: ReloadControl;
  readonly log: Logger;
  readonly series: AdminSeries;
}

/** One request to the admin listener. */
export interface AdminRequest {
  readonly id: string;
  /** Address of the client. */
  readonly client: string;
  /** The segment that a path ends with, where its endpoint takes one. */
  readonly segment: string;
  readonly query: URLSearchParams;
  /** Text of the body, where the endpoint takes one. */
  readonly body: string;
}

/** What an endpoint answers. */
export interface AdminAnswer {
  readonly status: number;
  readonly mediaType: string;
  /** A long one in blocks. */
  readonly body: string | AsyncIterable<string>;
}
