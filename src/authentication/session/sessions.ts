/**
 * authentication/session: a session id in, a user out, or a Denial 401, or a fault 503.
 *
 * Sessions are kept in process, and an entry is trusted only while three things hold: the revocation feed is proven
 * alive, it has been so since the entry was read, and the entry was read less than `recheckAfterMs` ago. Otherwise the
 * store is asked. While the store does not answer, an entry verified within `outageGraceMs` is still served; anything
 * else is a 503, never a 401.
 *
 * Also here, because it depends on the same news: ending the streams (WebSockets, long responses) of a session that
 * was revoked or has expired.
 *
 * Long because the cache, the store and the watching of streams share one set of records.
 */

import { LRUCache } from 'lru-cache';
import { Denial, DependencyFault } from '../../errors.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import type { Clocks } from '../../lib/clock.ts';
import { SingleFlight } from '../../lib/concurrency/single-flight.ts';
import { RecentMap } from '../../lib/recent-map.ts';
import { type ProviderStanding, stringSet, type UserPrincipal, unknownStanding } from '../../principal.ts';
import {
  type LoginMethod,
  type ProviderLogin,
  type SessionRecord,
  seenAt,
  type UserAttributes,
} from '../../store/session-record.ts';
import type { EndedAtProvider, SessionChanges, SessionUpdate, Store } from '../../store/store.ts';
import { SESSION } from './kind.ts';
import type { SessionEndCause, SessionSeries } from './series.ts';
import { isSessionId, newSessionId, type SessionId, sessionHandle } from './session-id.ts';

/** How long sessions last. */
interface SessionLifetimes {
  readonly idleTimeoutMs: number;
  readonly absoluteTimeoutMs: number;
}

/** The lifetimes of sessions, and how far the cache is trusted. Times in milliseconds. */
export interface SessionSettings extends SessionLifetimes {
  /** Of sessions whose user asked to stay logged in, or of all; `null` where nobody can ask. */
  readonly remembered: (SessionLifetimes & { readonly always: boolean }) | null;
  readonly maxPerUser: number;
  readonly cacheMaxEntries: number;
  readonly recheckAfterMs: number;
  readonly feedTimeoutMs: number;
  readonly outageGraceMs: number;
}

/** What a login knows. */
export interface NewSession {
  readonly subject: string;
  readonly user: UserAttributes;
  readonly method: LoginMethod;
  readonly device: string;
  /** Shorter than the configured absolute timeout, if the login says so. */
  readonly lifetimeMs?: number;
  /** Whether the user asks to stay logged in. Default: no. */
  readonly remembered?: boolean;
  /** What the identity provider said; left out where there is none. */
  readonly login?: ProviderLogin;
}

const NOT_AN_ID = new Denial('session_invalid', 'session cookie does not have the form of a session id');
const UNKNOWN = new Denial('session_unknown', 'no such session');
const EXPIRED = new Denial('session_expired', 'idle or absolute timeout');

/** For how many session ids their session is at hand, at 43 characters each: some 4,000 to 8,000. */
const RECENT_IDS_CHARACTERS = 43 * 4_096;

/** Sessions with open streams are checked this often, for expiry and for news that the feed did not bring. */
const STREAM_SWEEP_MS = 1_000;

class CachedSession {
  /** Whether it is in the cache. An entry that has left the cache must not be used again. */
  isCached = false;
  principal: UserPrincipal;
  /** Monotonic time at which the reading of it from the store began. */
  verifiedAtMs: number;
  /** Wall-clock time of the last request here. */
  lastUsedMs: number;
  isTouching = false;

  constructor(principal: UserPrincipal, verifiedAtMs: number, lastUsedMs: number) {
    this.principal = principal;
    this.verifiedAtMs = verifiedAtMs;
    this.lastUsedMs = lastUsedMs;
  }
}

/** A stream of a session. */
interface WatchedStream {
  readonly onEnd: () => void;
  readonly use: () => number;
  /** What {@link use} said at the last look. */
  seenUse: number;
}

interface Watch {
  /** The one in the cache, for as long as it is there. */
  session: CachedSession;
  readonly streams: Set<WatchedStream>;
}

/** Opens, looks up, renews and ends sessions, over a store and a bounded cache. */
export class Sessions {
  readonly #store: Store;
  #settings: SessionSettings;
  readonly #clocks: Clocks;
  readonly #series: SessionSeries;
  readonly #onBackgroundFault: (fault: unknown) => void;
  readonly #cache: LRUCache<SessionHandle, CachedSession>;
  /**
   * What the cache has for ids that were used recently.
   * perf: bench/load/run.ts; a SHA-256 and two look-ups cost 1.4 µs, this one 0.1.
   */
  readonly #recent = new RecentMap<CachedSession>(RECENT_IDS_CHARACTERS);
  readonly #reads = new SingleFlight<CachedSession | Denial>();
  /** Handles of sessions that ended or changed while a read of them was under way: what that read brings is thrown away. */
  readonly #newsDuringRead = new Set<SessionHandle>();
  readonly #watched = new Map<SessionHandle, Watch>();
  readonly #unsubscribe: readonly (() => void)[];
  #sweeper: NodeJS.Timeout | null = null;

  /** @param onBackgroundFault  something in the background failed; the request that it belonged to is over */
  constructor(
    store: Store,
    settings: SessionSettings,
    clocks: Clocks,
    series: SessionSeries,
    onBackgroundFault: (fault: unknown) => void,
  ) {
    this.#store = store;
    this.#settings = settings;
    this.#clocks = clocks;
    this.#series = series;
    this.#onBackgroundFault = onBackgroundFault;
    this.#cache = new LRUCache({
      max: settings.cacheMaxEntries,
      onInsert: (session) => {
        session.isCached = true;
      },
      dispose: (session) => {
        session.isCached = false;
      },
    });
    this.#unsubscribe = [
      store.feed.subscribe((handle) => this.#onRevoked(handle)),
      store.feed.subscribeToUpdates((handle) => this.#onUpdated(handle)),
    ];
  }

  /** Applies other settings, except for the size of the cache. Sessions that are open are judged by them at once. */
  configure(settings: SessionSettings): void {
    this.#settings = settings;
  }

  /** Whether users can ask to stay logged in. */
  get canRemember(): boolean {
    return this.#settings.remembered !== null;
  }

  /** Whether to offer them the choice: not where every session is remembered. */
  get offersToRemember(): boolean {
    return this.#settings.remembered?.always === false;
  }

  /** Whether the session of an id is held in process, trusted or not. */
  isCached(sessionId: SessionId): boolean {
    return this.#recent.get(sessionId)?.isCached === true || this.#cache.has(sessionHandle(sessionId));
  }

  /** How many sessions are held in process. */
  get cachedCount(): number {
    return this.#cache.size;
  }

  /**
   * Authenticates a session cookie. Answers at once, without a promise, when the session is cached and trusted.
   *
   * @param sessionId  value of the session cookie, untrusted
   * @returns the user, or a Denial `session_invalid` | `session_unknown` | `session_expired`
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  authenticate(sessionId: string): UserPrincipal | Denial | Promise<UserPrincipal | Denial> {
    if (!isSessionId(sessionId)) return NOT_AN_ID;
    const recent = this.#recent.get(sessionId);
    if (recent?.isCached === true) return this.#ifTrusted(recent) ?? this.#fromStore(recent.principal.session.handle);
    const handle = sessionHandle(sessionId);
    const cached = this.#cache.get(handle);
    if (cached === undefined) return this.#fromStore(handle);
    this.#recent.set(sessionId, cached);
    return this.#ifTrusted(cached) ?? this.#fromStore(handle);
  }

  /** The user of a cached session, who has used it now; `null` when the store has to be asked. */
  #ifTrusted(session: CachedSession): UserPrincipal | null {
    const wallMs = this.#clocks.wallMs();
    if (this.#hasExpired(session, wallMs)) return null;
    const { recheckAfterMs } = this.#settings;
    const ageMs = this.#trustedAgeMs(session);
    if (ageMs === null || ageMs >= recheckAfterMs) return null;
    this.#series.cacheHits.inc();
    this.#use(session, wallMs);
    // A session in steady use is read again in the background, so that none of its requests waits. This runs after the use
    // was recorded, so the record read back includes it, and it keeps the entry fresh in the LRU.
    if (ageMs > recheckAfterMs / 2) this.#inBackground(this.#read(session.principal.session.handle));
    return session.principal;
  }

  /**
   * The user of the session that a token of the gateway names, who has used it now. Answers at once, without a promise, when
   * the session is cached and trusted.
   *
   * @returns the user, or a Denial `session_unknown` | `session_expired`
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  named(handle: SessionHandle): UserPrincipal | Denial | Promise<UserPrincipal | Denial> {
    const cached = this.#cache.get(handle);
    return (cached === undefined ? null : this.#ifTrusted(cached)) ?? this.#fromStore(handle);
  }

  /**
   * Opens a session under a new id.
   *
   * @returns the id, which only the browser may have, what the store keeps, and the handles of sessions that had to make room
   */
  async open(login: NewSession): Promise<{
    readonly sessionId: SessionId;
    readonly record: SessionRecord;
    readonly displaced: readonly SessionHandle[];
  }> {
    const nowMs = this.#clocks.wallMs();
    const sessionId = newSessionId();
    const { remembered: rememberedSettings } = this.#settings;
    const remembered = rememberedSettings !== null && (rememberedSettings.always || login.remembered === true);
    const { absoluteTimeoutMs } = this.#lifetimesOf({ remembered });
    const lifetimeMs = Math.min(login.lifetimeMs ?? Number.POSITIVE_INFINITY, absoluteTimeoutMs);
    const record: SessionRecord = {
      handle: sessionHandle(sessionId),
      subject: login.subject,
      user: login.user,
      method: login.method,
      version: 1,
      createdAtMs: nowMs,
      expiresAtMs: nowMs + lifetimeMs,
      lastSeenAtMs: nowMs,
      device: login.device,
      remembered,
      login: login.login ?? null,
    };
    const displaced = await this.#endOldest(login.subject);
    await this.#store.sessions.create(record, this.#ttlMs(record, nowMs));
    this.#series.opened.inc({ method: login.method });
    return { sessionId, record, displaced };
  }

  /**
   * Ends a session everywhere. Returns the record that ended, or `null` when there was none.
   *
   * @param cause  by which it is counted; `null` for a login that is undone, which is not
   */
  async end(handle: SessionHandle, cause: SessionEndCause | null): Promise<SessionRecord | null> {
    const ended = await this.#store.sessions.end(handle);
    if (ended !== null && cause !== null) this.#series.ended.inc({ cause });
    return ended;
  }

  /**
   * Renews a session on behalf of a caller that does not have its id, such as a refresh. Reads the store, never the cache
   * alone, and records the use before it returns.
   *
   * @returns the user, or a Denial `session_unknown` | `session_expired`
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  async renew(handle: SessionHandle): Promise<UserPrincipal | Denial> {
    const found = await this.#read(handle);
    if (found instanceof Denial) return found;
    const nowMs = this.#clocks.wallMs();
    const record = seenAt(found.principal.session, nowMs);
    const slid = await this.#store.sessions.touch(handle, nowMs, this.#ttlMs(record, nowMs));
    if (!slid) {
      this.#forget(handle);
      return UNKNOWN;
    }
    found.lastUsedMs = Math.max(found.lastUsedMs, nowMs);
    found.principal = withRecord(found.principal, record);
    return found.principal;
  }

  /**
   * The session that a token names, if it is alive: from the cache where that is trusted, else from the store, whatever
   * may be served during an outage. Does not count as use of it.
   *
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  async live(handle: SessionHandle): Promise<SessionRecord | null> {
    const found = await this.#unused(handle);
    return found instanceof Denial ? null : found.principal.session;
  }

  /**
   * The user of a session cookie, as {@link authenticate} returns it, but asking does not count as use of the session.
   * Its record has the last use that is known here.
   *
   * @returns the user, or a Denial `session_invalid` | `session_unknown` | `session_expired`
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  async look(sessionId: string): Promise<UserPrincipal | Denial> {
    if (!isSessionId(sessionId)) return NOT_AN_ID;
    const found = await this.#unused(sessionHandle(sessionId));
    if (found instanceof Denial) return found;
    const { principal, lastUsedMs } = found;
    return withRecord(principal, seenAt(principal.session, Math.max(principal.session.lastSeenAtMs, lastUsedMs)));
  }

  /** A session, from the cache where that is trusted, else from the store, whatever may be served during an outage. */
  async #unused(handle: SessionHandle): Promise<CachedSession | Denial> {
    const cached = this.#cache.get(handle);
    if (cached !== undefined && !this.#hasExpired(cached, this.#clocks.wallMs())) {
      const ageMs = this.#trustedAgeMs(cached);
      if (ageMs !== null && ageMs < this.#settings.recheckAfterMs) return cached;
    }
    return this.#read(handle);
  }

  /** Ends every session of a subject everywhere. Returns the handles of those that ended. */
  async endAll(subject: string, cause: SessionEndCause): Promise<readonly SessionHandle[]> {
    const handles = await this.#store.sessions.endAll(subject);
    this.#series.ended.inc({ cause }, handles.length);
    return handles;
  }

  /**
   * Ends what an identity provider has ended, everywhere. Returns the handles of those that ended.
   *
   * @throws DependencyFault `store_unavailable`, as a rejection; repeating it ends the rest
   */
  async endByProvider(provider: string, which: EndedAtProvider): Promise<readonly SessionHandle[]> {
    const handles = await this.#store.sessions.endByProvider(provider, which);
    this.#series.ended.inc({ cause: 'provider' }, handles.length);
    return handles;
  }

  /**
   * Changes what is known of a user in a live session. Every replica reads it again before it serves the next request:
   * until then, and while the store does not answer, what was known before is not used.
   *
   * @param expectedVersion  that of the record that the change is based on
   * @throws DependencyFault `store_unavailable`, as a rejection
   */
  update(handle: SessionHandle, changes: SessionChanges, expectedVersion: number): Promise<SessionUpdate> {
    return this.#store.sessions.update(handle, changes, expectedVersion);
  }

  /** The sessions of a subject that have not expired, the oldest first. */
  async list(subject: string): Promise<readonly SessionRecord[]> {
    const nowMs = this.#clocks.wallMs();
    const records = await this.#store.sessions.list(subject);
    return records.filter((record) => !this.#recordHasExpired(record, record.lastSeenAtMs, nowMs));
  }

  /** When a session ends if it is not used again; wall clock. */
  endsAtMs(record: SessionRecord): number {
    return Math.min(record.expiresAtMs, record.lastSeenAtMs + this.#lifetimesOf(record).idleTimeoutMs);
  }

  /**
   * Calls back once when the session of a principal is revoked or expires, for as long as a stream of it is open.
   *
   * @param use  grows when the stream is used, which counts as use of the session
   * @returns stops watching; has to be called when the stream ends
   */
  watch(principal: UserPrincipal, onEnd: () => void, use: () => number = () => 0): () => void {
    const handle = principal.session.handle;
    const nowMs = this.#clocks.wallMs();
    // A session that has left the cache meanwhile may have been revoked: the next sweep asks the store.
    const session = this.#cache.get(handle) ?? new CachedSession(principal, Number.NEGATIVE_INFINITY, nowMs);
    const watch = this.#watched.get(handle) ?? { session, streams: new Set() };
    // What it carried before counts at the first look.
    const stream = { onEnd, use, seenUse: 0 };
    watch.streams.add(stream);
    this.#watched.set(handle, watch);
    this.#sweeper ??= setInterval(() => this.sweepStreams(), STREAM_SWEEP_MS).unref();
    return () => {
      watch.streams.delete(stream);
      if (watch.streams.size === 0 && this.#watched.get(handle) === watch) this.#watched.delete(handle);
      if (this.#watched.size === 0) this.#stopSweeping();
    };
  }

  /**
   * Notes which sessions are in use by their streams, ends the streams of those that have expired, and asks the store about
   * those that the feed says nothing of.
   */
  sweepStreams(): void {
    const wallMs = this.#clocks.wallMs();
    for (const [handle, { session, streams }] of this.#watched) {
      if (wereUsed(streams)) this.#use(session, wallMs);
      if (this.#hasExpired(session, wallMs)) {
        this.#endStreams(handle);
        continue;
      }
      const ageMs = this.#trustedAgeMs(session);
      if (ageMs === null || ageMs >= this.#settings.recheckAfterMs) this.#inBackground(this.#recheckStreams(handle));
    }
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#stopSweeping();
    this.#cache.clear();
  }

  async #recheckStreams(handle: SessionHandle): Promise<void> {
    try {
      await this.#read(handle);
    } catch (fault) {
      const watch = this.#watched.get(handle);
      if (watch !== undefined && !this.#isWithinGrace(watch.session)) this.#endStreams(handle);
      throw fault;
    }
  }

  async #fromStore(handle: SessionHandle): Promise<UserPrincipal | Denial> {
    const startedMs = this.#clocks.monotonicMs();
    let found: CachedSession | Denial;
    try {
      found = await this.#read(handle);
    } catch (fault) {
      const cached = this.#cache.get(handle);
      if (!(fault instanceof DependencyFault) || cached === undefined || !this.#isWithinGrace(cached)) throw fault;
      if (this.#hasExpired(cached, this.#clocks.wallMs())) throw fault;
      this.#series.servedDuringOutage.inc();
      found = cached;
    }
    this.#series.missed(this.#clocks.monotonicMs() - startedMs);
    if (found instanceof Denial) return found;
    this.#use(found, this.#clocks.wallMs());
    return found.principal;
  }

  /** Reads a session from the store into the cache; at most one read per session is under way. */
  #read(handle: SessionHandle): Promise<CachedSession | Denial> {
    return this.#reads.run(handle, async () => {
      for (;;) {
        const startedMs = this.#clocks.monotonicMs();
        const record = await this.#store.sessions.read(handle).catch((fault: unknown) => {
          this.#newsDuringRead.delete(handle);
          throw fault;
        });
        if (this.#newsDuringRead.delete(handle)) continue;
        return this.#keep(handle, record, startedMs);
      }
    });
  }

  #keep(handle: SessionHandle, record: SessionRecord | null, readAtMs: number): CachedSession | Denial {
    const cached = this.#cache.get(handle);
    if (record === null) {
      this.#forget(handle);
      return UNKNOWN;
    }
    const usedMs = Math.max(record.lastSeenAtMs, cached?.lastUsedMs ?? 0);
    if (this.#recordHasExpired(record, usedMs, this.#clocks.wallMs())) {
      this.#forget(handle);
      // The store's own TTL should have ended it; if that was lost, it ends now.
      this.#inBackground(this.#store.sessions.end(handle));
      return EXPIRED;
    }
    if (cached !== undefined && cached.principal.session.version === record.version) {
      cached.principal = withRecord(cached.principal, record);
      cached.verifiedAtMs = readAtMs;
      return cached;
    }
    const standing = cached?.principal.standing ?? null;
    const session = new CachedSession(userPrincipal(record, standing), readAtMs, usedMs);
    if (this.#cache.size >= this.#settings.cacheMaxEntries) this.#series.cacheEvictions.inc();
    this.#cache.set(handle, session);
    const watch = this.#watched.get(handle);
    if (watch !== undefined) watch.session = session;
    return session;
  }

  /** Removes a session that has ended from the cache, and cuts its streams. */
  #forget(handle: SessionHandle): void {
    this.#cache.delete(handle);
    this.#endStreams(handle);
  }

  /** How old the entry's reading is, if the feed vouches for everything since; else `null`. */
  #trustedAgeMs(session: CachedSession): number | null {
    const { feed } = this.#store;
    const nowMs = this.#clocks.monotonicMs();
    const provenAtMs = feed.provenAtMs();
    if (provenAtMs === null || nowMs - provenAtMs > this.#settings.feedTimeoutMs) return null;
    return session.verifiedAtMs < feed.unbrokenSinceMs() ? null : nowMs - session.verifiedAtMs;
  }

  #isWithinGrace(session: CachedSession): boolean {
    return this.#clocks.monotonicMs() - session.verifiedAtMs <= this.#settings.outageGraceMs;
  }

  #hasExpired(session: CachedSession, wallMs: number): boolean {
    const record = session.principal.session;
    return this.#recordHasExpired(record, Math.max(record.lastSeenAtMs, session.lastUsedMs), wallMs);
  }

  #recordHasExpired(record: SessionRecord, lastUsedMs: number, wallMs: number): boolean {
    return wallMs >= record.expiresAtMs || wallMs - lastUsedMs >= this.#lifetimesOf(record).idleTimeoutMs;
  }

  #lifetimesOf({ remembered }: Pick<SessionRecord, 'remembered'>): SessionLifetimes {
    return (remembered ? this.#settings.remembered : null) ?? this.#settings;
  }

  /**
   * Notes a use, and records it in the store when the last recorded one is old enough: rarely, and in the background.
   */
  #use(session: CachedSession, wallMs: number): void {
    session.lastUsedMs = wallMs;
    const slideIntervalMs = Math.min(60_000, this.#lifetimesOf(session.principal.session).idleTimeoutMs / 10);
    // Also when the clock was set back: otherwise nothing would be recorded until it has caught up (SES-08).
    const unwrittenMs = Math.abs(wallMs - session.principal.session.lastSeenAtMs);
    if (session.isTouching || unwrittenMs < slideIntervalMs) return;
    session.isTouching = true;
    this.#inBackground(this.#touch(session, wallMs));
  }

  async #touch(session: CachedSession, wallMs: number): Promise<void> {
    const record = session.principal.session;
    try {
      const slid = await this.#store.sessions.touch(record.handle, wallMs, this.#ttlMs(record, wallMs));
      if (slid) session.principal = withRecord(session.principal, seenAt(record, wallMs));
      else this.#forget(record.handle);
    } finally {
      session.isTouching = false;
    }
  }

  #ttlMs(record: SessionRecord, wallMs: number): number {
    return Math.max(1, Math.min(record.expiresAtMs - wallMs, this.#lifetimesOf(record).idleTimeoutMs));
  }

  async #endOldest(subject: string): Promise<readonly SessionHandle[]> {
    const records = await this.list(subject);
    const displaced: SessionHandle[] = [];
    for (const { handle } of records.slice(0, Math.max(0, records.length - this.#settings.maxPerUser + 1))) {
      if ((await this.end(handle, 'limit')) !== null) displaced.push(handle);
    }
    return displaced;
  }

  #onRevoked(handle: SessionHandle): void {
    if (this.#cache.delete(handle)) this.#series.cacheInvalidations.inc();
    if (this.#reads.has(handle)) this.#newsDuringRead.add(handle);
    this.#endStreams(handle);
  }

  /** A session was changed: the entry stays, for its last use, and is not trusted until it has been read again. */
  #onUpdated(handle: SessionHandle): void {
    const session = this.#cache.get(handle) ?? this.#watched.get(handle)?.session;
    if (session !== undefined) session.verifiedAtMs = Number.NEGATIVE_INFINITY;
    if (this.#reads.has(handle)) this.#newsDuringRead.add(handle);
  }

  #endStreams(handle: SessionHandle): void {
    const watch = this.#watched.get(handle);
    if (watch === undefined) return;
    this.#watched.delete(handle);
    for (const { onEnd } of watch.streams) onEnd();
    if (this.#watched.size === 0) this.#stopSweeping();
  }

  #stopSweeping(): void {
    if (this.#sweeper !== null) clearInterval(this.#sweeper);
    this.#sweeper = null;
  }

  #inBackground(work: Promise<unknown>): void {
    work.catch(this.#onBackgroundFault);
  }
}

/** Whether any of the streams has been used since the last look at it. */
function wereUsed(streams: Iterable<WatchedStream>): boolean {
  let wasUsed = false;
  for (const stream of streams) {
    const use = stream.use();
    if (use !== stream.seenUse) wasUsed = true;
    stream.seenUse = use;
  }
  return wasUsed;
}

/**
 * The same user, with what is known of the session now. Written out, as `userPrincipal` is: a spread makes an object of
 * another shape, and the first such object makes V8 discard the compiled code of a request's path (bench/load/run.ts).
 */
function withRecord(user: UserPrincipal, session: SessionRecord): UserPrincipal {
  const { kind, standsFor, issuer, subject, roles, scopes, claims, act, serviceAccount, credential, tokens } = user;
  const { standing } = user;
  return {
    kind,
    standsFor,
    issuer,
    subject,
    roles,
    scopes,
    claims,
    act,
    serviceAccount,
    credential,
    tokens,
    session,
    standing,
  };
}

/** The user of a session. @param standing  what is known of it already, if it is one of an identity provider */
export function userPrincipal(record: SessionRecord, standing: ProviderStanding | null = null): UserPrincipal {
  return {
    kind: 'user',
    standsFor: 'user',
    issuer: null,
    subject: record.subject,
    roles: stringSet(record.user['roles']),
    scopes: new Set(),
    claims: record.user,
    act: null,
    serviceAccount: null,
    credential: {
      kind: SESSION,
      endsAtMs: record.expiresAtMs,
      // A session in use lives on: its streams are checked here.
      streamsEndAtMs: Number.POSITIVE_INFINITY,
      presentedIssuer: null,
      sid: record.handle,
      compact: null,
      claims: null,
    },
    tokens: new Map(),
    session: record,
    standing: record.login === null ? null : (standing ?? unknownStanding()),
  };
}
