/**
 * Ends connections whose clients are too slow to be worth keeping: idle ones that only drip, readers that take their answers
 * below the least rate, and those that take longer than a whole transfer may. One sweep over all connections looks for them,
 * because a timer for each request would cost more than everything else here.
 */

import type { Socket } from 'node:net';
import type { Clock } from '../../lib/clock.ts';
import type { ListenerRecorder } from '../listener.ts';
import type { PublicListenerConfig } from '../section.ts';
import type { ConnectionCut } from '../series.ts';
import { type Connection, Reading } from './connection.ts';
import type { Http1Reply } from './reply.ts';

/** A client that is too slow is detected late by at most this fraction of its time limit. */
const SWEEPS_PER_TIMEOUT = 4;

/**
 * A rate is measured over this many times `timeouts.send`: Node reports a write, of up to 64 KiB, only when the client has
 * taken all of it, which may take a while at the minimum rate.
 */
const SEND_TIMEOUTS_PER_WINDOW = 4;

/** Finds the slow ones among the connections of a server. */
export class PaceWatch {
  readonly #connections: ReadonlyMap<Socket, Connection>;
  readonly #recorder: Pick<ListenerRecorder, 'connectionCut'>;
  readonly #monotonicMs: Clock;
  readonly #sendMs: number;
  readonly #idleMs: number;
  readonly #transferMs: number;
  readonly #minBytesPerMs: number;
  readonly #timer: NodeJS.Timeout;
  #sweptMs: number;

  constructor(
    connections: ReadonlyMap<Socket, Connection>,
    { limits, timeouts }: Pick<PublicListenerConfig, 'limits' | 'timeouts'>,
    recorder: Pick<ListenerRecorder, 'connectionCut'>,
    monotonicMs: Clock,
  ) {
    this.#connections = connections;
    this.#recorder = recorder;
    this.#monotonicMs = monotonicMs;
    this.#sendMs = timeouts.send;
    // Node restarts its idle timeout with each byte, so a client that drips bytes without a request would never hit it.
    this.#idleMs = timeouts.keepAlive + timeouts.headers;
    this.#transferMs = timeouts.transfer;
    this.#minBytesPerMs = limits.minDownloadRate / 1_000;
    this.#sweptMs = monotonicMs();
    const shortestMs = Math.min(this.#sendMs, this.#idleMs, this.#transferMs);
    this.#timer = setInterval(() => this.sweep(), shortestMs / SWEEPS_PER_TIMEOUT).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Checks every connection once. */
  sweep(): void {
    const nowMs = this.#monotonicMs();
    const sinceMs = nowMs - this.#sweptMs;
    this.#sweptMs = nowMs;
    for (const [socket, connection] of this.#connections) {
      // `linger.ts` limits those that the gateway has ended.
      if (socket.writableFinished) continue;
      const reply = connection.replyUnderWay;
      const reason =
        reply === null
          ? this.#judgeIdle(connection, nowMs)
          : this.#judgeReader(connection, socket, reply, nowMs, sinceMs);
      if (reason === null) continue;
      this.#recorder.connectionCut(reason);
      socket.destroy();
    }
  }

  #judgeIdle(connection: Connection, nowMs: number): ConnectionCut | null {
    connection.reading = null;
    if (connection.isTunnel) return null;
    if (connection.idleSinceMs === null || connection.idleRequests !== connection.requests) {
      connection.idleSinceMs = nowMs;
      connection.idleRequests = connection.requests;
    }
    return nowMs - connection.idleSinceMs > this.#idleMs ? 'idle' : null;
  }

  #judgeReader(
    connection: Connection,
    socket: Socket,
    reply: Http1Reply,
    nowMs: number,
    sinceMs: number,
  ): ConnectionCut | null {
    connection.idleSinceMs = null;
    const { reading } = connection;
    if (socket.writableLength === 0) {
      reading?.beginWindow(nowMs, socket.bytesWritten);
      return null;
    }
    // Node knows whether anything at all moves. perf: bench/load/run.ts, warm session: its timeout from the beginning, which
    // is restarted for each request and on each of its reads and writes, costs 2 to 3 µs.
    if (socket.timeout !== this.#sendMs) socket.setTimeout(this.#sendMs);
    const taken = socket.bytesWritten - socket.writableLength;
    if (reading?.reply !== reply) {
      connection.reading = new Reading(reply, nowMs, taken);
      return null;
    }
    reading.waitedMs += sinceMs;
    if (reading.waitedMs > this.#transferMs) return 'transfer';
    const windowMs = nowMs - reading.windowSinceMs;
    if (windowMs < SEND_TIMEOUTS_PER_WINDOW * this.#sendMs) return null;
    if (taken - reading.windowTaken < this.#minBytesPerMs * windowMs) return 'slow_reader';
    reading.beginWindow(nowMs, taken);
    return null;
  }
}
