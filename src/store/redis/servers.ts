/** Where the servers are, and how a connection to the right one is opened and checked, in each topology. */

import { Cluster, type Redis } from 'ioredis';
import { answerWithin } from '../networked/deadline.ts';
import { type Attempt, type Client, checked, openCluster, openNode } from './clients.ts';
import { primariesOf } from './cluster.ts';
import { isReadable } from './faults.ts';
import { findPrimary } from './sentinel.ts';
import type { RedisSettings } from './settings.ts';
import type { RedisNode } from './url.ts';

export class Servers {
  readonly #settings: RedisSettings;
  readonly #probeKey: string;
  #subscriberTurn = 0;

  /** @param probeKey  a key of ours that does not exist */
  constructor(settings: RedisSettings, probeKey: string) {
    this.#settings = settings;
    this.#probeKey = probeKey;
  }

  /** Opens the connection for commands. */
  async connect(signal: AbortSignal): Promise<Client> {
    const attempt = await this.#attempt(signal);
    if (this.#settings.address.topology === 'cluster') return openCluster(attempt);
    const client = await openNode(attempt, await this.#findPrimary(attempt), attempt.secrets.login ?? {});
    return checked(client, () => this.#checkPrimary(client));
  }

  /**
   * Opens the connection for the subscription.
   *
   * @param client  the live connection for commands: of a Cluster, another of its nodes is taken at each attempt
   */
  async connectSubscriber(signal: AbortSignal, client: Client | null): Promise<Redis> {
    const attempt = await this.#attempt(signal);
    const isCluster = this.#settings.address.topology === 'cluster';
    const node = isCluster ? this.#nextNode(client) : await this.#findPrimary(attempt);
    return openNode(attempt, node, attempt.secrets.login ?? {});
  }

  /** What is wrong with the settings of the servers, if that can be asked; `null` when nothing is. */
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

  async #attempt(signal: AbortSignal): Promise<Attempt> {
    return { settings: this.#settings, secrets: await this.#settings.readSecrets(), signal };
  }

  async #findPrimary(attempt: Attempt): Promise<RedisNode> {
    const { topology, nodes } = this.#settings.address;
    return topology === 'sentinel' ? findPrimary(attempt) : (nodes[0] as RedisNode);
  }

  /** The next node to listen to: one that does not deliver is not asked twice in a row. */
  #nextNode(client: Client | null): RedisNode {
    const known = client instanceof Cluster ? [...primariesOf(client).keys()].map(toNode) : [];
    const nodes = known.length > 0 ? known : this.#settings.address.nodes;
    this.#subscriberTurn += 1;
    return nodes[this.#subscriberTurn % nodes.length] as RedisNode;
  }

  /**
   * Writes, in the smallest way there is: what answers that is a primary, has finished loading, and knows us. A primary
   * that takes no writes at the moment, but could be read, passes.
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
