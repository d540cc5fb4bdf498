/** What is counted of logins at identity providers. */

import type { Reason } from '../../../errors.ts';
import { CONFIGURED, LONG_BUCKETS_SEC, type MetricRegistry } from '../../../telemetry/registry.ts';

/** The kinds of calls to a provider. */
const PROVIDER_CALLS = ['metadata', 'keys', 'par', 'token', 'refresh', 'userinfo', 'revocation'] as const;
/** See {@link PROVIDER_CALLS}. */
export type ProviderCall = (typeof PROVIDER_CALLS)[number];

/** Reasons for which a login at a provider can fail; any other counts as `other`. */
const FAILURES = [
  'login_cookie_missing',
  'login_expired',
  'login_declined',
  'login_interaction_required',
  'login_response_invalid',
  'login_clock_skew',
  'login_not_allowed',
  'login_attributes_too_large',
  'login_groups_missing',
  'step_up_insufficient',
  'step_up_other_account',
  'rate_limited',
  'overloaded',
  'provider_unavailable',
  'store_unavailable',
] as const satisfies readonly Reason[];

const OUTCOMES = ['succeeded', ...FAILURES, 'other'] as const;

const FETCH_RESULTS = ['refreshed', 'partial', 'failed'] as const;

interface AgeingProvider {
  readonly name: string;
  /** `null` where metadata was never fetched. */
  readonly ageMs: number | null;
}

/** The metrics of logins at identity providers. */
export class ProviderSeries {
  readonly started;
  readonly logins;
  readonly #durations;
  readonly #failedCalls;
  readonly fetches;
  readonly #age;

  constructor(registry: MetricRegistry) {
    this.started = registry.counter('provider_logins_started_total', 'Logins that began at an identity provider.', {
      provider: CONFIGURED,
    });
    this.logins = registry.counter(
      'provider_logins_total',
      'Logins at an identity provider that ended, by outcome: succeeded, or the reason why not.',
      { provider: CONFIGURED, outcome: OUTCOMES },
    );
    this.#durations = registry.histogram(
      'provider_call_duration_seconds',
      'How long an identity provider took to answer, or to fail to.',
      LONG_BUCKETS_SEC,
      { provider: CONFIGURED, call: PROVIDER_CALLS },
    );
    this.#failedCalls = registry.counter(
      'provider_call_failures_total',
      'Calls that an identity provider did not answer, or answered with 429 or 5xx.',
      { provider: CONFIGURED, call: PROVIDER_CALLS },
    );
    this.fetches = registry.counter(
      'provider_metadata_fetches_total',
      'Fetches of metadata and keys of an identity provider: refreshed, failed, or partial when some keys had to be left out.',
      { provider: CONFIGURED, result: FETCH_RESULTS },
    );
    this.#age = registry.readGauge(
      'provider_metadata_age_seconds',
      'How long ago metadata and keys of an identity provider were last fetched; none where they never were.',
      { provider: CONFIGURED },
      'max',
    );
  }

  /** Every series of these providers exists from now on, and their ages are read from them. */
  expect(providers: readonly AgeingProvider[]): void {
    for (const { name: provider } of providers) {
      this.started.inc({ provider }, 0);
      for (const outcome of OUTCOMES) this.logins.inc({ provider, outcome }, 0);
      for (const call of PROVIDER_CALLS) {
        this.#durations.zero({ provider, call });
        this.#failedCalls.inc({ provider, call }, 0);
      }
      for (const result of FETCH_RESULTS) this.fetches.inc({ provider, result }, 0);
    }
    this.#age.readFrom(() =>
      providers.flatMap(({ name, ageMs }) => (ageMs === null ? [] : [[{ provider: name }, ageMs / 1_000] as const])),
    );
  }

  /** A login has failed. */
  onFailed(provider: string, reason: Reason): void {
    this.logins.inc({ provider, outcome: FAILURES.find((known) => known === reason) ?? 'other' });
  }

  /** A provider has answered a call, or has failed to. */
  onCall(provider: string, call: ProviderCall, isAnswered: boolean, durationMs: number): void {
    this.#durations.observe({ provider, call }, durationMs / 1_000);
    if (!isAnswered) this.#failedCalls.inc({ provider, call });
  }
}
