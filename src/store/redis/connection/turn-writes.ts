/**
 * Sends the commands of one turn of the event loop together. The library writes each command to its socket at once, which is
 * a system call for each; held until the end of the turn, all of them are one for each connection. A turn serves requests
 * for a millisecond (docs/adr/0018-requests-wait-for-their-turn.md), so a command waits no longer than that, and where there
 * is little to do, it does not wait.
 *
 * perf: `npm run bench -- --only warm,cold`; docs/adr/0037-the-cold-path.md has the figures.
 */

import type { Socket } from 'node:net';
import { Cluster } from 'ioredis';
import type { Client } from './clients.ts';

/** The writes of one turn. */
export class TurnWrites {
  #held: readonly Socket[] = [];

  /** Holds what is written to this client from now on until the end of the turn. Order is kept. */
  hold(client: Client): void {
    if (this.#held.length > 0) return;
    // A node of a Cluster that is not connected yet has no socket.
    const connections = client instanceof Cluster ? client.nodes('master') : [client];
    this.#held = connections.flatMap(({ stream }) => stream ?? []);
    for (const socket of this.#held) socket.cork();
    setImmediate(this.#release);
  }

  readonly #release = (): void => {
    const held = this.#held;
    this.#held = [];
    for (const socket of held) socket.uncork();
  };
}
