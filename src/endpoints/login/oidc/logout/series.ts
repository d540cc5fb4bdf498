/** What is counted of logouts by identity providers, and of those that continue there. */

import { CONFIGURED, type MetricRegistry } from '../../../../telemetry/registry.ts';

/**
 * `ended`: sessions ended; `none`: the token holds, and there was no session to end; `refused`: the token or the request breaks
 * a rule; `failed`: something is broken, so that nobody was logged out.
 */
const OUTCOMES = ['ended', 'none', 'refused', 'failed'] as const;

/** `ended`: sessions ended; `none`: there was none to end. Anyone can ask, so refusals are not counted here. */
const FRAME_OUTCOMES = ['ended', 'none'] as const;

/** `begun`: the browser was sent to the provider; `returned`: the provider has sent it back. */
const STEPS = ['begun', 'returned'] as const;

/** The metrics of logouts by identity providers. */
export class LogoutSeries {
  readonly backchannel;
  readonly frontchannel;
  readonly atProvider;

  constructor(registry: MetricRegistry) {
    this.backchannel = registry.counter(
      'provider_backchannel_logouts_total',
      'Logout tokens that an identity provider sent: ended when sessions ended, none when there was none, refused, or failed.',
      { provider: CONFIGURED, outcome: OUTCOMES },
    );
    this.frontchannel = registry.counter(
      'provider_frontchannel_logouts_total',
      'Logouts through a frame in the page of an identity provider: ended when sessions ended, or none when there was none.',
      { provider: CONFIGURED, outcome: FRAME_OUTCOMES },
    );
    this.atProvider = registry.counter(
      'provider_logouts_total',
      'Logouts here that continued at an identity provider: begun when the browser was sent there, returned when it came back.',
      { provider: CONFIGURED, step: STEPS },
    );
  }

  /** Every series of these providers exists from now on. */
  expect(providers: readonly string[]): void {
    for (const provider of providers) {
      for (const outcome of OUTCOMES) this.backchannel.inc({ provider, outcome }, 0);
      for (const outcome of FRAME_OUTCOMES) this.frontchannel.inc({ provider, outcome }, 0);
      for (const step of STEPS) this.atProvider.inc({ provider, step }, 0);
    }
  }
}
