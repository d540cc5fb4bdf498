/** Delivers the news of sessions within this process, to all who have subscribed to it. */

import type { SessionHandle } from '../jwt/names.ts';

type SessionListener = (handle: SessionHandle) => void;

/** The subscribers of a feed, as `RevocationFeed` describes them. */
export class SessionNews {
  readonly #onEnded = new Set<SessionListener>();
  readonly #onUpdated = new Set<SessionListener>();

  subscribe(onRevoked: SessionListener): () => void {
    this.#onEnded.add(onRevoked);
    return () => this.#onEnded.delete(onRevoked);
  }

  subscribeToUpdates(onUpdated: SessionListener): () => void {
    this.#onUpdated.add(onUpdated);
    return () => this.#onUpdated.delete(onUpdated);
  }

  /** A session has ended. */
  deliver(handle: SessionHandle): void {
    for (const listener of this.#onEnded) listener(handle);
  }

  /** A session has changed. */
  deliverUpdate(handle: SessionHandle): void {
    for (const listener of this.#onUpdated) listener(handle);
  }
}
