/**
 * What the listener knows of one connection, beyond what Node's server knows.
 */

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { plainAddress } from '../../lib/address.ts';
import type { PeerInfo } from '../../sanitize/sanitize.ts';

export class Connection {
  readonly peer: PeerInfo;
  /** Requests that have been begun on it. */
  requests = 0;
  /** Pipelined requests that wait for their turn. */
  waiting = 0;
  /** The parser has refused what came: the connection only waits for its end. */
  isRefused = false;

  constructor(socket: Socket) {
    this.peer = peerOf(socket);
  }
}

function peerOf(socket: Socket): PeerInfo {
  const address = plainAddress(socket.remoteAddress ?? '');
  if (!(socket instanceof TLSSocket)) return { address, secure: false, serverName: null };
  return { address, secure: true, serverName: serverNameOf(socket) };
}

function serverNameOf(socket: TLSSocket): string | null {
  if (typeof socket.servername !== 'string') return null;
  return socket.servername.toLowerCase().replace(/\.$/, '') || null;
}
