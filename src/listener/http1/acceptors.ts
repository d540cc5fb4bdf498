/**
 * Additional listening sockets that accept connections for a server.
 *
 * libuv accepts one connection of a listening socket in each turn of the event loop. With 1,000 busy connections a turn takes a
 * quarter of a second, so that new connections wait for seconds and then overflow the backlog, while those that are open are
 * served once a turn. Several sockets on the same port (SO_REUSEPORT) are accepted from in the same turn, and the kernel
 * spreads connections over the sockets of several workers, so that no process has to hand them over.
 */

import { Server } from 'node:net';

/** Whether the system spreads connections over the sockets of a port. */
export const CAN_SHARE_PORT: boolean = process.platform === 'linux';

/** Connections that are accepted in one turn of the event loop, at most. */
const SOCKETS = 32;

/** Makes them. None where the system does not spread connections over such sockets. */
export function acceptorsFor(server: Server): readonly Server[] {
  if (!CAN_SHARE_PORT) return [];
  // Options that a server applies to the connections it accepts; it has them as properties.
  const { allowHalfOpen, noDelay, keepAlive, keepAliveInitialDelay } = server as Server &
    Readonly<Record<string, never>>;
  const options = { allowHalfOpen, noDelay, keepAlive, keepAliveInitialDelay };
  return Array.from(
    { length: SOCKETS - 1 },
    () => new Server(options, (socket) => void server.emit('connection', socket)),
  );
}
