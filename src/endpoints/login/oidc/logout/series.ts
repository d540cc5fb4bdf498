/** What is counted of logouts by identity providers. */

import { CONFIGURED, type MetricRegistry } from '../../../../telemetry/registry.ts';

/**
 * `ended`: sessions ended; `none`: the token holds, and there was no session to end; `refused`: the token or the request breaks
 * a rule; `failed`: something is broken, so that nobody was logged out.
 */
const OUTCOMES = ['ended', 'none', 'refused', 'failed'] as const;
/** See {@link OUTCOMES}. */
type Outcome = (typeof OUTCOMES)[number];

/** The metrics of logouts by identity providers. */
export class LogoutSeries {
  readonly #backchannel;

  constructor(registry: MetricRegistry) {
    this.#backchannel = registry.counter(
      'provider_backchannel_logouts_total',
      'Logout tokens that an identity provider sent: ended when sessions ended, none when there was none, refused, or failed.',
      { provider: CONFIGURED, outcome: OUTCOMES },
    );
  }

  /** Every series of these providers exists from now on. */
  expect(providers: readonly string[]): void {
    for (const provider of providers) for (const outcome of OUTCOMES) this.#backchannel.inc({ provider, outcome }, 0);
  }

  onBackchannelLogout(provider: string, outcome: Outcome): void {
    this.#backchannel.inc({ provider, outcome });
  }
}
