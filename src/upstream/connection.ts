/**
 * A connection of a server's pool: undici's client of one connection, with what a forward has to know of the connection and
 * undici does not say.
 */

import type { Socket } from 'node:net';
import { type buildConnector, Client, type Dispatcher } from 'undici';
import { InterimHeads } from './interim-heads.ts';

/** A connection, as far as the request on it has to know it. */
export interface Carrier {
  /** A request begins. Returns whether the connection has carried one before. */
  begin(): boolean;
  /** Whether the connection has broken, rather than being closed by the server. */
  readonly isBroken: boolean;
}

/** What is asked of a server. */
export interface ConnectedOptions extends Dispatcher.DispatchOptions {
  /** Whose certificate is expected. */
  readonly servername: string;
  /** Whether either side of a gRPC call may be silent while the other sends; HTTP/2 only. */
  readonly isDuplex: boolean;
}

/** The handler of a request on such a connection. */
export interface ConnectedHandler extends Dispatcher.DispatchHandler {
  /** The connection that carries it, or will. */
  connection: Carrier | null;
}

/** One connection at a time to a server; a new one is made when the last has ended. */
export class ServerConnection extends Client implements Carrier {
  #wire: Wire | null = null;

  constructor(origin: URL, { connect, ...options }: Client.Options & { connect: buildConnector.connector }) {
    const adopting: buildConnector.connector = (target, callback) =>
      connect(target, (...connected) => {
        const [error, socket] = connected;
        if (error === null) this.#wire = new Wire(socket);
        callback(...connected);
      });
    super(origin, { ...options, connect: adopting });
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    (handler as ConnectedHandler).connection = this;
    return super.dispatch(options, handler);
  }

  begin(): boolean {
    return this.#wire?.begin() === true;
  }

  get isBroken(): boolean {
    return this.#wire?.isBroken === true;
  }
}

/** One socket of it. */
class Wire {
  readonly #socket: Socket;
  readonly #heads = new InterimHeads();
  #requests = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    const heads = this.#heads;
    const read = socket.read.bind(socket);
    // undici reads by this method alone.
    socket.read = (size?: number) => {
      const chunk = read(size);
      if (heads.isOpen && chunk !== null) heads.push(chunk);
      return chunk;
    };
  }

  get isBroken(): boolean {
    return this.#socket.errored !== null;
  }

  begin(): boolean {
    this.#heads.open();
    this.#requests += 1;
    return this.#requests > 1;
  }
}
