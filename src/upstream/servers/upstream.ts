/** servers: the servers behind one name, which of them gets the next request, and which requests wait. */

import { isDeepStrictEqual } from 'node:util';
import { Denial } from '../../errors.ts';
import type { Clock } from '../../lib/clock.ts';
import type { UpstreamTls } from '../connect.ts';
import { speaksHttp2, type UpstreamConfig } from '../section.ts';
import { UpstreamServer } from './server.ts';
import { Shares } from './shares.ts';
import { WaitingLine } from './waiting.ts';

const TOO_MANY_PENDING = new Denial('overloaded', 'too many requests wait for this upstream');

/** One upstream: its servers, and the choice between them. */
export class Upstream {
  readonly name: string;
  readonly config: UpstreamConfig;
  readonly servers: readonly UpstreamServer[];
  /** Whether its servers speak HTTP/2; HTTP/1.1 otherwise. */
  readonly isHttp2: boolean;
  /** Requests that one server can work on at once. */
  readonly #capacity: number;
  readonly #isRoundRobin: boolean;
  readonly #maxInFlight: number;
  readonly #tls: UpstreamTls | null;
  /** Requests that wait for a connection. */
  readonly waiting: WaitingLine;
  /** What each client and session holds of its connections. */
  readonly shares: Shares;
  #next = 0;
  /** The check that is under way, so that probes that come together make one. */
  #reachable: Promise<boolean> | null = null;

  /** @param tls  with the files read; `null` for that of the system */
  constructor(name: string, config: UpstreamConfig, tls: UpstreamTls | null, monotonicMs: Clock) {
    this.name = name;
    this.config = config;
    this.#isRoundRobin = config.balance === 'roundRobin';
    this.waiting = new WaitingLine(config.timeouts.pending, monotonicMs);
    this.isHttp2 = speaksHttp2(config);
    this.#capacity = config.maxConnections * (this.isHttp2 ? config.maxStreams : 1);
    this.#maxInFlight = this.#capacity + config.maxPending;
    this.#tls = tls;
    this.servers = config.endpoints.map((origin) => new UpstreamServer(origin, config, tls, monotonicMs));
    this.shares = new Shares(config.maxPending, () => this.#free);
  }

  get #free(): number {
    let free = this.servers.length * this.#capacity;
    for (const { inFlight } of this.servers) free -= inFlight;
    return free;
  }

  /** Whether a configuration gives the same upstream, with the current contents of its files. */
  isMadeBy(config: UpstreamConfig, tls: UpstreamTls | null): boolean {
    return isDeepStrictEqual(this.config, config) && isDeepStrictEqual(this.#tls, tls);
  }

  /**
   * Chooses the server for a request.
   *
   * Prefers servers that are not ejected; when all are, it takes the one whose ejection ends first, because a small chance
   * is better than none.
   *
   * @param except  a server that has just failed: the last resort
   * @returns a server, or a Denial `overloaded` when every eligible server has too many waiting requests
   */
  choose(except: UpstreamServer | null = null): UpstreamServer | Denial {
    const [only] = this.servers;
    if (this.servers.length === 1 && only !== undefined) {
      return only.inFlight < this.#maxInFlight ? only : TOO_MANY_PENDING;
    }
    const chosen = this.#bestOf(except) ?? (this.#isAnyEligible(except) ? null : this.#soonestBack(except));
    if (chosen === null || chosen.inFlight >= this.#maxInFlight) return TOO_MANY_PENDING;
    chosen.noteChosen();
    return chosen;
  }

  /** Whether at least one server is not ejected, for readiness and the gauge. */
  isHealthy(): boolean {
    return this.servers.some((server) => server.isEligible());
  }

  /** Whether a connection can be made to at least one server, ejected or not. */
  isReachable(timeoutMs: number): Promise<boolean> {
    this.#reachable ??= this.#firstReachable(timeoutMs).finally(() => {
      this.#reachable = null;
    });
    return this.#reachable;
  }

  #firstReachable(timeoutMs: number): Promise<boolean> {
    return Promise.any(this.servers.map((server) => server.reach(timeoutMs))).then(
      () => true,
      () => false,
    );
  }

  /** Closes every connection at once; requests on them fail. */
  close(): void {
    for (const server of this.servers) server.close();
  }

  #isAnyEligible(except: UpstreamServer | null): boolean {
    return this.servers.some((server) => server !== except && server.isEligible());
  }

  /** The next eligible server in turn that has room, or else the least busy one. */
  #bestOf(except: UpstreamServer | null): UpstreamServer | null {
    const { servers } = this;
    const start = this.#next;
    let best: UpstreamServer | null = null;
    for (let step = 0; step < servers.length; step += 1) {
      const index = (start + step) % servers.length;
      const server = servers[index] as UpstreamServer;
      if (server === except || !server.isEligible() || server.inFlight >= this.#maxInFlight) continue;
      if (best !== null && server.load >= best.load) continue;
      best = server;
      this.#next = index + 1;
      if (this.#isRoundRobin) break;
    }
    return best;
  }

  #soonestBack(except: UpstreamServer | null): UpstreamServer {
    const others = this.servers.filter((server) => server !== except);
    const pool = others.length > 0 ? others : this.servers;
    return pool.reduce((best, server) => (server.ejectedUntilMs < best.ejectedUntilMs ? server : best));
  }
}
