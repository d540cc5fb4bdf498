/**
 * Revocations of tokens in Redis:
 *
 *   {prefix}revocations      a sorted set of revocations in their written form, by the time at which each ends
 *   {prefix}revoked:tokens   the channel on which the script that records a revocation publishes it
 *
 * One key holds all of them, so a verifier that connects reads them in a few pages, on a Cluster as on a single server,
 * and the key expires with the last one. Sessions are in other slots: a separate command records the end of a session,
 * sent in parallel with the one that ends it (docs/adr/0002-revocation-feed.md). If only the recording fails, verifiers
 * that follow the feed have heard of the end anyway, and it is recorded later.
 */

import type { SessionHandle } from '../../../jwt/names.ts';
import type { Clocks } from '../../../lib/clock.ts';
import { MAX_SESSION_TOKEN_MS } from '../../../lib/token-limits.ts';
import type { TokenRevocation, TokenRevocationFollower, TokenRevocationStore } from '../../store.ts';
import { decodeTokenRevocation, encodeTokenRevocation } from '../../token-revocation.ts';
import type { Commands } from '../connection/commands.ts';
import type { ServerClock } from '../connection/server-clock.ts';
import type { RedisFeed } from '../feed.ts';
import type { Keys } from './keys.ts';
import { onKey, REVOKE_TOKENS, run } from './scripts.ts';

/** Entries of one page; doubled while a whole page ends at the same moment. */
const PAGE = 1_000;
/** How long a failed recording waits before it is tried again. */
const REPEAT_AFTER_MS = 1_000;
/** The most revocations remembered for {@link RedisTokenRevocations.revokeAgain}, and the most waiting to be recorded. */
const MAX_REMEMBERED = 10_000;

/** The revocations of tokens of one store. */
export class RedisTokenRevocations implements TokenRevocationStore {
  readonly #commands: Commands;
  readonly #feed: RedisFeed;
  readonly #key: string;
  readonly #channel: string;
  readonly #clocks: Clocks;
  readonly #serverClock: Pick<ServerClock, 'aheadMs'>;
  readonly #followers = new Set<TokenRevocationFollower>();
  /** By written form: when each revocation by an operator was heard of; the oldest first. */
  readonly #recent = new Map<string, { readonly revocation: TokenRevocation; readonly heardAtMs: number }>();
  /** Ends of sessions that are not recorded yet. */
  readonly #unrecorded = new Map<string, TokenRevocation>();
  #endedSessionsMs = MAX_SESSION_TOKEN_MS;
  #repeat: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(
    commands: Commands,
    feed: RedisFeed,
    keys: Keys,
    clocks: Clocks,
    serverClock: Pick<ServerClock, 'aheadMs'>,
  ) {
    this.#commands = commands;
    this.#feed = feed;
    this.#key = keys.tokenRevocations;
    this.#channel = keys.tokenNews;
    this.#clocks = clocks;
    this.#serverClock = serverClock;
    feed.subscribe((handle) => this.#tell(this.#ended(handle)));
    feed.subscribeTokenNews({
      onNews: (message) => this.#onNews(message),
      onResumed: () => {
        for (const follower of this.#followers) follower.onResumed();
      },
    });
  }

  async revoke(revocation: TokenRevocation): Promise<void> {
    await this.#record(revocation);
    this.#tell(revocation);
  }

  async current(): Promise<readonly TokenRevocation[]> {
    const found = new Map<string, TokenRevocation>();
    const aheadMs = this.#serverClock.aheadMs();
    let fromMs = this.#clocks.wallMs() + aheadMs;
    for (let size = PAGE; ; ) {
      const page = await this.#page(fromMs, size);
      for (const [entry, expiresAtMs] of page) {
        const revocation = decodeTokenRevocation(entry, expiresAtMs - aheadMs);
        if (revocation !== null) found.set(entry, revocation);
      }
      const lastMs = page.at(-1)?.[1];
      if (page.length < size || lastMs === undefined) return [...found.values()];
      // The next page begins with the last moment of this one, in which more revocations may end.
      size = lastMs === fromMs ? 2 * size : PAGE;
      fromMs = lastMs;
    }
  }

  follow(follower: TokenRevocationFollower): () => void {
    this.#followers.add(follower);
    if (this.#feed.link.client !== null) follower.onResumed();
    return () => this.#followers.delete(follower);
  }

  keepEndedSessionsFor(ms: number): void {
    this.#endedSessionsMs = ms;
  }

  /** Records that a session has ended. Never rejects: a failed recording is tried again later. */
  async recordEnd(handle: SessionHandle): Promise<void> {
    const revocation = this.#ended(handle);
    await this.#record(revocation).catch(() => this.#recordLater(revocation));
  }

  /** Records recent revocations again, since a promoted primary may have missed them. */
  async revokeAgain(heardWithinMs: number): Promise<void> {
    const sinceMs = this.#clocks.monotonicMs() - heardWithinMs;
    const again = [...this.#recent.values()].filter(({ heardAtMs }) => heardAtMs >= sinceMs);
    for (const { revocation } of again) await this.#record(revocation);
  }

  close(): void {
    this.#isClosed = true;
    if (this.#repeat !== null) clearTimeout(this.#repeat);
  }

  #ended(handle: SessionHandle): TokenRevocation {
    return { kind: 'session', handle, expiresAtMs: this.#clocks.wallMs() + this.#endedSessionsMs };
  }

  async #record(revocation: TokenRevocation): Promise<void> {
    const aheadMs = this.#serverClock.aheadMs();
    const nowMs = this.#clocks.wallMs() + aheadMs;
    const entry = encodeTokenRevocation(revocation);
    const endsAtMs = Math.ceil(revocation.expiresAtMs) + aheadMs;
    await this.#commands.send(run(REVOKE_TOKENS, this.#key, this.#channel, entry, endsAtMs, nowMs));
  }

  async #page(fromMs: number, size: number): Promise<(readonly [entry: string, expiresAtMs: number])[]> {
    const words = [fromMs, '+inf', 'BYSCORE', 'LIMIT', 0, size, 'WITHSCORES'] as const;
    const reply = await this.#commands.send(onKey('revoke', this.#key, 'ZRANGE', ...words));
    const flat = Array.isArray(reply) ? reply.map(String) : [];
    return flat.flatMap((entry, i) => (i % 2 === 0 ? [[entry, Number(flat[i + 1])] as const] : []));
  }

  #onNews(message: string): void {
    const space = message.indexOf(' ');
    const revocation = decodeTokenRevocation(
      message.slice(space + 1),
      Number(message.slice(0, space)) - this.#serverClock.aheadMs(),
    );
    if (revocation !== null) this.#tell(revocation);
  }

  #tell(revocation: TokenRevocation): void {
    if (revocation.kind !== 'session') this.#remember(revocation);
    for (const follower of this.#followers) follower.onRevoked(revocation);
  }

  #remember(revocation: TokenRevocation): void {
    const entry = encodeTokenRevocation(revocation);
    this.#recent.delete(entry);
    this.#recent.set(entry, { revocation, heardAtMs: this.#clocks.monotonicMs() });
    dropOldest(this.#recent);
  }

  #recordLater(revocation: TokenRevocation): void {
    this.#unrecorded.set(encodeTokenRevocation(revocation), revocation);
    dropOldest(this.#unrecorded);
    this.#repeatSoon();
  }

  #repeatSoon(): void {
    if (this.#isClosed) return;
    this.#repeat ??= setTimeout(() => void this.#recordUnrecorded(), REPEAT_AFTER_MS).unref();
  }

  async #recordUnrecorded(): Promise<void> {
    try {
      for (const [entry, revocation] of this.#unrecorded) {
        if (revocation.expiresAtMs > this.#clocks.wallMs()) await this.#record(revocation);
        this.#unrecorded.delete(entry);
      }
    } catch {
      // The store itself reports that it does not answer.
    }
    this.#repeat = null;
    if (this.#unrecorded.size > 0) this.#repeatSoon();
  }
}

function dropOldest(map: Map<string, unknown>): void {
  for (const oldest of map.keys()) {
    if (map.size <= MAX_REMEMBERED) return;
    map.delete(oldest);
  }
}
