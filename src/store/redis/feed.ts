/**
 * The revocation feed: publish and subscribe in Redis, and the proof that it delivers.
 *
 * A dead subscription is silent, and so is one without news. Each replica therefore publishes a heartbeat four times a
 * second on its own channel and hears it on the connection that brings the revocations; Redis keeps the order of
 * messages on a connection. Only its own heartbeat proves anything to a replica, because it comes from the very server
 * that the replica would ask instead of trusting its cache. A heartbeat of another replica says nothing about that
 * server, which after a failover may be a different one. In a Cluster, a heartbeat is published through each primary,
 * and the feed is as good as the worst of them. (docs/adr/0002-revocation-feed.md)
 */

import { randomBytes } from 'node:crypto';
import type { Redis } from 'ioredis';
import { isSessionHandle, type SessionHandle } from '../../jwt/names.ts';
import type { Clock } from '../../lib/clock.ts';
import { answerWithin } from '../networked/deadline.ts';
import { Link } from '../networked/link.ts';
import { SessionNews } from '../session-news.ts';
import type { RevocationFeed } from '../store.ts';
import { checked } from './connection/clients.ts';
import type { Commands } from './connection/commands.ts';
import type { Keys } from './data/keys.ts';

/** Begins the news of a session that was changed; a handle alone is the news of one that has ended. */
const UPDATED = 'updated ';

/** The news that a session was changed. Gateways that do not know such news ignore it. */
export const updatedMessage = (handle: SessionHandle): string => UPDATED + handle;

const BEAT_EVERY_MS = 250;
/** The subscription is replaced when Redis has accepted more heartbeats than this and delivered none. */
const MOST_UNHEARD = 4;

interface FeedEvents {
  /** The subscription is live. */
  readonly onUp: () => void;
  /** The primaries of a Cluster have changed since the last heartbeat. */
  readonly onServersChanged: () => void;
}

interface TokenNewsListener {
  readonly onNews: (message: string) => void;
  /** The feed delivers from now on, or its servers have changed: revocations recorded before have to be read. */
  readonly onResumed: () => void;
}

/** The feed of one store. */
export class RedisFeed extends SessionNews implements RevocationFeed {
  /** The connection of the subscription. */
  readonly link: Link<Redis>;
  readonly #commands: Commands;
  readonly #revocations: string;
  readonly #tokenNews: string;
  readonly #heartbeats: string;
  readonly #monotonicMs: Clock;
  readonly #events: FeedEvents;
  readonly #timer: NodeJS.Timeout;
  readonly #tokenListeners = new Set<TokenNewsListener>();
  /** By server: when the last heard heartbeat was sent. */
  readonly #heardMs = new Map<string, number>();
  /** By server: how many heartbeats it has accepted since the last one that was heard. */
  readonly #unheard = new Map<string, number>();
  #servers: readonly string[] = [];
  #isBeating = false;
  #provenAtMs: number | null = null;
  #lastProvenAtMs = Number.NEGATIVE_INFINITY;
  #unbrokenSinceMs = Number.POSITIVE_INFINITY;

  /** @param connect  opens the connection for the subscription */
  constructor(
    commands: Commands,
    keys: Keys,
    connect: (signal: AbortSignal) => Promise<Redis>,
    subscribeWithinMs: number,
    monotonicMs: Clock,
    events: FeedEvents,
  ) {
    super();
    this.#commands = commands;
    this.#revocations = keys.revocations;
    this.#tokenNews = keys.tokenNews;
    this.#heartbeats = keys.heartbeat(randomBytes(12).toString('base64url'));
    this.#monotonicMs = monotonicMs;
    this.#events = events;
    const open = async (signal: AbortSignal) =>
      checked(await connect(signal), (client) => {
        client.on('message', (channel, message) => this.#onMessage(client, channel, message));
        const channels = [this.#revocations, this.#tokenNews, this.#heartbeats];
        return answerWithin(client.subscribe(...channels), subscribeWithinMs);
      });
    const linkEvents = { onUp: () => this.#onUp(), onDown: () => this.#onDown() };
    this.link = new Link(open, linkEvents, monotonicMs);
    this.#timer = setInterval(() => void this.#beat(), BEAT_EVERY_MS).unref();
  }

  /** Follows published revocations of tokens. */
  subscribeTokenNews(listener: TokenNewsListener): void {
    this.#tokenListeners.add(listener);
    if (this.link.client !== null) listener.onResumed();
  }

  /** Tells followers to read the revocations of tokens again: commands go to another server than before. */
  readAgain(): void {
    if (this.link.client === null) return;
    for (const listener of this.#tokenListeners) listener.onResumed();
  }

  /** When the last heard heartbeat was sent: everything published before that has been delivered. */
  provenAtMs(): number | null {
    return this.#provenAtMs;
  }

  lastProvenAtMs(): number {
    return this.#lastProvenAtMs;
  }

  unbrokenSinceMs(): number {
    return this.#unbrokenSinceMs;
  }

  close(): void {
    clearInterval(this.#timer);
    this.link.close();
  }

  #onUp(): void {
    this.#forget();
    this.#unbrokenSinceMs = this.#monotonicMs();
    this.#events.onUp();
    this.readAgain();
    void this.#beat();
  }

  #onDown(): void {
    this.#forget();
    this.#unbrokenSinceMs = Number.POSITIVE_INFINITY;
  }

  #forget(): void {
    this.#heardMs.clear();
    this.#unheard.clear();
    this.#provenAtMs = null;
  }

  #onMessage(client: Redis, channel: string, message: string): void {
    if (channel === this.#revocations) {
      const updated = message.startsWith(UPDATED) ? message.slice(UPDATED.length) : '';
      if (isSessionHandle(message)) this.deliver(message);
      else if (isSessionHandle(updated)) this.deliverUpdate(updated);
    } else if (channel === this.#tokenNews) for (const listener of this.#tokenListeners) listener.onNews(message);
    else if (client === this.link.client) this.#hear(message);
    // A heartbeat on a replaced connection proves nothing about the present one.
  }

  #hear(message: string): void {
    const space = message.lastIndexOf(' ');
    const server = message.slice(0, space);
    this.#heardMs.set(server, Number(message.slice(space + 1)));
    this.#unheard.set(server, 0);
    this.#judge();
  }

  async #beat(): Promise<void> {
    if (this.#isBeating) return;
    this.#isBeating = true;
    try {
      const sentAtMs = this.#monotonicMs();
      const taken = await this.#commands.publishEverywhere(this.#heartbeats, (server) => `${server} ${sentAtMs}`);
      this.#noteServers([...taken.keys()]);
      for (const [server, isTaken] of taken) {
        if (isTaken) this.#unheard.set(server, (this.#unheard.get(server) ?? 0) + 1);
      }
      this.#judge();
    } finally {
      this.#isBeating = false;
    }
  }

  #noteServers(servers: readonly string[]): void {
    const isChange = this.#servers.length > 0 && servers.join() !== this.#servers.join();
    this.#servers = servers;
    if (!isChange) return;
    this.#events.onServersChanged();
    // The last messages of the old primary may be lost.
    this.readAgain();
  }

  /** The feed is proven up to the oldest of the servers' newest heartbeats. */
  #judge(): void {
    const heardMs = this.#servers.flatMap((server) => this.#heardMs.get(server) ?? []);
    const areAllHeard = heardMs.length > 0 && heardMs.length === this.#servers.length;
    this.#provenAtMs = areAllHeard ? Math.min(...heardMs) : null;
    this.#lastProvenAtMs = Math.max(this.#lastProvenAtMs, this.#provenAtMs ?? Number.NEGATIVE_INFINITY);
    const isDeaf = this.#servers.some((server) => (this.#unheard.get(server) ?? 0) > MOST_UNHEARD);
    const { client } = this.link;
    if (isDeaf && client !== null) this.link.drop(client, new Error('heartbeats are not delivered'));
  }
}
