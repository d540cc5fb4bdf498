/** What is counted of tokens for calls on the outbound side. */

import { CONFIGURED, LONG_BUCKETS_SEC, type MetricRegistry } from '../telemetry/registry.ts';
import { type DestinationTokenEvents, TOKEN_RESULTS } from './kept-token.ts';

/** The metrics of the outbound side. Its requests are counted by route like all others. */
export class OutboundSeries {
  readonly #tokens;
  readonly #wait;

  constructor(registry: MetricRegistry) {
    this.#tokens = registry.counter(
      'destination_tokens_total',
      'Tokens for calls on the outbound side by destination (a route label, too): sent again, waited for, refused to the caller, or not to be had.',
      { destination: CONFIGURED, result: TOKEN_RESULTS },
    );
    this.#wait = registry.histogram(
      'destination_token_wait_seconds',
      'Time that a call on the outbound side has waited for its token.',
      LONG_BUCKETS_SEC,
      { destination: CONFIGURED },
    );
  }

  /** Counts the tokens of one destination, whose series exist from now on. */
  of(destination: string): DestinationTokenEvents {
    for (const result of TOKEN_RESULTS) this.#tokens.inc({ destination, result }, 0);
    this.#wait.zero({ destination });
    return {
      onResult: (result) => this.#tokens.inc({ destination, result }),
      onObtained: (durationMs) => this.#wait.observe({ destination }, durationMs / 1_000),
    };
  }
}
