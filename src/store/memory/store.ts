/**
 * The embedded store: sessions in the memory of one process, lost when it ends. Bounded: when it is full, logins are
 * refused; a live session is never evicted, because that would log somebody out.
 */

import { DependencyFault } from '../../errors.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { SessionRecord } from '../session-record.ts';
import type { AttemptStore, OnceStore, RevocationFeed, SessionStore, Store, ThrottleRule } from '../store.ts';
import { throttleDelayMs } from '../throttle.ts';
import { MemoryFamilies } from './families.ts';
import { MemoryTokenRevocations } from './token-revocations.ts';

interface Held {
  record: SessionRecord;
  deadlineMs: number;
}

class MemoryFeed implements RevocationFeed {
  readonly #listeners = new Set<(handle: string) => void>();
  readonly #clocks: Clocks;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
  }

  subscribe(onRevoked: (handle: string) => void): () => void {
    this.#listeners.add(onRevoked);
    return () => this.#listeners.delete(onRevoked);
  }

  /** A call within one process cannot be lost. */
  provenAtMs(): number {
    return this.#clocks.monotonicMs();
  }

  lastProvenAtMs(): number {
    return this.#clocks.monotonicMs();
  }

  unbrokenSinceMs(): number {
    return Number.NEGATIVE_INFINITY;
  }

  publish(handle: string): void {
    for (const listener of this.#listeners) listener(handle);
  }
}

class MemorySessions implements SessionStore {
  readonly #held = new Map<string, Held>();
  readonly #bySubject = new Map<string, Set<string>>();
  readonly #feed: MemoryFeed;
  readonly #clocks: Clocks;
  readonly #maxSessions: number;

  constructor(feed: MemoryFeed, clocks: Clocks, maxSessions: number) {
    this.#feed = feed;
    this.#clocks = clocks;
    this.#maxSessions = maxSessions;
  }

  async create(record: SessionRecord, ttlMs: number): Promise<void> {
    if (this.#held.size >= this.#maxSessions) this.#dropExpired();
    if (this.#held.size >= this.#maxSessions) throw new DependencyFault('store_full', 'the embedded store is full');
    this.#held.set(record.handle, { record, deadlineMs: this.#clocks.wallMs() + ttlMs });
    const handles = this.#bySubject.get(record.subject);
    if (handles === undefined) this.#bySubject.set(record.subject, new Set([record.handle]));
    else handles.add(record.handle);
  }

  async read(handle: string): Promise<SessionRecord | null> {
    return this.#live(handle)?.record ?? null;
  }

  async touch(handle: string, lastSeenAtMs: number, ttlMs: number): Promise<boolean> {
    const held = this.#live(handle);
    if (held === null) return false;
    held.record = { ...held.record, lastSeenAtMs };
    held.deadlineMs = this.#clocks.wallMs() + ttlMs;
    return true;
  }

  async end(handle: string): Promise<SessionRecord | null> {
    const held = this.#live(handle);
    this.#drop(handle);
    this.#feed.publish(handle);
    return held?.record ?? null;
  }

  async endAll(subject: string): Promise<readonly string[]> {
    const handles = [...(this.#bySubject.get(subject) ?? [])].filter((handle) => this.#live(handle) !== null);
    for (const handle of handles) await this.end(handle);
    return handles;
  }

  async list(subject: string): Promise<readonly SessionRecord[]> {
    const records = [...(this.#bySubject.get(subject) ?? [])].map((handle) => this.#live(handle)?.record ?? null);
    return records.filter((record) => record !== null).toSorted((a, b) => a.createdAtMs - b.createdAtMs);
  }

  #live(handle: string): Held | null {
    const held = this.#held.get(handle);
    if (held === undefined) return null;
    if (held.deadlineMs > this.#clocks.wallMs()) return held;
    this.#drop(handle);
    return null;
  }

  #drop(handle: string): void {
    const held = this.#held.get(handle);
    if (held === undefined) return;
    this.#held.delete(handle);
    const handles = this.#bySubject.get(held.record.subject);
    handles?.delete(handle);
    if (handles?.size === 0) this.#bySubject.delete(held.record.subject);
  }

  #dropExpired(): void {
    for (const handle of this.#held.keys()) this.#live(handle);
  }
}

/** Failed attempts, bounded: the key that was quiet for longest is forgotten first. */
class MemoryAttempts implements AttemptStore {
  static readonly #maxKeys = 100_000;
  readonly #failures = new Map<string, { count: number; notBeforeMs: number; forgetAtMs: number }>();

  async begin(key: string, rule: ThrottleRule, nowMs: number): Promise<number> {
    const present = this.#failures.get(key);
    const known = present !== undefined && present.forgetAtMs > nowMs ? present : null;
    if (known !== null && known.notBeforeMs > nowMs) return known.notBeforeMs - nowMs;
    const count = (known?.count ?? 0) + 1;
    this.#failures.delete(key);
    const notBeforeMs = nowMs + throttleDelayMs(count, rule);
    this.#failures.set(key, { count, notBeforeMs, forgetAtMs: notBeforeMs + rule.windowMs });
    this.#forgetQuietest();
    return 0;
  }

  async succeeded(key: string): Promise<void> {
    this.#failures.delete(key);
  }

  async takeBack(key: string): Promise<void> {
    const failures = this.#failures.get(key);
    if (failures === undefined) return;
    if (failures.count <= 1) this.#failures.delete(key);
    else this.#failures.set(key, { ...failures, count: failures.count - 1, notBeforeMs: 0 });
  }

  #forgetQuietest(): void {
    for (const key of this.#failures.keys()) {
      if (this.#failures.size <= MemoryAttempts.#maxKeys) return;
      this.#failures.delete(key);
    }
  }
}

/** Keys that are used up, bounded: when there is no room, a use is refused; a live one is never forgotten. */
class MemoryOnce implements OnceStore {
  static readonly #maxKeys = 100_000;
  readonly #usedUntilMs = new Map<string, number>();
  readonly #clocks: Clocks;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
  }

  async use(key: string, ttlMs: number): Promise<boolean> {
    const nowMs = this.#clocks.wallMs();
    const untilMs = this.#usedUntilMs.get(key);
    if (untilMs !== undefined && untilMs > nowMs) return false;
    if (this.#usedUntilMs.size >= MemoryOnce.#maxKeys) this.#forgetExpired(nowMs);
    if (this.#usedUntilMs.size >= MemoryOnce.#maxKeys)
      throw new DependencyFault('store_full', 'the embedded store is full');
    this.#usedUntilMs.set(key, nowMs + ttlMs);
    return true;
  }

  #forgetExpired(nowMs: number): void {
    for (const [key, untilMs] of this.#usedUntilMs) if (untilMs <= nowMs) this.#usedUntilMs.delete(key);
  }
}

/** Makes the embedded store. */
export function createMemoryStore(maxSessions: number, clocks: Clocks): Store {
  const feed = new MemoryFeed(clocks);
  return {
    sessions: new MemorySessions(feed, clocks, maxSessions),
    feed,
    tokenRevocations: new MemoryTokenRevocations(feed, clocks, maxSessions),
    attempts: new MemoryAttempts(),
    once: new MemoryOnce(clocks),
    families: new MemoryFamilies(feed, clocks, maxSessions),
    kind: 'memory',
    description: 'memory (one process, lost on restart)',
    isAvailable: () => true,
    close: async () => {},
  };
}
