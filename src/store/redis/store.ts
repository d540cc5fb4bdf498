/**
 * store/redis: a store for several gateways in Redis or Valkey, as a single server, behind Sentinel, or as a Cluster.
 *
 * A Redis that refuses the gateway is a mistake in the configuration, and the gateway does not start. One that cannot
 * be reached is not: it may start later than the gateway, which is not ready until then, and it may go and come back at
 * any time.
 */

import { Cluster } from 'ioredis';
import { ConfigFault } from '../../errors.ts';
import type { SessionHandle } from '../../jwt/names.ts';
import type { Clocks } from '../../lib/clock.ts';
import { AnswerTimeout } from '../networked/deadline.ts';
import type { StoreEvents } from '../networked/events.ts';
import { Link } from '../networked/link.ts';
import { RecentEnds } from '../networked/recent-ends.ts';
import { rehearse } from '../networked/rehearsal.ts';
import type { Store } from '../store.ts';
import type { Client } from './connection/clients.ts';
import { Commands } from './connection/commands.ts';
import { describe, isRefusal } from './connection/faults.ts';
import { FailoverWatch } from './connection/sentinel.ts';
import { ServerClock } from './connection/server-clock.ts';
import { Servers } from './connection/servers.ts';
import { RedisSettings } from './connection/settings.ts';
import type { RedisNode } from './connection/url.ts';
import { RedisAttempts } from './data/attempts.ts';
import { RedisCodes } from './data/codes.ts';
import { RedisFamilies } from './data/families.ts';
import { Keys } from './data/keys.ts';
import { RedisLoginTransactions } from './data/login-transactions.ts';
import { RedisOnce } from './data/once.ts';
import { run, TIME } from './data/scripts.ts';
import { RedisSealedTokens } from './data/sealed-tokens.ts';
import { RedisSessions } from './data/sessions.ts';
import { RedisTokenRevocations } from './data/token-revocations.ts';
import { RedisFeed } from './feed.ts';
import type { RedisConfig } from './section.ts';

/** Acknowledged writes up to this age can be lost in a failover. */
const FORGOTTEN_BY_FAILOVER_MS = 120_000;

/** How often the clock of Redis is checked, besides at each new connection. */
const MEASURE_CLOCK_EVERY_MS = 60_000;

/** How long after a failover the sentinels may disagree. */
const FAILOVER_TAKES_MS = 4_000;

/**
 * Opens the store: connects and rehearses everything that the gateway will do.
 *
 * @returns the store, also when Redis cannot be reached yet
 * @throws ConfigFault when Redis refuses the user, the password or a command, or a named file cannot be read
 */
export async function openRedisStore(config: RedisConfig, clocks: Clocks, events: StoreEvents): Promise<Store> {
  const settings = new RedisSettings(config);
  await settings.readSecrets();
  const store = new RedisStore(settings, clocks, events);
  try {
    await store.begin();
    return store;
  } catch (fault) {
    await store.close();
    throw fault;
  }
}

class RedisStore implements Store {
  readonly kind = 'redis';
  readonly sessions: RedisSessions;
  readonly feed: RedisFeed;
  readonly tokenRevocations: RedisTokenRevocations;
  readonly attempts: RedisAttempts;
  readonly once: RedisOnce;
  readonly loginTransactions: RedisLoginTransactions;
  readonly sealedTokens: RedisSealedTokens;
  readonly families: RedisFamilies;
  readonly codes: RedisCodes;
  readonly description: string;
  readonly #clocks: Clocks;
  readonly #events: StoreEvents;
  readonly #servers: Servers;
  readonly #commands: Commands;
  readonly #link: Link<Client>;
  readonly #ended: RecentEnds;
  readonly #watch: FailoverWatch | null;
  readonly #measureClock: () => Promise<void>;
  readonly #clockTimer: NodeJS.Timeout;
  /** The primary according to the sentinels, and until when connections to any other server are closed. */
  #primary: { readonly node: RedisNode; readonly untilMs: number } | null = null;
  /** The first attempt is over. Until then, a refusal ends the start, and nothing is reported. */
  #hasBegun = false;
  /** The last reported reason of an outage; `null` while it is available; `undefined` before the first report. */
  #trouble: string | null | undefined;

  constructor(settings: RedisSettings, clocks: Clocks, events: StoreEvents) {
    const { monotonicMs, wallMs } = clocks;
    const { commandTimeoutMs, keyPrefix, address } = settings;
    const keys = new Keys(keyPrefix);
    this.description = settings.description;
    this.#clocks = clocks;
    this.#events = events;
    this.#servers = new Servers(settings, keys.probe);
    this.#ended = new RecentEnds(monotonicMs);
    const linkEvents = {
      onUp: (outageMs: number) => this.#onUp(outageMs),
      onDown: () => this.#report(),
    };
    this.#link = new Link((signal) => this.#servers.connect(signal), linkEvents, monotonicMs);
    this.#commands = new Commands(this.#link, commandTimeoutMs, monotonicMs, events, () => this.#report());
    const subscriber = (signal: AbortSignal) => this.#servers.connectSubscriber(signal, this.#link.client);
    this.feed = new RedisFeed(this.#commands, keys, subscriber, commandTimeoutMs, monotonicMs, {
      onUp: () => this.#leaveOldPrimary(),
      onServersChanged: () => this.#endAgain(FORGOTTEN_BY_FAILOVER_MS),
    });
    this.feed.subscribe((handle) => this.#ended.note(handle));
    const clock = new ServerClock(clocks);
    this.#measureClock = () => clock.measure(() => this.#commands.send(run(TIME, keys.probe)));
    this.#clockTimer = setInterval(() => void this.#measureClock(), MEASURE_CLOCK_EVERY_MS).unref();
    this.tokenRevocations = new RedisTokenRevocations(this.#commands, this.feed, keys, clocks, clock);
    const recordEnd = (handle: SessionHandle) => this.tokenRevocations.recordEnd(handle);
    this.sessions = new RedisSessions(this.#commands, keys, this.#ended, this.feed, recordEnd, wallMs, clock);
    this.attempts = new RedisAttempts(this.#commands, keys, clock);
    this.once = new RedisOnce(this.#commands, keys);
    this.loginTransactions = new RedisLoginTransactions(this.#commands, keys);
    this.codes = new RedisCodes(this.#commands, keys);
    this.sealedTokens = new RedisSealedTokens(this.#commands, keys);
    this.families = new RedisFamilies(this.#commands, keys, commandTimeoutMs, monotonicMs);
    this.#watch =
      address.topology === 'sentinel'
        ? new FailoverWatch(settings, (node) => this.#onPrimary(node), monotonicMs)
        : null;
  }

  /**
   * Makes the first attempt to connect, and rehearses if it succeeds.
   *
   * @throws ConfigFault when Redis refuses the gateway
   */
  async begin(): Promise<void> {
    const { feed } = this;
    this.#link.start();
    feed.link.start();
    this.#watch?.start();
    await Promise.all([this.#link.changed(), feed.link.changed()]);
    const { client } = this.#link;
    for (const cause of [this.#link.lastFailure, feed.link.lastFailure]) {
      if (cause instanceof ConfigFault) throw cause;
      if (isRefusal(cause)) throw new ConfigFault(`store.redis: ${describe(cause)}`);
    }
    if (client !== null) {
      await this.#measureClock();
      await rehearse(this, 'store.redis', this.#clocks.wallMs());
    }
    this.#hasBegun = true;
    this.#report();
    if (client === null) return;
    const warning = await this.#servers.findWarning(client);
    if (warning !== null) this.#events.onWarning(warning);
  }

  isAvailable(): boolean {
    return this.#commands.isAvailable;
  }

  async close(): Promise<void> {
    clearInterval(this.#clockTimer);
    this.#watch?.close();
    this.feed.close();
    this.tokenRevocations.close();
    this.#commands.close();
    this.#link.close();
  }

  #onPrimary(node: RedisNode): void {
    this.#primary = { node, untilMs: this.#clocks.monotonicMs() + FAILOVER_TAKES_MS };
    this.#leaveOldPrimary();
  }

  #onUp(outageMs: number): void {
    this.#report();
    if (this.#hasBegun) void this.#measureClock();
    this.#leaveOldPrimary();
    // The subscription may have reached the new primary first: revocations read meanwhile came from the old one.
    this.feed.readAgain();
    if (Number.isFinite(outageMs)) this.#endAgain(outageMs + FORGOTTEN_BY_FAILOVER_MS);
  }

  /**
   * Closes connections to an old primary, even if it still answers as if it were the primary. For a while it closes new
   * ones, too: the sentinels do not hear of a failover at the same moment, and one may still name the old primary.
   */
  #leaveOldPrimary(): void {
    const { monotonicMs } = this.#clocks;
    if (this.#primary === null || monotonicMs() > this.#primary.untilMs) return;
    const { host, port } = this.#primary.node;
    for (const link of [this.#link, this.feed.link]) {
      const { client } = link;
      if (client === null || client instanceof Cluster) continue;
      if (client.options.host !== host || client.options.port !== port) link.drop(client, new Error('not the primary'));
    }
  }

  /** Ends sessions and tokens again: a promoted server may have missed the last revocations. */
  #endAgain(endedWithinMs: number): void {
    this.sessions.endAgain(this.#ended.within(endedWithinMs)).catch(() => {});
    this.tokenRevocations.revokeAgain(endedWithinMs).catch(() => {});
  }

  #report(): void {
    if (!this.#hasBegun) return;
    const isAvailable = this.#commands.isAvailable;
    const trouble = isAvailable ? null : describe(this.#link.lastFailure ?? new AnswerTimeout());
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    if (trouble === null) this.#events.onAvailable();
    else this.#events.onUnavailable(trouble);
  }
}
