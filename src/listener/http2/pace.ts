/**
 * Ends requests whose clients are too slow, and connections without requests: the rules of `http1/pace.ts`, for a connection with many
 * answers, each of which is checked separately.
 */

import type { ConnectionCut } from '../series.ts';
import type { Http2Reply } from './reply.ts';

/** Time limits, and the lowest rate at which a client may read an answer. */
export interface PaceLimits {
  readonly sendMs: number;
  readonly transferMs: number;
  readonly minBytesPerMs: number;
}

/** As in `http1/pace.ts`: a rate is measured over this many times `timeouts.send`. */
const SEND_TIMEOUTS_PER_WINDOW = 4;

/**
 * Checks an answer in progress.
 *
 * Node reports a write, of up to 64 KiB, only once the client has taken all of it, and does not report partial progress on one stream. So
 * a client that takes nothing is detected as late as one that takes too little.
 *
 * @param sinceMs  the time since the previous check
 * @returns the reason to end it; `null`: it may continue
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
