/** Opens and checks connections to the right server, in each topology. */

import { Cluster, type Redis } from 'ioredis';
import { answerWithin } from '../../networked/deadline.ts';
import { type Attempt, type Client, checked, newAttempt, openCluster, openNode } from './clients.ts';
import { primariesOf } from './cluster.ts';
import { isReadable } from './faults.ts';
import { findPrimary } from './sentinel.ts';
import type { RedisSettings } from './settings.ts';
import type { RedisNode } from './url.ts';

/** The servers of one configuration. */
export class Servers {
  readonly #settings: RedisSettings;
  readonly #probeKey: string;
  #subscriberTurn = 0;

  /** @param probeKey  a key below the gateway's prefix that never exists */
  constructor(settings: RedisSettings, probeKey: string) {
    this.#settings = settings;
    this.#probeKey = probeKey;
  }

  /** Opens the connection for commands. */
  async connect(signal: AbortSignal): Promise<Client> {
    const attempt = await newAttempt(this.#settings, signal);
    if (this.#settings.address.topology === 'cluster') return openCluster(attempt);
    const client = await openNode(attempt, await this.#findPrimary(attempt), attempt.secrets.login ?? {});
    return checked(client, () => this.#checkPrimary(client));
  }

  /**
   * Opens the connection for the subscription.
   *
   * @param client  the live connection for commands; each attempt uses another node of a Cluster
   */
  async connectSubscriber(signal: AbortSignal, client: Client | null): Promise<Redis> {
    const attempt = await newAttempt(this.#settings, signal);
    const isCluster = this.#settings.address.topology === 'cluster';
    const node = isCluster ? this.#nextNode(client) : await this.#findPrimary(attempt);
    return openNode(attempt, node, attempt.secrets.login ?? {});
  }

  /** A warning about the settings of the servers; `null` when there is none, or the servers do not reveal them. */
  async findWarning(client: Client): Promise<string | null> {
    const nodes = client instanceof Cluster ? client.nodes('master') : [client];
    for (const node of nodes) {
      const info = await answerWithin(node.info('memory'), this.#settings.commandTimeoutMs).catch(() => '');
      const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction';
      if (policy !== 'noeviction') {
        return `Redis may drop sessions when it is full (maxmemory-policy ${policy}), which logs people out: use noeviction`;
      }
    }
    return null;
  }

  async #findPrimary(attempt: Attempt): Promise<RedisNode> {
    const { topology, nodes } = this.#settings.address;
    return topology === 'sentinel' ? findPrimary(attempt) : (nodes[0] as RedisNode);
  }

  /** The next node to subscribe at: one that does not deliver is not tried twice in a row. */
  #nextNode(client: Client | null): RedisNode {
    const known = client instanceof Cluster ? [...primariesOf(client).keys()].map(toNode) : [];
    const nodes = known.length > 0 ? known : this.#settings.address.nodes;
    this.#subscriberTurn += 1;
    return nodes[this.#subscriberTurn % nodes.length] as RedisNode;
  }

  /**
   * Makes the smallest write there is. A server that accepts it is a primary, has finished loading, and has logged the
   * gateway in. A primary that accepts no writes at the moment, but can be read, passes.
   */
  async #checkPrimary(client: Redis): Promise<void> {
    const { address, commandTimeoutMs } = this.#settings;
    if (address.database !== 0) await answerWithin(client.select(address.database), commandTimeoutMs);
    await answerWithin(client.del(this.#probeKey), commandTimeoutMs).catch((error: unknown) => {
      if (!isReadable(error)) throw error;
    });
  }
}

function toNode(name: string): RedisNode {
  const colon = name.lastIndexOf(':');
  return { host: name.slice(0, colon), port: Number(name.slice(colon + 1)) };
}
