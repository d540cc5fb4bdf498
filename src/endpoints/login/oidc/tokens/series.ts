/** The metrics of stored tokens of identity providers. */

import { CONFIGURED, type MetricRegistry } from '../../../../telemetry/registry.ts';

/**
 * `confirmed`: the user is as before; `changed`: attributes of the session have changed; `renewed`: an access token was renewed,
 * without `revalidate`; `ended`: the provider, or `allow`, no longer lets the user in, and the session has ended; `lost`: the session
 * has no tokens to ask with; `failed`: the provider gave no usable answer.
 */
const OUTCOMES = ['confirmed', 'changed', 'renewed', 'ended', 'lost', 'failed'] as const;
const REVOCATIONS = ['revoked', 'failed'] as const;

/** The metrics of the tokens of identity providers. */
export class ProviderTokenSeries {
  readonly refreshes;
  readonly revocations;

  constructor(registry: MetricRegistry) {
    this.refreshes = registry.counter(
      'provider_refreshes_total',
      'Times that an identity provider was asked again about a session, by outcome: confirmed, changed when attributes of the session changed, renewed when it was for an access token only, ended when the session ended, lost when there were no tokens to ask with, or failed.',
      { provider: CONFIGURED, outcome: OUTCOMES },
    );
    this.revocations = registry.counter(
      'provider_token_revocations_total',
      'Tokens of an identity provider that were to be revoked there after a logout: revoked, or failed.',
      { provider: CONFIGURED, outcome: REVOCATIONS },
    );
  }

  /** Every series of these providers exists from now on. */
  expect(providers: readonly string[]): void {
    for (const provider of providers) {
      for (const outcome of OUTCOMES) this.refreshes.inc({ provider, outcome }, 0);
      for (const outcome of REVOCATIONS) this.revocations.inc({ provider, outcome }, 0);
    }
  }
}
