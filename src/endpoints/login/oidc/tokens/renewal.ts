/**
 * Renews the tokens of a session, one replica at a time (REF-01, REF-02): takes the lease of its tokens, asks the provider by refresh
 * token, stores the new tokens, updates the session, and returns the lease.
 *
 * New tokens are stored before anything else happens, because a rotating refresh token works only once. A stalled holder that has lost
 * its lease does not overwrite the tokens of another (REF-04). An unusable answer, or none at all, ends no session (REF-06).
 */

import { setTimeout as pause } from 'node:timers/promises';
import { Denial, DependencyFault } from '../../../../errors.ts';
import { Slots } from '../../../../lib/concurrency/slots.ts';
import { randomHex } from '../../../../lib/crypto/random-hex.ts';
import type { SealedTokenStore } from '../../../../store/sealed-tokens.ts';
import type { Logger } from '../../../../telemetry/log.ts';
import type { IdentityProvider } from '../provider.ts';
import { GRANT_REFUSED } from '../refusals.ts';
import { providerUnavailable } from '../transport.ts';
import { openTokens, type ProviderTokens, sealTokens, tokensIn } from './provider-tokens.ts';
import { redeemRefreshToken } from './refresh-grant.ts';
import type { ProviderTokenSeries } from './series.ts';
import {
  type FollowingParts,
  type SessionAtProvider,
  SessionsAtProviders,
  UnusableAnswer,
} from './sessions-at-providers.ts';

/** The outcome of a renewal. */
type Renewal =
  /** The tokens are as wanted: they have just been renewed, here or elsewhere. */
  | { readonly outcome: 'done'; readonly tokens: ProviderTokens; readonly confirmedAgoMs: number }
  /** Another replica is renewing them, or failed a moment ago. */
  | { readonly outcome: 'held'; readonly leftMs: number }
  /** There are no tokens with which the provider could be asked. */
  | { readonly outcome: 'lost' }
  /** The session has ended. */
  | { readonly outcome: 'ended' };

/** Whether tokens have to be renewed. @param confirmedAgoMs  how long ago the provider has confirmed the user */
type IsWanted = (tokens: ProviderTokens, confirmedAgoMs: number) => boolean;

/** How a renewal is done. */
interface RenewalWish {
  readonly isWanted: IsWanted;
  /** Asked while another replica is renewing: whether to wait for its result. */
  readonly waits: () => boolean;
}

/** What renewals need. */
export interface RenewalParts extends FollowingParts {
  readonly sealedTokens: SealedTokenStore;
  readonly series: ProviderTokenSeries;
  readonly log: Logger;
}

/** What is known of a provider that is asked again. */
interface AskedProvider {
  readonly slots: Slots;
  /** It failed a moment ago, and is not asked again before this time; monotonic. */
  downUntilMs: number;
  /** A failure was logged a moment ago, and the next one is not logged before this time; monotonic. */
  loggedUntilMs: number;
}

/** A lease expires when its holder has not renewed it for this long. */
const LEASE_MS = 6_000;
const RENEW_EVERY_MS = LEASE_MS / 3;
/** After a provider that did not answer, no replica asks about the session for this long. */
const PAUSE_MS = 5_000;
/** Refreshes at one provider at a time, by one process. */
const MAX_AT_ONCE = 32;
/** After a failure, this process does not ask the provider for this long. */
const SPARE_MS = 1_000;
/** A failed write of new tokens is repeated for about a minute. */
const WRITE_ATTEMPTS = 34;
const LONGEST_WRITE_PAUSE_MS = 2_000;
/** How often a request that waits for another replica looks for its result. */
const POLL_MS = 100;

const LOST: Renewal = Object.freeze({ outcome: 'lost' });
const ENDED: Renewal = Object.freeze({ outcome: 'ended' });
/** The tokens of a session, as this replica has leased or read them. */
interface Leased {
  readonly version: number;
  readonly tokens: ProviderTokens;
  readonly confirmedAgoMs: number;
}

/** Renews the tokens of sessions. */
export class TokenRenewal {
  readonly #parts: RenewalParts;
  readonly #sessions: SessionsAtProviders;
  readonly #asked = new WeakMap<IdentityProvider, AskedProvider>();

  constructor(parts: RenewalParts) {
    this.#parts = parts;
    this.#sessions = new SessionsAtProviders(parts);
  }

  /** The tokens of a session, and how long ago the provider confirmed it; `null` if there are none, or they cannot be decrypted. */
  async read(session: SessionAtProvider): Promise<Leased | null> {
    const found = await this.#parts.sealedTokens.get(session.handle);
    return found === null ? null : leasedOf(found, session);
  }

  /**
   * Renews the tokens of a session, unless that is no longer needed once this replica has the lease.
   *
   * @throws DependencyFault `provider_unavailable` | `store_unavailable`, as a rejection: nothing has ended
   */
  async renew(session: SessionAtProvider, { isWanted, waits }: RenewalWish): Promise<Renewal> {
    const { monotonicMs } = this.#parts.clocks;
    const { provider } = session;
    const asked = this.#askedOf(provider);
    const giveUpAtMs = monotonicMs() + 2 * provider.settings.timeoutMs;
    for (;;) {
      if (monotonicMs() < asked.downUntilMs) throw providerUnavailable('it did not answer a moment ago');
      const renewing = asked.slots.run(() => this.#withLease(session, isWanted));
      provider.finishing(renewing);
      const renewed = waits() ? await withDeadline(renewing, 2 * provider.settings.timeoutMs) : await renewing;
      if (renewed.outcome !== 'held' || !waits()) return renewed;
      if (monotonicMs() >= giveUpAtMs) throw providerUnavailable('another replica waits for it');
      await pause(Math.min(POLL_MS, renewed.leftMs));
    }
  }

  #askedOf(provider: IdentityProvider): AskedProvider {
    const known = this.#asked.get(provider);
    if (known !== undefined) return known;
    const never = Number.NEGATIVE_INFINITY;
    const asked = { slots: new Slots(MAX_AT_ONCE), downUntilMs: never, loggedUntilMs: never };
    this.#asked.set(provider, asked);
    return asked;
  }

  /** Notes that a provider gave no usable answer, and logs that once for all sessions around the same time. */
  #failed(provider: IdentityProvider, fault: unknown): void {
    const { clocks, log, series } = this.#parts;
    series.refreshes.inc({ provider: provider.name, outcome: 'failed' });
    // A store that does not answer logs that by itself.
    if (!(fault instanceof DependencyFault) || fault.reason !== 'provider_unavailable') return;
    const asked = this.#askedOf(provider);
    const nowMs = clocks.monotonicMs();
    if (!(fault instanceof UnusableAnswer)) asked.downUntilMs = nowMs + SPARE_MS;
    if (nowMs < asked.loggedUntilMs) return;
    asked.loggedUntilMs = nowMs + SPARE_MS;
    const { name, settings } = provider;
    const doing =
      settings.revalidateEveryMs === null ? 'access tokens cannot be renewed' : 'sessions are not confirmed';
    log.warn({ provider: name, problem: fault.message }, `identity provider refresh failed: ${doing}`);
  }

  async #withLease(session: SessionAtProvider, isWanted: IsWanted): Promise<Renewal> {
    const { sealedTokens } = this.#parts;
    const { handle } = session;
    const owner = randomHex(32);
    const lease = await sealedTokens.lease(handle, owner, LEASE_MS);
    if (lease === null) return LOST;
    if (lease.outcome === 'held') return lease;
    const renewing = setInterval(() => {
      // A lost lease does no harm: the version guards what is written.
      sealedTokens.renew(handle, owner, LEASE_MS).catch(() => {});
    }, RENEW_EVERY_MS);
    let pauseMs = 0;
    try {
      const leased = leasedOf(lease.tokens, session);
      if (leased === null) return LOST;
      const { tokens, confirmedAgoMs } = leased;
      if (!isWanted(tokens, confirmedAgoMs)) return { outcome: 'done', tokens, confirmedAgoMs };
      return tokens.refreshToken === null ? LOST : await this.#ask(session, leased, tokens.refreshToken);
    } catch (thrown) {
      pauseMs = PAUSE_MS;
      this.#failed(session.provider, thrown);
      throw thrown;
    } finally {
      clearInterval(renewing);
      await sealedTokens.release(handle, owner, pauseMs).catch(() => {});
    }
  }

  async #ask(session: SessionAtProvider, leased: Leased, refreshToken: string): Promise<Renewal> {
    const { clocks, series } = this.#parts;
    const { provider } = session;
    const { result, successor } = await redeemRefreshToken(provider, refreshToken);
    if (result === GRANT_REFUSED) return this.#refused(session, leased);

    const hasRotated = successor !== null && successor !== refreshToken;
    const kept = { ...leased.tokens, refreshToken: successor ?? refreshToken };
    // Before anything that can fail.
    const pending = { ...kept, confirmedBeforeMs: Math.round(leased.confirmedAgoMs) };
    const written = hasRotated ? await this.#replace(session, leased.version, pending) : leased.version;
    if (typeof written !== 'number') return written;

    if (result instanceof Denial) throw new UnusableAnswer(result.note);
    const tokens = tokensIn(result, provider.kept, kept, clocks.wallMs());
    if (tokens === null) throw new UnusableAnswer('token too long to store');
    const outcome =
      provider.settings.revalidateEveryMs === null ? 'renewed' : await this.#sessions.follow(session, result, tokens);
    if (outcome instanceof Denial) return this.#end(session, outcome);
    if (outcome === 'gone') return ENDED;
    const replaced = await this.#replace(session, written, tokens);
    if (typeof replaced !== 'number') return replaced;
    series.refreshes.inc({ provider: provider.name, outcome });
    return { outcome: 'done', tokens, confirmedAgoMs: 0 };
  }

  /** The provider no longer knows the grant, unless another replica has renewed the token meanwhile (REF-05). */
  async #refused(session: SessionAtProvider, { version }: Leased): Promise<Renewal> {
    const now = await this.#parts.sealedTokens.get(session.handle);
    if (now === null) return ENDED;
    const leased = now.version === version ? null : leasedOf(now, session);
    return leased === null ? this.#end(session, GRANT_REFUSED) : { outcome: 'done', ...leased };
  }

  /** Keeps tokens in place of those that were leased. Answers with their version, or with what has happened instead. */
  async #replace(session: SessionAtProvider, version: number, tokens: ProviderTokens): Promise<number | Renewal> {
    const { sealedTokens } = this.#parts;
    const { provider, handle, sessionId } = session;
    const sealed = sealTokens(tokens, sessionId, provider.settings);
    const outcome = await this.#untilWritten(() => sealedTokens.replace(handle, version, sealed));
    if (outcome === 'replaced') return version + 1;
    if (outcome === 'ended') return ENDED;
    // Another replica had the lease in between: its tokens count.
    const leased = await this.read(session);
    return leased === null ? ENDED : { outcome: 'done', ...leased };
  }

  /** Retries, so that a short outage of the store costs no session: the provider does not issue these tokens again. */
  async #untilWritten<T>(write: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await write();
      } catch (thrown) {
        if (!(thrown instanceof DependencyFault) || attempt === WRITE_ATTEMPTS) throw thrown;
        await pause(Math.min(LONGEST_WRITE_PAUSE_MS, 50 * 2 ** attempt));
      }
    }
  }

  /** Ends a session that its provider no longer confirms. */
  async #end(session: SessionAtProvider, why: Denial, outcome: 'ended' | 'lost' = 'ended'): Promise<Renewal> {
    const { name: provider, settings } = session.provider;
    // Without `revalidate`, the session does not depend on the grant: it only gets no more access tokens.
    if (settings.revalidateEveryMs === null) return LOST;
    this.#parts.series.refreshes.inc({ provider, outcome });
    await this.#sessions.end(session, why);
    return ENDED;
  }

  /** Ends a session that has no tokens, so that its provider cannot confirm it. */
  async endLost(session: SessionAtProvider): Promise<void> {
    await this.#end(session, NO_TOKENS, 'lost');
  }
}

/** The result of work, or a fault of the provider if that takes too long; the work continues. */
async function withDeadline<T>(work: Promise<T>, limitMs: number): Promise<T> {
  const none = Symbol();
  const enough = new AbortController();
  const late = pause(limitMs, none, { signal: enough.signal, ref: false }).catch(() => none);
  const first = await Promise.race([work, late]).finally(() => enough.abort());
  if (first === none) throw providerUnavailable('its answer takes too long, or cannot be stored');
  return first as T;
}

const NO_TOKENS = new Denial('session_expired', 'no tokens to ask the identity provider with');

function leasedOf(
  { value, version, ageMs }: { readonly value: string; readonly version: number; readonly ageMs: number },
  { sessionId, provider }: SessionAtProvider,
): Leased | null {
  const tokens = openTokens(value, sessionId, provider.settings);
  return tokens === null ? null : { version, tokens, confirmedAgoMs: ageMs + tokens.confirmedBeforeMs };
}
