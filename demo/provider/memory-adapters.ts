/** What `oidc-provider` keeps between requests, in the memory of one provider. */

import type { Adapter, AdapterPayload } from 'oidc-provider';

interface Kept {
  readonly payload: AdapterPayload;
  /** Seconds since the epoch. */
  readonly expSec: number;
}

/** One adapter for each kind of thing. They outlive a provider that is stopped and started again. */
export class MemoryAdapters {
  readonly #models = new Map<string, MemoryAdapter>();

  model(name: string): MemoryAdapter {
    const known = this.#models.get(name);
    if (known !== undefined) return known;
    const adapter = new MemoryAdapter(this.#models);
    this.#models.set(name, adapter);
    return adapter;
  }
}

class MemoryAdapter implements Adapter {
  readonly #kept = new Map<string, Kept>();
  readonly #models: ReadonlyMap<string, MemoryAdapter>;

  constructor(models: ReadonlyMap<string, MemoryAdapter>) {
    this.#models = models;
  }

  async upsert(id: string, payload: AdapterPayload, expiresInSec = Number.POSITIVE_INFINITY): Promise<void> {
    this.#kept.set(id, { payload, expSec: Date.now() / 1_000 + expiresInSec });
  }

  async find(id: string): Promise<AdapterPayload | undefined> {
    const kept = this.#kept.get(id);
    return kept !== undefined && kept.expSec > Date.now() / 1_000 ? kept.payload : undefined;
  }

  async findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return this.#first(({ uid: other }) => other === uid);
  }

  async findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return this.#first(({ userCode: other }) => other === userCode);
  }

  async consume(id: string): Promise<void> {
    const kept = this.#kept.get(id);
    if (kept !== undefined) kept.payload.consumed = Math.floor(Date.now() / 1_000);
  }

  async destroy(id: string): Promise<void> {
    this.#kept.delete(id);
  }

  /** All tokens of a grant, of every kind. */
  async revokeByGrantId(grantId: string): Promise<void> {
    for (const adapter of this.#models.values()) adapter.#forgetGrant(grantId);
  }

  #first(matches: (payload: AdapterPayload) => boolean): AdapterPayload | undefined {
    return [...this.#kept.values()].find(({ payload }) => matches(payload))?.payload;
  }

  #forgetGrant(grantId: string): void {
    for (const [id, { payload }] of this.#kept) if (payload.grantId === grantId) this.#kept.delete(id);
  }
}
