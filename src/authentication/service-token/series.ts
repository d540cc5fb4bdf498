/** What is counted of service tokens and of the keys of their issuers. */

import type { HotNumber } from '../../telemetry/hot-metrics.ts';
import { CONFIGURED, type MetricRegistry } from '../../telemetry/registry.ts';
import type { Issuer } from './issuer.ts';
import { SERVICE_TOKEN_PROBLEMS, type ServiceTokenProblem } from './refusal.ts';

/** Why a token was accepted: it was remembered, or its signature was verified. */
export type AcceptedFrom = 'memory' | 'signature';

/** Issuer label of tokens whose issuer is not accepted. */
const NO_ISSUER = '_none';

/** How a fetch of keys ended; `partial`: some of the keys could not be used. */
const FETCH_RESULTS = ['refreshed', 'partial', 'failed'] as const;

/** The metrics of service tokens. */
export class ServiceTokenSeries {
  readonly #keysAge;
  readonly #fetches;
  readonly #accepted;
  readonly #refused;
  /** By issuer. */
  readonly #acceptedOf = new Map<string, Readonly<Record<AcceptedFrom, HotNumber>>>();

  constructor(registry: MetricRegistry) {
    this.#keysAge = registry.readGauge(
      'jwks_age_seconds',
      'How long ago the keys of an issuer were last fetched; none where they never were.',
      { issuer: CONFIGURED },
      'max',
    );
    this.#fetches = registry.counter(
      'jwks_fetches_total',
      'Fetches of the keys of an issuer: refreshed, failed, or partial when some keys had to be left out.',
      { issuer: CONFIGURED, result: FETCH_RESULTS },
    );
    this.#accepted = registry.hotCounter(
      'service_tokens_accepted_total',
      'Accepted service tokens by issuer, and whether they were remembered or their signature was verified.',
      ['issuer', 'from'],
    );
    this.#refused = registry.counter(
      'service_tokens_refused_total',
      'Refused service tokens by issuer (`_none`: of no issuer that the route accepts) and problem.',
      { issuer: CONFIGURED, problem: SERVICE_TOKEN_PROBLEMS },
    );
  }

  /** Every series of these issuers exists from now on. */
  expect(issuers: Iterable<Issuer>): void {
    for (const { name: issuer, keys } of issuers) {
      const series = (from: AcceptedFrom) => this.#accepted.child({ issuer, from });
      this.#acceptedOf.set(issuer, { memory: series('memory'), signature: series('signature') });
      this.#zeroRefusals(issuer);
      if (keys.isFetched) for (const result of FETCH_RESULTS) this.#fetches.inc({ issuer, result }, 0);
    }
    this.#zeroRefusals(NO_ISSUER);
  }

  #zeroRefusals(issuer: string): void {
    for (const problem of SERVICE_TOKEN_PROBLEMS) this.#refused.inc({ issuer, problem }, 0);
  }

  /** Reads the ages of keys from these issuers from now on. */
  readFrom(issuers: () => Iterable<Issuer>): void {
    this.#keysAge.readFrom(() =>
      [...issuers()].flatMap(({ name, keys }) =>
        keys.isFetched && keys.ageMs !== null ? [[{ issuer: name }, keys.ageMs / 1_000] as const] : [],
      ),
    );
  }

  /** Counts a fetch of an issuer's keys. @param problem  why it failed, or what had to be left out */
  onFetched(issuer: string, result: 'refreshed' | 'failed', problem: string | null): void {
    this.#fetches.inc({ issuer, result: result === 'refreshed' && problem !== null ? 'partial' : result });
  }

  /** @param issuer  name in the configuration */
  onAccepted(issuer: string, from: AcceptedFrom): void {
    this.#acceptedOf.get(issuer)?.[from].inc();
  }

  /** @param issuer  name in the configuration; `null` when no accepted issuer has issued the token */
  onRefused(issuer: string | null, problem: ServiceTokenProblem): void {
    this.#refused.inc({ issuer: issuer ?? NO_ISSUER, problem });
  }
}
