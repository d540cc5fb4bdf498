/**
 * http2: the HTTP/2 connections of a listener. Inputs: sockets whose clients speak HTTP/2, from the server that has accepted and
 * counted them. Outputs: exchanges, with the limits and timeouts of HTTP/1.1 and a few more. A client's fault ends its request or its
 * connection, and is counted; it never throws.
 */

import type { Socket } from 'node:net';
import { Exchange } from '../../exchange.ts';
import type { Clock } from '../../lib/clock.ts';
import type { PeerInfo } from '../../sanitize/sanitize.ts';
import type { Listener } from '../listener.ts';
import type { PublicListenerConfig } from '../section.ts';
import {
  type BeginRequest,
  type ConnectionLimits,
  type ConnectionOwner,
  type ConnectionTimes,
  Http2Connection,
} from './connection.ts';

/** A client that is too slow is detected late by at most this fraction of its time limit. */
const SWEEPS_PER_TIMEOUT = 4;

/** The HTTP/2 connections of one listener. */
export class Http2Connections implements ConnectionOwner {
  readonly listener: Listener;
  readonly begin: BeginRequest;
  readonly limits: ConnectionLimits;
  readonly times: ConnectionTimes;
  readonly monotonicMs: Clock;
  isDraining = false;
  readonly #open = new Set<Http2Connection>();
  readonly #timer: NodeJS.Timeout;
  #sweptMs: number;

  /** @param begin  default: begins an exchange for each request */
  constructor(
    listener: Listener,
    { limits, timeouts }: Pick<PublicListenerConfig, 'limits' | 'timeouts'>,
    monotonicMs: Clock,
    begin: BeginRequest = exchangesOn(listener),
  ) {
    const { headers: headersMs, keepAlive: keepAliveMs, send: sendMs, transfer: transferMs } = timeouts;
    const times = { headersMs, keepAliveMs, sendMs, transferMs, minBytesPerMs: limits.minDownloadRate / 1_000 };
    this.listener = listener;
    this.begin = begin;
    this.limits = { ...limits, maxRequests: limits.maxRequestsPerConnection || Number.POSITIVE_INFINITY };
    this.times = times;
    this.monotonicMs = monotonicMs;
    this.#sweptMs = monotonicMs();
    const shortestMs = Math.min(times.sendMs, times.headersMs, times.keepAliveMs, times.transferMs);
    this.#timer = setInterval(() => this.sweep(), shortestMs / SWEEPS_PER_TIMEOUT).unref();
  }

  /**
   * Takes a connection whose client speaks HTTP/2.
   *
   * @param own  its limits that differ from those of the others
   */
  open(socket: Socket, peer: PeerInfo, own: Partial<ConnectionLimits> = {}): void {
    if (socket.destroyed) return;
    const connection = new Http2Connection(socket, peer, { ...this.limits, ...own }, this);
    this.#open.add(connection);
    socket.once('close', () => this.#open.delete(connection));
  }

  /** From now on the first answer on a new connection is its last; open connections take no more requests. */
  announceDrain(): void {
    this.isDraining = true;
    this.drain();
  }

  /** Takes no more streams. Each connection closes when its last one is over. */
  drain(): void {
    for (const connection of this.#open) connection.drain();
  }

  /** Closes every connection at once. */
  close(): void {
    clearInterval(this.#timer);
    for (const connection of this.#open) connection.close();
  }

  /** Looks at every connection once. */
  sweep(): void {
    const nowMs = this.monotonicMs();
    const sinceMs = nowMs - this.#sweptMs;
    this.#sweptMs = nowMs;
    for (const connection of this.#open) connection.sweep(nowMs, sinceMs);
  }
}

const exchangesOn =
  (listener: Listener): BeginRequest =>
  (reply, head, peer, nowMs) => {
    const exchange = new Exchange(listener, reply, head, peer, nowMs);
    reply.carried = exchange;
    if (head.denial === null) listener.accept(exchange);
    else listener.acceptRefused(exchange, head.denial);
  };
