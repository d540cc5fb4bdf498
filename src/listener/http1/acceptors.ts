/**
 * Listening sockets beside that of a server, which accept connections for it.
 *
 * libuv accepts one connection of a listening socket in each turn of the event loop. With 1,000 busy connections a turn takes a
 * quarter of a second, so that new connections wait for seconds and then overflow the backlog, while those that are open are
 * served once a turn. Several sockets on the same port (SO_REUSEPORT) are accepted from in the same turn.
 */

import cluster from 'node:cluster';
import { Server } from 'node:net';

/** Connections that are accepted in one turn of the event loop, at most. */
const SOCKETS = 32;

/**
 * Makes them. None for a worker, whose connections the primary accepts, and none where the system does not spread connections
 * over such sockets.
 */
export function acceptorsFor(server: Server): readonly Server[] {
  if (cluster.isWorker || process.platform !== 'linux') return [];
  // What a server does to the connections that it accepts, and has as properties.
  const { allowHalfOpen, noDelay, keepAlive, keepAliveInitialDelay } = server as Server &
    Readonly<Record<string, never>>;
  const options = { allowHalfOpen, noDelay, keepAlive, keepAliveInitialDelay };
  return Array.from(
    { length: SOCKETS - 1 },
    () => new Server(options, (socket) => void server.emit('connection', socket)),
  );
}
