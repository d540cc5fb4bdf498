/**
 * Ends requests whose clients are too slow to be worth keeping, and connections that carry none: the rules of
 * `http1/pace.ts`, where a connection carries many answers and each is judged by itself.
 */

import type { ConnectionCut } from '../listener.ts';
import type { Http2Reply } from './reply.ts';

/** How long things may take, and the least rate at which an answer is taken. */
export interface PaceLimits {
  readonly sendMs: number;
  readonly transferMs: number;
  readonly minBytesPerMs: number;
}

/** As in `http1/pace.ts`: a rate is looked at over this many times `timeouts.send`. */
const SEND_TIMEOUTS_PER_WINDOW = 4;

/**
 * Judges an answer that is under way.
 *
 * What a client has taken of one write is known when it has taken all of it, up to 64 KiB, and Node does not say whether less
 * than that has moved on one stream. So a client that takes nothing is found when one that takes too little would be.
 *
 * @param sinceMs  the time since it was judged before
 * @returns why it is to be ended; `null`: it may go on
 */
export function judgeReader(
  reply: Http2Reply,
  nowMs: number,
  sinceMs: number,
  { sendMs, transferMs, minBytesPerMs }: PaceLimits,
): ConnectionCut | null {
  const taken = reply.writtenBytes - reply.waitingBytes;
  if (reply.waitingBytes === 0 || reply.windowSinceMs === null) {
    reply.windowSinceMs = reply.waitingBytes === 0 ? null : nowMs;
    reply.windowTaken = taken;
    return null;
  }
  reply.waitedMs += sinceMs;
  if (reply.waitedMs > transferMs) return 'transfer';
  const windowMs = nowMs - reply.windowSinceMs;
  if (windowMs < SEND_TIMEOUTS_PER_WINDOW * sendMs) return null;
  if (taken === reply.windowTaken) return 'stalled_reader';
  if (taken - reply.windowTaken < minBytesPerMs * windowMs) return 'slow_reader';
  reply.windowSinceMs = nowMs;
  reply.windowTaken = taken;
  return null;
}
