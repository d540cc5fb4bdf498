/**
 * One connection that is kept alive: when it is lost, or found to be unusable, the next one is opened, again and again,
 * at most a quarter of a second apart. A connection counts as live only after it was opened and checked.
 */

import { setTimeout as pause } from 'node:timers/promises';

/** How attempts to connect are spaced; with jitter, so that replicas do not keep step. */
const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 250;

/** What a link needs to know of a client of some library. */
interface LinkedClient {
  /** Calls back when the connection is over, unless it is over already. */
  once(event: 'end', onEnd: () => void): unknown;
  /** `end` once the connection is over. */
  readonly status: string;
  /** Closes the connection at once. */
  disconnect(): void;
}

interface LinkEvents {
  /** A connection is live, after this long without one; infinite at the first. */
  readonly onUp: (outageMs: number) => void;
  /** The connection was lost, or an attempt failed; called for each failed attempt. */
  readonly onDown: () => void;
}

/** The connection ended without an error of its own. */
class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

/** Keeps one connection open until it is closed. */
export class Link<C extends LinkedClient> {
  readonly #connect: (signal: AbortSignal) => Promise<C>;
  readonly #events: LinkEvents;
  readonly #monotonicMs: () => number;
  readonly #closing = new AbortController();
  #client: C | null = null;
  #downSinceMs: number | null = Number.NEGATIVE_INFINITY;
  #waiters: (() => void)[] = [];
  #lose: (cause: unknown) => void = () => {};
  #lastFailure: unknown = null;

  /** @param connect  opens and checks a connection, in bounded time; closes it and rejects when the check fails */
  constructor(connect: (signal: AbortSignal) => Promise<C>, events: LinkEvents, monotonicMs: () => number) {
    this.#connect = connect;
    this.#events = events;
    this.#monotonicMs = monotonicMs;
  }

  /** Begins to connect, and keeps connected until {@link close}. */
  start(): void {
    void this.#keepConnected();
  }

  /** The live connection; `null` while there is none. */
  get client(): C | null {
    return this.#client;
  }

  /** Why the last connection was lost, or the last attempt failed; `null` while there is a connection. */
  get lastFailure(): unknown {
    return this.#lastFailure;
  }

  /** How long there has been no connection; 0 while there is one, infinite before the first. */
  get downForMs(): number {
    return this.#downSinceMs === null ? 0 : this.#monotonicMs() - this.#downSinceMs;
  }

  /** Resolves at the next change: a connection is live, an attempt failed, or the link was closed. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }

  /** This connection is unusable: closes it and opens the next one. */
  drop(client: C, cause: unknown): void {
    if (client === this.#client) this.#lose(cause);
  }

  /** Closes the connection and opens no other one. */
  close(): void {
    this.#closing.abort();
    this.#lose(new ConnectionLost());
    this.#wake();
  }

  async #keepConnected(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#closing.signal.aborted) {
      try {
        const client = await this.#connect(this.#closing.signal);
        pauseMs = FIRST_PAUSE_MS;
        await this.#holdUntilLost(client);
      } catch (cause) {
        this.#goDown(cause);
      }
      await pause(pauseMs * (0.5 + Math.random() / 2), null, { signal: this.#closing.signal }).catch(() => {});
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }

  /** Always ends by throwing why the connection was lost. */
  async #holdUntilLost(client: C): Promise<never> {
    try {
      return await new Promise<never>((_, reject) => {
        this.#lose = reject;
        client.once('end', () => reject(new ConnectionLost()));
        if (client.status === 'end' || this.#closing.signal.aborted) return reject(new ConnectionLost());
        this.#goUp(client);
      });
    } finally {
      this.#lose = () => {};
      client.disconnect();
    }
  }

  #goUp(client: C): void {
    const outageMs = this.downForMs;
    this.#client = client;
    this.#downSinceMs = null;
    this.#lastFailure = null;
    this.#events.onUp(outageMs);
    this.#wake();
  }

  #goDown(cause: unknown): void {
    this.#client = null;
    this.#lastFailure = cause;
    this.#downSinceMs ??= this.#monotonicMs();
    if (!this.#closing.signal.aborted) this.#events.onDown();
    this.#wake();
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}
