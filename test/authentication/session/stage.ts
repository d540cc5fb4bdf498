/** Sessions on the embedded store, whose faults and feed the test controls, with a stopped clock. */

import { vi } from 'vitest';
import { SessionSeries } from '../../../src/authentication/session/series.ts';
import { type NewSession, type SessionSettings, Sessions } from '../../../src/authentication/session/sessions.ts';
import { Denial, DependencyFault } from '../../../src/errors.ts';
import type { SessionHandle } from '../../../src/jwt/names.ts';
import { createMemoryStore } from '../../../src/store/memory/store.ts';
import type { RevocationFeed, SessionStore, Store } from '../../../src/store/store.ts';
import { MetricRegistry } from '../../../src/telemetry/registry.ts';
import { TestClocks } from '../../support/clocks.ts';

export const MINUTE_MS = 60_000;

const SETTINGS: SessionSettings = {
  idleTimeoutMs: 30 * MINUTE_MS,
  absoluteTimeoutMs: 12 * 60 * MINUTE_MS,
  remembered: null,
  maxPerUser: 50,
  cacheMaxEntries: 100,
  recheckAfterMs: 1_000,
  feedTimeoutMs: 1_000,
  outageGraceMs: 30_000,
};

/** A feed whose proof the test controls. */
class ControlledFeed implements RevocationFeed {
  /** The store's feed, whose news pass unless this one is cut or silent. */
  readonly #inner: RevocationFeed;
  readonly #clocks: TestClocks;
  isCut = false;
  #silentSinceMs: number | null = null;
  #unbrokenSinceMs = Number.NEGATIVE_INFINITY;

  constructor(inner: RevocationFeed, clocks: TestClocks) {
    this.#inner = inner;
    this.#clocks = clocks;
  }

  subscribe(onRevoked: (handle: SessionHandle) => void): () => void {
    return this.#inner.subscribe((handle) => {
      if (!this.isCut && this.#silentSinceMs === null) onRevoked(handle);
    });
  }

  subscribeToUpdates(onUpdated: (handle: SessionHandle) => void): () => void {
    return this.#inner.subscribeToUpdates((handle) => {
      if (!this.isCut && this.#silentSinceMs === null) onUpdated(handle);
    });
  }

  provenAtMs(): number | null {
    return this.isCut ? null : (this.#silentSinceMs ?? this.#clocks.monotonicMs());
  }

  lastProvenAtMs(): number {
    return this.provenAtMs() ?? Number.NEGATIVE_INFINITY;
  }

  unbrokenSinceMs(): number {
    return this.#unbrokenSinceMs;
  }

  /** Nothing more arrives, and nothing reports that. */
  fallSilent(): void {
    this.#silentSinceMs = this.#clocks.monotonicMs();
  }

  /** The feed works again; what was sent in the meantime is lost. */
  mend(): void {
    this.isCut = false;
    this.#silentSinceMs = null;
    this.#unbrokenSinceMs = this.#clocks.monotonicMs();
  }
}

export class Stage {
  readonly clocks = new TestClocks();
  readonly feed: ControlledFeed;
  readonly sessions: Sessions;
  /** The store itself, as another replica or an operator uses it. */
  readonly elsewhere: SessionStore;
  readonly calls = { read: 0, touch: 0, end: 0 };
  readonly #series = new SessionSeries(new MetricRegistry());
  readonly #counted = {
    memory: vi.spyOn(this.#series.cacheHits, 'inc'),
    store: vi.spyOn(this.#series, 'missed'),
    invalidated: vi.spyOn(this.#series.cacheInvalidations, 'inc'),
    evicted: vi.spyOn(this.#series.cacheEvictions, 'inc'),
    duringOutage: vi.spyOn(this.#series.servedDuringOutage, 'inc'),
  };
  isDown = false;
  #gate: Promise<void> | null = null;

  constructor(settings: Partial<SessionSettings> = {}) {
    const inner = createMemoryStore(10_000, this.clocks);
    this.feed = new ControlledFeed(inner.feed, this.clocks);
    this.elsewhere = inner.sessions;
    const store: Store = { ...inner, feed: this.feed, sessions: this.#controlled(inner.sessions) };
    this.sessions = new Sessions(store, { ...SETTINGS, ...settings }, this.clocks, this.#series, () => {});
  }

  /** How often each event was counted. */
  get events() {
    const { memory, store, invalidated, evicted, duringOutage } = this.#counted;
    return {
      memory: memory.mock.calls.length,
      store: store.mock.calls.length,
      invalidated: invalidated.mock.calls.length,
      evicted: evicted.mock.calls.length,
      duringOutage: duringOutage.mock.calls.length,
    };
  }

  /** Opens a session. */
  async open(login: Partial<NewSession> = {}) {
    return this.sessions.open({
      subject: 'bob',
      user: { roles: ['customer'] },
      method: 'password',
      device: '',
      ...login,
    });
  }

  /** What a request with this session id gets: `ok`, the reason of the denial, or that of the fault. */
  async outcome(sessionId: string): Promise<string> {
    try {
      const result = await this.sessions.authenticate(sessionId);
      return result instanceof Denial ? result.reason : 'ok';
    } catch (fault) {
      return fault instanceof DependencyFault ? fault.reason : 'bug';
    }
  }

  /** Holds the answers of new reads, with the data at their start, until the returned function is called. */
  holdReads(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return () => {
      this.#gate = null;
      resolve();
    };
  }

  #controlled(inner: SessionStore): SessionStore {
    const ask = async <T>(answer: () => Promise<T>): Promise<T> => {
      if (this.isDown) throw new DependencyFault('store_unavailable', 'down');
      return answer();
    };
    return {
      create: (record, ttlMs) => ask(() => inner.create(record, ttlMs)),
      read: (handle) => {
        this.calls.read += 1;
        const gate = this.#gate;
        return ask(async () => {
          const record = await inner.read(handle);
          await gate;
          return ask(async () => record);
        });
      },
      touch: (handle, lastSeenAtMs, ttlMs) => {
        this.calls.touch += 1;
        return ask(() => inner.touch(handle, lastSeenAtMs, ttlMs));
      },
      end: (handle) => {
        this.calls.end += 1;
        return ask(() => inner.end(handle));
      },
      update: (handle, changes, expectedVersion) => ask(() => inner.update(handle, changes, expectedVersion)),
      endAll: (subject) => ask(() => inner.endAll(subject)),
      endByProvider: (provider, which) => ask(() => inner.endByProvider(provider, which)),
      list: (subject) => ask(() => inner.list(subject)),
    };
  }
}

/** Waits until everything that is ready has run. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
