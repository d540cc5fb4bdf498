/** How many connections each client has open on one listener. */

import type { BlockList, Socket } from 'node:net';
import { isInList, plainAddress } from '../lib/address.ts';
import { type Place, Places } from '../lib/concurrency/places.ts';

/** The limit for one client. */
export interface ClientConnectionLimits {
  /** Open connections of one client; `Infinity`: no limit. */
  readonly maxConnectionsPerClient: number;
  /** Peers to which the limit does not apply; `null`: none. */
  readonly trustedProxies: BlockList | null;
}

/** Counts the connections of each client. */
export class ClientConnections {
  readonly #limits: ClientConnectionLimits;
  readonly #places = new Places();
  readonly #counted = new Map<Socket, Place>();

  constructor(limits: ClientConnectionLimits) {
    this.#limits = limits;
  }

  /** Counts a connection until {@link leave}. Returns `false`, and does not count it, when its client has too many. */
  enter(socket: Socket): boolean {
    const { maxConnectionsPerClient: max, trustedProxies } = this.#limits;
    if (max === Number.POSITIVE_INFINITY) return true;
    const address = plainAddress(socket.remoteAddress ?? '');
    if (trustedProxies !== null && isInList(trustedProxies, address)) return true;
    const place = this.#places.ofClient(address);
    if (!place.hasRoom(max)) return false;
    place.enter();
    this.#counted.set(socket, place);
    return true;
  }

  /** A connection has closed. */
  leave(socket: Socket): void {
    this.#counted.get(socket)?.leave();
    this.#counted.delete(socket);
  }
}
