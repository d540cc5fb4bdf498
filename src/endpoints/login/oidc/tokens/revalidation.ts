/**
 * Asks identity providers again about sessions in use (`revalidate`), in the background of their requests.
 *
 * Only a request with the session cookie can trigger that: nothing else decrypts the refresh token. It continues at once, unless the
 * provider has not confirmed the session for longer than `outageGrace`; then it waits for the answer. A provider that does not answer
 * ends no session: the waiting request gets 503. An open stream keeps its session in use; it is cut when a request would get 503.
 */

import type { SessionUpkeep } from '../../../../authentication/session/verifier.ts';
import { Denial, DependencyFault } from '../../../../errors.ts';
import type { Clocks } from '../../../../lib/clock.ts';
import type { ProviderStanding, UserPrincipal } from '../../../../principal.ts';
import { errorFields, type Logger } from '../../../../telemetry/log.ts';
import type { IdentityProvider } from '../provider.ts';
import { providerUnavailable } from '../transport.ts';
import type { TokenRenewal } from './renewal.ts';
import { type SessionAtProvider, sessionAtProvider, UnusableAnswer } from './sessions-at-providers.ts';

/** A session with open streams. */
interface Watched {
  readonly user: UserPrincipal;
  readonly sessionId: string;
  readonly streams: Set<() => void>;
}

interface RevalidationParts {
  readonly renewal: TokenRenewal;
  readonly clocks: Clocks;
  readonly log: Logger;
}

/** A session in use, and the provider that is asked about it. */
interface InUse extends Revalidating {
  readonly user: UserPrincipal;
  readonly standing: ProviderStanding;
  readonly session: SessionAtProvider;
}

/** A provider that is asked again. */
interface Revalidating {
  readonly provider: IdentityProvider;
  readonly everyMs: number;
  /** Requests wait for the provider when it has not confirmed the session for so long. */
  readonly waitAfterMs: number;
}

/** Confirmations are spread over this share of the time between them. */
const SPREAD = 0.1;
/** Sessions with open streams are checked this often. */
const SWEEP_MS = 1_000;
/** After a failure, a session is checked again after this long, and up to twice as much later. */
const RETRY_MS = 5_000;

const ENDED = new Denial('session_unknown', 'the identity provider no longer admits the user');

/** The same after an answer that cannot be used, at most. */
const MAX_RETRY_MS = 60_000;

/** Keeps sessions in step with their providers. */
export class Revalidation implements SessionUpkeep {
  readonly #providers: ReadonlyMap<string, Revalidating>;
  readonly #parts: RevalidationParts;
  readonly #watched = new Map<ProviderStanding, Watched>();
  #sweeper: NodeJS.Timeout | null = null;

  constructor(providers: readonly IdentityProvider[], parts: RevalidationParts) {
    this.#parts = parts;
    this.#providers = new Map(
      providers.flatMap((provider) => {
        const { revalidateEveryMs: everyMs, outageGraceMs } = provider.settings;
        if (everyMs === null) return [];
        const waitAfterMs = Math.max(everyMs, outageGraceMs);
        return [[provider.name, { provider, everyMs, waitAfterMs }]];
      }),
    );
  }

  /** See {@link SessionUpkeep}. */
  isQuiet({ standing }: UserPrincipal): boolean {
    if (standing === null) return true;
    return standing.noted === this && this.#parts.clocks.monotonicMs() < standing.quietUntilMs;
  }

  /** See {@link SessionUpkeep}. */
  look(user: UserPrincipal, sessionId: string): Promise<Denial | null> | null {
    const { standing } = user;
    if (standing === null || this.isQuiet(user)) return null;
    const revalidating = this.#providers.get(user.session.login?.provider ?? '');
    if (revalidating === undefined) {
      note(standing, this, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
      return null;
    }
    // A copy: a part of a header would keep all of it in memory.
    standing.sessionId ??= Buffer.from(sessionId).toString();
    const session = sessionAtProvider(user, sessionId, revalidating.provider);
    return this.#due({ ...revalidating, user, standing, session });
  }

  /** See {@link SessionUpkeep}. */
  watch(user: UserPrincipal, onEnd: () => void): (() => void) | null {
    const { standing } = user;
    if (standing === null || standing.sessionId === null) return null;
    const watched = this.#watched.get(standing) ?? { user, sessionId: standing.sessionId, streams: new Set() };
    watched.streams.add(onEnd);
    this.#watched.set(standing, watched);
    this.#sweeper ??= setInterval(() => this.#sweep(), SWEEP_MS).unref();
    return () => {
      watched.streams.delete(onEnd);
      if (watched.streams.size === 0) this.#watched.delete(standing);
      if (this.#watched.size > 0 || this.#sweeper === null) return;
      clearInterval(this.#sweeper);
      this.#sweeper = null;
    };
  }

  #sweep(): void {
    for (const { user, sessionId, streams } of this.#watched.values()) {
      // If the session ends, its streams are cut like those of any ended session.
      this.look(user, sessionId)?.catch((fault: unknown) => {
        if (fault instanceof DependencyFault && fault.reason === 'provider_unavailable')
          for (const onEnd of streams) onEnd();
      });
    }
  }

  #due(inUse: InUse): Promise<Denial | null> | null {
    const { user, standing, session } = inUse;
    const lookAgain = (denial: Denial | null) => denial ?? this.look(user, session.sessionId);
    if (standing.noted !== this) {
      standing.work ??= cleared(standing, this.#read(inUse));
      return standing.work.then(lookAgain);
    }
    const { clocks, log } = this.#parts;
    const nowMs = clocks.monotonicMs();
    const hasToWait = nowMs >= standing.waitFromMs;
    if (nowMs >= standing.dueAtMs && standing.work === null) {
      standing.work = cleared(standing, this.#renew(inUse));
      standing.work.catch((fault) => log.debug({ fault: errorFields(fault) }, 'session revalidation failed'));
    }
    if (!hasToWait) return null;
    if (standing.work === null) return Promise.reject(providerUnavailable('it did not answer a moment ago'));
    return standing.work.then(lookAgain);
  }

  /** Finds out when the provider has confirmed a session that this process sees for the first time. */
  async #read(inUse: InUse): Promise<Denial | null> {
    const leased = await this.#parts.renewal.read(inUse.session);
    if (leased === null) return this.#lost(inUse);
    this.#confirmed(inUse, leased.confirmedAgoMs);
    return null;
  }

  async #renew(inUse: InUse): Promise<Denial | null> {
    const { renewal, clocks } = this.#parts;
    const { standing, session, everyMs } = inUse;
    // Unless it was confirmed in the meantime, elsewhere.
    const freshMs = everyMs * (1 - SPREAD);
    const isWanted = (_tokens: unknown, confirmedAgoMs: number) => confirmedAgoMs >= freshMs;
    const waits = () => clocks.monotonicMs() >= standing.waitFromMs;
    try {
      const renewed = await renewal.renew(session, { isWanted, waits });
      if (renewed.outcome === 'ended') return ENDED;
      if (renewed.outcome === 'lost') return await this.#lost(inUse);
      if (renewed.outcome === 'done') this.#confirmed(inUse, renewed.confirmedAgoMs);
      else {
        // Does not wait: a later request looks for the other replica's result.
        const lookAtMs = Math.min(clocks.monotonicMs() + renewed.leftMs, standing.waitFromMs);
        note(standing, this, lookAtMs, standing.waitFromMs);
      }
      return null;
    } catch (thrown) {
      // An unusable answer costs the provider as much as any other, so it is not asked much more often.
      const shortestMs = thrown instanceof UnusableAnswer ? Math.min(MAX_RETRY_MS, everyMs / 5) : RETRY_MS;
      const retryMs = Math.max(RETRY_MS, shortestMs) * (1 + Math.random());
      note(standing, this, clocks.monotonicMs() + retryMs, standing.waitFromMs);
      throw thrown;
    }
  }

  /** Without tokens, a session lasts as long as one that cannot be confirmed is served. */
  async #lost({ user, session, standing, waitAfterMs }: InUse): Promise<Denial | null> {
    const { wallMs, monotonicMs } = this.#parts.clocks;
    const leftMs = user.session.createdAtMs + waitAfterMs - wallMs();
    if (leftMs <= 0) {
      await this.#parts.renewal.endLost(session);
      return ENDED;
    }
    const endsAtMs = monotonicMs() + leftMs;
    note(standing, this, endsAtMs, endsAtMs);
    return null;
  }

  #confirmed({ standing, everyMs, waitAfterMs }: InUse, agoMs: number): void {
    // What it gave is newer than what was handed out before.
    standing.access = null;
    const confirmedAtMs = this.#parts.clocks.monotonicMs() - agoMs;
    const dueAtMs = confirmedAtMs + everyMs * (1 - SPREAD * Math.random());
    note(standing, this, dueAtMs, confirmedAtMs + waitAfterMs);
  }
}

/** Notes when something has to be done next. */
function note(standing: ProviderStanding, by: object, dueAtMs: number, waitFromMs: number): void {
  standing.noted = by;
  standing.dueAtMs = dueAtMs;
  standing.waitFromMs = waitFromMs;
  standing.quietUntilMs = Math.min(dueAtMs, waitFromMs);
}

/** Work that is forgotten once it is done. */
function cleared(standing: ProviderStanding, work: Promise<Denial | null>): Promise<Denial | null> {
  const tracked = work.finally(() => {
    if (standing.work === tracked) standing.work = null;
  });
  return tracked;
}
