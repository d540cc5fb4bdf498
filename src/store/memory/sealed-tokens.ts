/** Sealed tokens of identity providers in the memory of one process, at most one for each session. */

import type { SessionHandle } from '../../jwt/names.ts';
import type { Clocks } from '../../lib/clock.ts';
import type { SealedTokenStore, SealedTokens, TokenLease, TokenReplacement } from '../sealed-tokens.ts';
import type { MemorySessions } from './sessions.ts';

interface Held {
  value: string;
  version: number;
  writtenAtMs: number;
  /** `null` while nobody has it; an empty owner while nobody may have it. */
  lease: { readonly owner: string; readonly untilMs: number } | null;
}

/** The sealed tokens of the embedded store. */
export class MemorySealedTokens implements SealedTokenStore {
  readonly #held = new Map<SessionHandle, Held>();
  readonly #sessions: MemorySessions;
  readonly #clocks: Clocks;

  constructor(sessions: MemorySessions, clocks: Clocks) {
    this.#sessions = sessions;
    this.#clocks = clocks;
    sessions.onGone((handle) => this.#held.delete(handle));
  }

  async put(handle: SessionHandle, value: string): Promise<boolean> {
    if (!this.#sessions.has(handle)) return false;
    const version = (this.#held.get(handle)?.version ?? 0) + 1;
    this.#held.set(handle, { value, version, writtenAtMs: this.#clocks.wallMs(), lease: null });
    return true;
  }

  async get(handle: SessionHandle): Promise<SealedTokens | null> {
    const held = this.#live(handle);
    return held === null ? null : this.#reading(held);
  }

  async replace(handle: SessionHandle, expectedVersion: number, value: string): Promise<TokenReplacement> {
    const held = this.#live(handle);
    if (held === null) return 'ended';
    if (held.version === expectedVersion + 1 && held.value === value) return 'replaced';
    if (held.version !== expectedVersion) return 'outdated';
    Object.assign(held, { value, version: expectedVersion + 1, writtenAtMs: this.#clocks.wallMs() });
    return 'replaced';
  }

  async lease(handle: SessionHandle, owner: string, ttlMs: number): Promise<TokenLease | null> {
    const held = this.#live(handle);
    if (held === null) return null;
    const nowMs = this.#clocks.wallMs();
    const { lease, version } = held;
    if (lease !== null && lease.owner !== owner && lease.untilMs > nowMs) {
      return { outcome: 'held', leftMs: lease.untilMs - nowMs, version };
    }
    held.lease = { owner, untilMs: nowMs + ttlMs };
    return { outcome: 'leased', tokens: this.#reading(held) };
  }

  async renew(handle: SessionHandle, owner: string, ttlMs: number): Promise<boolean> {
    const held = this.#live(handle);
    if (held === null || held.lease?.owner !== owner) return false;
    held.lease = { owner, untilMs: this.#clocks.wallMs() + ttlMs };
    return true;
  }

  async release(handle: SessionHandle, owner: string, pauseMs = 0): Promise<void> {
    const held = this.#live(handle);
    if (held === null || held.lease?.owner !== owner) return;
    held.lease = pauseMs > 0 ? { owner: '', untilMs: this.#clocks.wallMs() + pauseMs } : null;
  }

  #live(handle: SessionHandle): Held | null {
    return this.#sessions.has(handle) ? (this.#held.get(handle) ?? null) : null;
  }

  #reading({ value, version, writtenAtMs }: Held): SealedTokens {
    return { value, version, ageMs: this.#clocks.wallMs() - writtenAtMs };
  }
}
