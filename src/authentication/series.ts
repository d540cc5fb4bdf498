/** What is counted of credentials of any kind. What is counted of one kind is in its own folder. */

import type { MetricRegistry } from '../telemetry/registry.ts';
import { KINDS } from './kinds.ts';

/** Kinds whose credentials end while streams are open. */
const ENDING = Object.values(KINDS).flatMap(({ ending }) => (ending === null ? [] : [ending.label]));

/** The metrics of authentication. */
export class AuthenticationSeries {
  readonly streamsEnded;

  constructor(registry: MetricRegistry) {
    this.streamsEnded = registry.counter(
      'streams_ended_total',
      'Open responses and WebSockets that were cut because their session or token had ended.',
      { credential: ENDING },
    );
  }
}
