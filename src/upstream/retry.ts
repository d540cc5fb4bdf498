/**
 * Which failed requests are sent again. One retry at most, and none once a byte of an answer has arrived, so that an
 * upstream that fails does not get twice the work (UPS-04).
 */

/** Why a request was sent a second time. */
export const RETRY_REASONS = ['not_connected', 'not_processed', 'kept_connection_closed', 'token_refused'] as const;
/** One of {@link RETRY_REASONS}. */
export type RetryReason = (typeof RETRY_REASONS)[number];

/** How far a request got before its connection failed. */
interface FailedAttempt {
  readonly method: string;
  readonly hasBody: boolean;
  /** Whether there was a connection, and writing the request on it had begun. */
  readonly wasSent: boolean;
  /** Whether the connection had carried a request before. */
  readonly wasKept: boolean;
  /** Whether a byte of an answer has come. */
  readonly wasAnswered: boolean;
  /** Whether the server says that it took no part of the request: REFUSED_STREAM, or beyond its GOAWAY (RFC 9113 §8.7). */
  readonly wasRefused: boolean;
  /** Whether all that was read of the body can be sent again. */
  readonly isBodyKept: boolean;
}

/** Repeating them has the effect of sending them once (RFC 9110 §9.2.2). */
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** Why a request whose connection failed may be sent again; `null` when it may not. */
export function retryReason(attempt: FailedAttempt): RetryReason | null {
  // Nothing was sent, whatever the method.
  if (!attempt.wasSent) return 'not_connected';
  // The client may have some of the answer, and a server that then says that it took no part of the request is not believed.
  if (attempt.wasAnswered) return null;
  if (attempt.wasRefused) return !attempt.hasBody || attempt.isBodyKept ? 'not_processed' : null;
  // A server may close a kept connection at the moment at which the next request arrives there, and has not seen it then.
  // One that closes a new connection without an answer has most likely failed because of the request. A body is not kept,
  // so what was read of it cannot be sent again.
  const isRace = attempt.wasKept && !attempt.hasBody;
  return isRace && IDEMPOTENT.has(attempt.method) ? 'kept_connection_closed' : null;
}
