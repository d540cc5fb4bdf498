/**
 * A connection of a server's pool: undici's client of one connection, which also knows whether it carried a request before.
 */

import { type buildConnector, Client, type Dispatcher } from 'undici';

/** The handler of a request on such a connection. */
export interface ConnectedHandler extends Dispatcher.DispatchHandler {
  /** The connection that carries it, or will. */
  connection: ServerConnection | null;
}

/** One connection at a time to a server; a new one is made when the last has ended. */
export class ServerConnection extends Client {
  /** Requests that began on the socket. */
  #requests = 0;

  constructor(origin: URL, { connect, ...options }: Client.Options & { connect: buildConnector.connector }) {
    const adopting: buildConnector.connector = (target, callback) =>
      connect(target, (...connected) => {
        this.#requests = 0;
        callback(...connected);
      });
    super(origin, { ...options, connect: adopting });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    (handler as ConnectedHandler).connection = this;
    return super.dispatch(options, handler);
  }

  /** A request begins. Returns whether the connection has carried one before. */
  begin(): boolean {
    this.#requests += 1;
    return this.#requests > 1;
  }
}
