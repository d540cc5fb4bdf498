/**
 * Passes the output of a worker on to that of the primary. Several processes that write to one pipe split each other's
 * lines once a write exceeds what the pipe takes at once, so only the primary writes to it.
 */

import type { Readable } from 'node:stream';
import type { LineStream } from '../../telemetry/log.ts';

/** Passes whole lines on. An incomplete last line is completed when the output ends. */
export function passLinesOn(output: Readable, lines: LineStream): void {
  let rest: Buffer = Buffer.alloc(0);
  output.on('data', (chunk: Buffer) => {
    const end = chunk.lastIndexOf(0x0a) + 1;
    if (end === 0) {
      rest = Buffer.concat([rest, chunk]);
      return;
    }
    lines.write(Buffer.concat([rest, chunk.subarray(0, end)]).toString());
    rest = chunk.subarray(end);
  });
  output.on('end', () => {
    if (rest.byteLength > 0) lines.write(`${rest.toString()}\n`);
  });
}
