/**
 * Random hexadecimal text for ids that must be unique but are not secret: request ids, trace ids.
 *
 * perf: bench/micro/ids.ts. Bytes are generated and encoded in blocks; an id is then a slice of a string (20 ns), where
 * `randomUUID` costs 150 ns. Not for session ids or keys, which are generated one by one.
 */

import { randomBytes } from 'node:crypto';

const BLOCK_BYTES = 4_096;

let block = '';
let used = 0;

/** @param digits  how many hexadecimal digits, at most 8,192 */
export function randomHex(digits: number): string {
  if (used + digits > block.length) {
    block = randomBytes(BLOCK_BYTES).toString('hex');
    used = 0;
  }
  const start = used;
  used += digits;
  return block.slice(start, used);
}
