/**
 * websocket: an open WebSocket. Relays bytes both ways with backpressure until one side, the session or the process ends.
 * When the gateway ends it, both sides get a Close frame where the frames allow one.
 */

import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { Exchange } from '../../exchange.ts';
import { notePassed } from '../../lib/passing-bytes.ts';
import type { OpenStream, StreamEnding } from '../../principal.ts';
import type { ReceivedFields } from '../dispatch.ts';
import { closeFrame, FrameTracker } from './websocket-frames.ts';

/** RFC 6455 §7.4.1. */
const POLICY_VIOLATION = 1008;
const GOING_AWAY = 1001;

/** A side that does not answer the gateway's Close is cut after this. */
const CLOSE_TIMEOUT_MS = 2_000;
/** When one side has ended, the other gets this long to end too: WebSockets have no half-open state. */
const HALF_OPEN_TIMEOUT_MS = 5_000;

/** One open WebSocket: both of its sides. */
export class Tunnel implements OpenStream {
  readonly #exchange: Exchange;
  readonly #client: Duplex;
  readonly #upstream: Duplex;
  readonly #onClosed: () => void;
  readonly #fromClient = new FrameTracker();
  readonly #fromUpstream = new FrameTracker();
  #openSides = 2;
  /** The gateway has sent both sides a Close frame. */
  isEnding = false;
  #closeTimer: NodeJS.Timeout | null = null;

  private constructor(exchange: Exchange, client: Duplex, upstream: Duplex, onClosed: () => void) {
    this.#exchange = exchange;
    this.#client = client;
    this.#upstream = upstream;
    this.#onClosed = onClosed;
  }

  /**
   * Answers the client's handshake with these headers and begins to relay.
   *
   * @param onClosed  both sides are closed; called once
   */
  static open(exchange: Exchange, upstream: Duplex, headers: readonly string[], onClosed: () => void): Tunnel {
    exchange.becomeTunnel();
    const tunnel = new Tunnel(exchange, exchange.reply.upgrade(headers), upstream, onClosed);
    tunnel.#begin();
    return tunnel;
  }

  #begin(): void {
    this.#relay(this.#client, this.#upstream, this.#fromClient, (bytes) => {
      this.#exchange.requestBytes += bytes;
    });
    this.#relay(this.#upstream, this.#client, this.#fromUpstream, (bytes) => {
      this.#exchange.responseBytes += bytes;
    });
    this.#client.resume();
  }

  /** Bytes of data frames that the client has sent. What a server pushes does not show that a user is there. */
  get use(): number {
    return this.#fromClient.dataBytes;
  }

  credentialEnded({ denial, closeReason }: StreamEnding): void {
    this.#exchange.refused(denial);
    this.#drain(POLICY_VIOLATION, closeReason);
  }

  /** Ends it gracefully: both sides get a Close frame and a moment to answer. */
  drain(): void {
    this.#drain(GOING_AWAY, 'going away');
  }

  /** Cuts both sides at once. */
  close(): void {
    this.#client.destroy();
    this.#upstream.destroy();
  }

  #relay(from: Duplex, to: Duplex, frames: FrameTracker, onBytes: (count: number) => void): void {
    from.on('data', (chunk: Buffer) => {
      if (this.isEnding) return;
      frames.push(chunk);
      onBytes(chunk.byteLength);
      notePassed(chunk.byteLength);
      if (!to.write(chunk)) from.pause();
    });
    to.on('drain', () => from.resume());
    from.on('end', () => this.#sideEnded(to));
    from.on('error', () => to.destroy());
    from.on('close', () => this.#sideClosed(to));
  }

  /** What was relayed before the end is still delivered; a side that then stays is cut. */
  #sideEnded(other: Duplex): void {
    other.end();
    this.#closeTimer ??= setTimeout(() => this.close(), HALF_OPEN_TIMEOUT_MS).unref();
  }

  #sideClosed(other: Duplex): void {
    this.#openSides -= 1;
    if (this.#openSides > 0) {
      this.#sideEnded(other);
      return;
    }
    if (this.#closeTimer !== null) clearTimeout(this.#closeTimer);
    this.#onClosed();
  }

  #drain(code: number, reason: string): void {
    if (this.isEnding) return;
    this.isEnding = true;
    if (this.#fromUpstream.isAtBoundary) this.#client.write(closeFrame(code, reason, false));
    if (this.#fromClient.isAtBoundary) this.#upstream.write(closeFrame(code, reason, true));
    this.#client.end();
    this.#upstream.end();
    this.#client.resume();
    this.#upstream.resume();
    if (this.#closeTimer !== null) clearTimeout(this.#closeTimer);
    this.#closeTimer = setTimeout(() => this.close(), CLOSE_TIMEOUT_MS).unref();
  }
}

/** The value of Sec-WebSocket-Accept for a Sec-WebSocket-Key. */
export const handshakeProof = (key: string | null): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/**
 * Whether a 101 answers the handshake that was asked for (RFC 6455 §4.1): an upstream that merely says 101 to anything
 * would give the client a connection past every check.
 *
 * @param key  Sec-WebSocket-Key of the request
 */
export function acceptsHandshake(received: ReceivedFields, key: string | null): boolean {
  const { upgrade } = received;
  const isWebSocket = typeof upgrade === 'string' && upgrade.toLowerCase() === 'websocket';
  return isWebSocket && received['sec-websocket-accept'] === handshakeProof(key);
}
