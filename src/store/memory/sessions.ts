/** Sessions in the memory of one process. Bounded: a full store refuses logins; a live session is never dropped. */

import type { SessionHandle } from '../../jwt/names.ts';
import type { Clocks } from '../../lib/clock.ts';
import { nameOfSid, nameOfSubject, nameOfUser, namesOf, OVERTAKEN_WITHIN_MS } from '../session-names.ts';
import type { SessionNews } from '../session-news.ts';
import { type SessionRecord, seenAt, subjectAtProvider } from '../session-record.ts';
import type { EndedAtProvider, SessionChanges, SessionStore, SessionUpdate } from '../store.ts';
import { ExpiringMap } from './expiring-map.ts';

/** The most logouts at a provider that are remembered because they may overtake a login. */
const MAX_ENDED_SIDS = 10_000;

/** The sessions of the embedded store. */
export class MemorySessions implements SessionStore {
  readonly #records: ExpiringMap<SessionRecord, SessionHandle>;
  /** By each of {@link namesOf}. */
  readonly #index = new Map<string, Set<SessionHandle>>();
  readonly #endedSids: ExpiringMap<true>;
  readonly #goneListeners = new Set<(handle: SessionHandle) => void>();
  readonly #news: SessionNews;
  readonly #maxSessions: number;

  constructor(news: SessionNews, clocks: Clocks, maxSessions: number) {
    this.#records = new ExpiringMap(clocks.wallMs, (handle, record) => {
      this.#unindex(record);
      for (const listener of this.#goneListeners) listener(handle);
    });
    this.#endedSids = new ExpiringMap(clocks.wallMs);
    this.#news = news;
    this.#maxSessions = maxSessions;
  }

  /** Whether there is such a session. */
  has(handle: SessionHandle): boolean {
    return this.#records.get(handle) !== null;
  }

  /** Calls back when a session has ended or expired, at the latest when there is no room. */
  onGone(listener: (handle: SessionHandle) => void): void {
    this.#goneListeners.add(listener);
  }

  async create(record: SessionRecord, ttlMs: number): Promise<void> {
    this.#records.requireRoom(this.#maxSessions);
    if (this.#isOvertaken(record)) return this.#news.deliver(record.handle);
    this.#records.set(record.handle, record, ttlMs);
    this.#addToIndex(record);
  }

  async read(handle: SessionHandle): Promise<SessionRecord | null> {
    return this.#records.get(handle);
  }

  async touch(handle: SessionHandle, lastSeenAtMs: number, ttlMs: number): Promise<boolean> {
    const record = this.#records.get(handle);
    if (record !== null) this.#records.set(handle, seenAt(record, lastSeenAtMs), ttlMs);
    return record !== null;
  }

  async update(handle: SessionHandle, changes: SessionChanges, expectedVersion: number): Promise<SessionUpdate> {
    const record = this.#records.get(handle);
    if (record === null) return { outcome: 'ended' };
    if (record.version !== expectedVersion) return { outcome: 'outdated', record };
    const { user, login } = changes;
    const updated = { ...record, user, login, version: expectedVersion + 1 };
    if (this.#isOvertaken(updated)) {
      await this.end(handle);
      return { outcome: 'ended' };
    }
    this.#unindex(record);
    this.#records.replace(handle, updated);
    this.#addToIndex(updated);
    this.#news.deliverUpdate(handle);
    return { outcome: 'updated', record: updated };
  }

  async end(handle: SessionHandle): Promise<SessionRecord | null> {
    const record = this.#records.get(handle);
    this.#records.delete(handle);
    this.#news.deliver(handle);
    return record;
  }

  async endAll(subject: string): Promise<readonly SessionHandle[]> {
    return this.#endNamed(nameOfSubject(subject));
  }

  async endByProvider(provider: string, which: EndedAtProvider): Promise<readonly SessionHandle[]> {
    if ('sid' in which) {
      const name = nameOfSid(provider, which.sid);
      if (this.#endedSids.size >= MAX_ENDED_SIDS) this.#endedSids.dropExpired();
      if (this.#endedSids.size < MAX_ENDED_SIDS) this.#endedSids.set(name, true, OVERTAKEN_WITHIN_MS);
      return this.#endNamed(name);
    }
    const named = await this.#endNamed(nameOfUser(provider, which.subject));
    return [...named, ...(await this.endAll(subjectAtProvider(provider, which.subject)))];
  }

  async list(subject: string): Promise<readonly SessionRecord[]> {
    const records = this.#named(nameOfSubject(subject)).map((handle) => this.#records.get(handle));
    return records.filter((record) => record !== null).toSorted((a, b) => a.createdAtMs - b.createdAtMs);
  }

  async #endNamed(name: string): Promise<readonly SessionHandle[]> {
    const handles = this.#named(name).filter((handle) => this.has(handle));
    for (const handle of handles) await this.end(handle);
    return handles;
  }

  /** Whether its provider has ended it already. */
  #isOvertaken(record: SessionRecord): boolean {
    return namesOf(record).some((name) => this.#endedSids.get(name) !== null);
  }

  #named(name: string): SessionHandle[] {
    return [...(this.#index.get(name) ?? [])];
  }

  #addToIndex(record: SessionRecord): void {
    for (const name of namesOf(record)) {
      this.#index.set(name, (this.#index.get(name) ?? new Set()).add(record.handle));
    }
  }

  #unindex(record: SessionRecord): void {
    for (const name of namesOf(record)) {
      const handles = this.#index.get(name);
      handles?.delete(record.handle);
      if (handles?.size === 0) this.#index.delete(name);
    }
  }
}
