/** The metric series of the outbound side. */

import { CONFIGURED, LONG_BUCKETS_SEC, type MetricRegistry } from '../telemetry/registry.ts';
import { type DestinationTokenEvents, TOKEN_RESULTS } from './kept-token.ts';

/** The metrics of the outbound side. Its requests are counted by route like all others. */
export class OutboundSeries {
  readonly #tokens;
  readonly #wait;

  constructor(registry: MetricRegistry) {
    this.#tokens = registry.counter(
      'destination_tokens_total',
      'Tokens for calls on the outbound side by destination (also a route label): reused, obtained, refused to the caller, or failed.',
      { destination: CONFIGURED, result: TOKEN_RESULTS },
    );
    this.#wait = registry.histogram(
      'destination_token_wait_seconds',
      'Time that calls on the outbound side waited for a token.',
      LONG_BUCKETS_SEC,
      { destination: CONFIGURED },
    );
  }

  /** Counts the tokens of one destination, and creates its series. */
  of(destination: string): DestinationTokenEvents {
    for (const result of TOKEN_RESULTS) this.#tokens.inc({ destination, result }, 0);
    this.#wait.zero({ destination });
    return {
      onResult: (result) => this.#tokens.inc({ destination, result }),
      onObtained: (durationMs) => this.#wait.observe({ destination }, durationMs / 1_000),
    };
  }
}
