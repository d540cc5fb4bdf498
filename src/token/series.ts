/** What is counted of upstream tokens and of the keys that sign them. */

import type { Clock } from '../lib/clock.ts';
import type { HotNumber } from '../telemetry/hot-metrics.ts';
import { type MetricRegistry, SHORT_BUCKETS_SEC } from '../telemetry/registry.ts';
import type { SigningKeys } from './signing-keys.ts';

/**
 * Why a token is signed: it is the `first` of its principal for its audience, the `renewal` of one that is near its end,
 * or one that must not be sent again is `replaced`, because of its signing key, the settings, a revocation, or a clock
 * that was set back.
 */
const MINT_CAUSES = ['first', 'renewal', 'replaced'] as const;
/** One of {@link MINT_CAUSES}. */
export type MintCause = (typeof MINT_CAUSES)[number];

/** The metrics of upstream tokens and signing keys. */
export class TokenSeries {
  readonly #mintedBy: ReadonlyMap<MintCause, HotNumber>;
  readonly reused;
  readonly #mintDuration;
  readonly #keyAge;
  readonly #keysRefreshed;

  constructor(registry: MetricRegistry) {
    const minted = registry.hotCounter(
      'tokens_minted_total',
      'Upstream tokens signed: the first of a principal for an audience, one to replace another near its end, or one to replace another that must not be sent again (signing key, settings or revocation).',
      ['cause'],
    );
    this.#mintedBy = new Map(MINT_CAUSES.map((cause) => [cause, minted.child({ cause })]));
    this.reused = registry.hotCounter('tokens_reused_total', 'Upstream tokens reused.', []).child({});
    this.#mintDuration = registry
      .hotHistogram('token_mint_duration_seconds', 'Time to sign an upstream token.', SHORT_BUCKETS_SEC, [])
      .child({});
    this.#keyAge = registry.readGauge(
      'signing_key_age_seconds',
      'How long the active signing key has been active, and the next one has been published; none where there is no next one.',
      { state: ['active', 'next'] },
      'max',
    );
    this.#keysRefreshed = registry.readGauge(
      'signing_keys_last_refresh_successful',
      '1 when the files of the signing keys could be read, and rotated if it was time; else the known keys stay in use. None where the key is in memory.',
      {},
      'min',
    );
  }

  /**
   * Reads the ages of keys, and whether their files can be read, from these from now on. The age of a key that has always
   * been active counts from now.
   */
  readFrom(
    { keyring, areInFiles }: Pick<SigningKeys, 'keyring' | 'areInFiles'>,
    areReadable: () => boolean,
    wallMs: Clock,
  ): void {
    this.#keysRefreshed.readFrom(() => (areInFiles ? Number(areReadable()) : []));
    const openedAtMs = wallMs();
    const ageSec = (sinceMs: number) => Math.max(0, wallMs() - sinceMs) / 1_000;
    this.#keyAge.readFrom(() => {
      const activeMs = keyring.activeSinceMs();
      const next = keyring.states().find(({ state }) => state === 'next');
      return [
        ...(activeMs === null ? [] : [[{ state: 'active' }, ageSec(activeMs === 0 ? openedAtMs : activeMs)] as const]),
        ...(next === undefined ? [] : [[{ state: 'next' }, ageSec(next.createdAtMs)] as const]),
      ];
    });
  }

  /** A token was signed. */
  minted(durationMs: number, cause: MintCause): void {
    this.#mintedBy.get(cause)?.inc();
    this.#mintDuration.observeMs(durationMs);
  }
}
