/** What the server knows about one connection, in addition to Node. */

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { plainAddress } from '../../lib/address.ts';
import type { PeerInfo } from '../../sanitize/sanitize.ts';
import type { Http1Reply } from './reply.ts';

/** How a client takes one answer, as the sweeps have seen it. */
export class Reading {
  readonly reply: Http1Reply;
  /** How long the answer has waited for its client so far. */
  waitedMs = 0;
  /** When the present window began, and what the client had taken on this connection by then, bytes. */
  windowSinceMs: number;
  windowTaken: number;

  constructor(reply: Http1Reply, nowMs: number, taken: number) {
    this.reply = reply;
    this.windowSinceMs = nowMs;
    this.windowTaken = taken;
  }

  /** Begins a window. */
  beginWindow(nowMs: number, taken: number): void {
    this.windowSinceMs = nowMs;
    this.windowTaken = taken;
  }
}

/** One connection of a client. */
export class Connection {
  readonly peer: PeerInfo;
  readonly #server: { readonly isDraining: boolean };
  /** Requests that have begun on it. */
  requests = 0;
  /** Pipelined requests that wait for their turn. */
  waiting = 0;
  /** The parser has refused its input: it is only kept until it ends. */
  isRefused = false;
  /** It carries no further request: its client could not open it any more. */
  isRetired = false;
  /** A tunnel has taken it over. */
  isTunnel = false;
  /** Monotonic time of the sweep since which no request has been in progress; `null` while one is. */
  idleSinceMs: number | null = null;
  /** Requests that had begun by then. */
  idleRequests = 0;
  /** The answer that the client was reading, and had more to read of, in the last sweep; few connections ever have one. */
  reading: Reading | null = null;
  /** The reply that began last; `null` when it is over and has been forgotten. */
  reply: Http1Reply | null = null;

  constructor(socket: Socket, server: { readonly isDraining: boolean }) {
    this.peer = peerOf(socket);
    this.#server = server;
  }

  /** Whether it must not be kept: its server is draining, or it is retired. */
  get isDraining(): boolean {
    return this.isRetired || this.#server.isDraining;
  }

  /** Drops a reply that is over, unless the next one has begun. */
  forget(reply: Http1Reply): void {
    if (this.reply === reply) this.reply = null;
  }

  /** The reply that is being written on it, if any. Node detaches the socket from a complete one. */
  get replyUnderWay(): Http1Reply | null {
    return this.reply !== null && this.reply.socket !== null ? this.reply : null;
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
