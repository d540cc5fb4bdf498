/** The deadline of a gRPC call: the remaining time, which every hop passes on (`grpc-timeout`). */

import { Denial } from '../errors.ts';
import { MAX_TIMER_MS } from '../lib/clock.ts';
import { formatGrpcTimeout, parseGrpcTimeout } from '../lib/http/grpc.ts';

/** The client no longer waits. */
export const DEADLINE_EXCEEDED = new Denial('deadline_exceeded', 'grpc-timeout has passed');

/** The time by which a call must be over, on the monotonic clock. */
export class Deadline {
  readonly #atMs: number;

  private constructor(atMs: number) {
    this.#atMs = atMs;
  }

  /**
   * The deadline that the headers for the upstream state; `null` without one. A malformed one, or several, are the upstream's to
   * refuse.
   *
   * @param headers  flat name, value list
   */
  static of(headers: readonly string[], startedMs: number): Deadline | null {
    const at = valueIndex(headers);
    const timeoutMs = at === -1 ? null : parseGrpcTimeout(headers[at] as string);
    return timeoutMs === null ? null : new Deadline(startedMs + timeoutMs);
  }

  /** Milliseconds until then, for a timer; 0 or less once it has passed. */
  leftMs(nowMs: number): number {
    return Math.min(this.#atMs - nowMs, MAX_TIMER_MS);
  }

  /** Writes the remaining time into the headers that it was read from, or into later ones. */
  writeTo(headers: string[], nowMs: number): void {
    const at = valueIndex(headers);
    if (at !== -1) headers[at] = formatGrpcTimeout(this.#atMs - nowMs);
  }
}

/** Where the only value of `grpc-timeout` is; -1 without one, and with more. */
function valueIndex(headers: readonly string[]): number {
  let found = -1;
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if ((headers[index] as string).toLowerCase() !== 'grpc-timeout') continue;
    if (found !== -1) return -1;
    found = index + 1;
  }
  return found;
}
