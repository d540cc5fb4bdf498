/** What is counted of revoked tokens. */

import { REVOCATION_KINDS } from '../../store/store.ts';
import type { MetricRegistry } from '../../telemetry/registry.ts';
import type { FollowedRevocations } from './followed-revocations.ts';

/** The metrics of revoked tokens. */
export class RevocationSeries {
  readonly #known;
  readonly #age;
  readonly forgotten;

  constructor(registry: MetricRegistry) {
    this.#known = registry.readGauge(
      'token_revocations',
      'Revocations of tokens that this process knows of, by kind: one token, a session, a subject.',
      { kind: REVOCATION_KINDS },
      'max',
    );
    this.#age = registry.readGauge(
      'token_revocations_age_seconds',
      'Time since the last proof that no revocation of a token is missing; infinite before the first.',
      {},
      'max',
    );
    this.forgotten = registry.counter(
      'token_revocations_forgotten_total',
      'Revocations that were dropped before their end because there were too many.',
    );
  }

  /** Reads the gauges from these revocations from now on. */
  readFrom(revocations: Pick<FollowedRevocations, 'counts' | 'ageMs'>): void {
    this.#known.readFrom(() => REVOCATION_KINDS.map((kind) => [{ kind }, revocations.counts[kind]]));
    this.#age.readFrom(() => revocations.ageMs / 1_000);
  }
}
