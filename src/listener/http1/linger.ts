/**
 * Ends a connection so that the client can read the last answer on it, even one that is still sending its request and reads
 * only when it is done.
 *
 * A socket that is closed with unread bytes of the client sends a reset, and a reset discards what the client has not read
 * yet: the very answer that says what was wrong. So the sending side is closed first, what still arrives is discarded for as
 * long as the client keeps sending, and only then is the socket destroyed (RFC 9112 §9.6).
 */

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** How long a client may keep sending after the gateway's side is closed. */
export interface LingerLimits {
  /** How often a client is checked. */
  readonly checkMs: number;
  /** How much it must have sent since the last check. */
  readonly leastBytes: number;
  /** How many checks it gets before it is cut, however much it sends. */
  readonly maxChecks: number;
}

/** A client is given five minutes while it sends 800 bytes a second, and five seconds when it does not. */
const LIMITS: LingerLimits = { checkMs: 5_000, leastBytes: 4_000, maxChecks: 60 };

const lingering = new WeakSet<Duplex>();

/**
 * Closes the sending side, and the whole connection when the client closes its own, stops sending, or has sent for too long.
 *
 * Replaces `destroySoon` of a server's sockets, which Node calls after an answer with `Connection: close`.
 */
export function lingeringClose(this: Socket): void {
  endAndLinger(this);
}

/** Does the same for any stream, after writing some last bytes. The caller must keep reading from it. */
export function endAndLinger(stream: Duplex, lastWords = '', limits: LingerLimits = LIMITS): void {
  if (stream.destroyed || lingering.has(stream)) return;
  lingering.add(stream);
  stream.end(lastWords);
  let seenBytes = bytesReadOf(stream);
  let checks = 0;
  const timer = setInterval(() => {
    const bytes = bytesReadOf(stream);
    checks += 1;
    if (bytes - seenBytes < limits.leastBytes || checks >= limits.maxChecks) stream.destroy();
    seenBytes = bytes;
  }, limits.checkMs).unref();
  stream.once('close', () => clearInterval(timer));
}

const bytesReadOf = (stream: Duplex): number => (stream instanceof Socket ? stream.bytesRead : 0);
