/**
 * Random hexadecimal text for ids that have to be unique but are no secrets: request ids, trace ids.
 *
 * perf: bench/micro/ids.ts. Bytes are drawn and written as text in blocks; one id is then a piece of a string (20 ns),
 * where `randomUUID` costs 150 ns. Not for session ids or keys: those are drawn on their own.
 */

import { randomBytes } from 'node:crypto';

const BLOCK_BYTES = 4_096;

let block = '';
let used = 0;

/** This many hexadecimal digits from the system's generator; at most 8,192. */
export function randomHex(digits: number): string {
  if (used + digits > block.length) {
    block = randomBytes(BLOCK_BYTES).toString('hex');
    used = 0;
  }
  const start = used;
  used += digits;
  return block.slice(start, used);
}
