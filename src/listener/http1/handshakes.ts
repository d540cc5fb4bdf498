/** TLS handshakes under way: the beginning of a handshake decides which CA its client certificate is judged by. */

import type { Socket } from 'node:net';

/** The connections of a server that are in their handshake. */
export class Handshakes {
  /** By address and port of the client, which the socket with TLS shares with the one below it. */
  readonly #underWay = new Map<string, Socket>();
  readonly #clients = new WeakMap<Socket, string>();

  /** A connection was accepted. */
  begun(socket: Socket): void {
    const client = clientOf(socket);
    this.#underWay.set(client, socket);
    // Once it is closed, it no longer has an address.
    this.#clients.set(socket, client);
  }

  /** A handshake is complete. @param secure  the socket with TLS */
  completed(secure: Socket): void {
    this.#underWay.delete(clientOf(secure));
  }

  /** A connection was closed, perhaps in its handshake. */
  closed(socket: Socket): void {
    const client = this.#clients.get(socket);
    if (client !== undefined && this.#underWay.get(client) === socket) this.#underWay.delete(client);
  }

  /** Closes the connections whose handshake is not complete. */
  cut(): void {
    for (const socket of this.#underWay.values()) socket.destroy();
    this.#underWay.clear();
  }
}

const clientOf = ({ remoteAddress, remotePort }: Socket): string => `${remotePort} ${remoteAddress}`;
