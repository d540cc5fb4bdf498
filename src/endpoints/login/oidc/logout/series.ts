/** What is counted of logouts by identity providers, and of those that go on there. */

import { CONFIGURED, type MetricRegistry } from '../../../../telemetry/registry.ts';

/**
 * `ended`: sessions ended; `none`: the token holds, and there was no session to end; `refused`: the token or the request breaks
 * a rule; `failed`: something is broken, so that nobody was logged out.
 */
const OUTCOMES = ['ended', 'none', 'refused', 'failed'] as const;
/** See {@link OUTCOMES}. */
type Outcome = (typeof OUTCOMES)[number];

/** `begun`: the browser was sent to the provider; `returned`: the provider has sent it back. */
const STEPS = ['begun', 'returned'] as const;

/** The metrics of logouts by identity providers. */
export class LogoutSeries {
  readonly #backchannel;
  readonly #atProvider;

  constructor(registry: MetricRegistry) {
    this.#backchannel = registry.counter(
      'provider_backchannel_logouts_total',
      'Logout tokens that an identity provider sent: ended when sessions ended, none when there was none, refused, or failed.',
      { provider: CONFIGURED, outcome: OUTCOMES },
    );
    this.#atProvider = registry.counter(
      'provider_logouts_total',
      'Logouts here that went on at an identity provider: begun when the browser was sent there, returned when it came back.',
      { provider: CONFIGURED, step: STEPS },
    );
  }

  /** Every series of these providers exists from now on. */
  expect(providers: readonly string[]): void {
    for (const provider of providers) {
      for (const outcome of OUTCOMES) this.#backchannel.inc({ provider, outcome }, 0);
      for (const step of STEPS) this.#atProvider.inc({ provider, step }, 0);
    }
  }

  onLogoutAtProvider(provider: string, step: (typeof STEPS)[number]): void {
    this.#atProvider.inc({ provider, step });
  }

  onBackchannelLogout(provider: string, outcome: Outcome): void {
    this.#backchannel.inc({ provider, outcome });
  }
}
