/**
 * The output of a worker on its way to that of the primary. Several processes that write to one pipe cut into each
 * other's lines as soon as they write more at once than the pipe takes; so only the primary writes to it.
 */

import type { Readable } from 'node:stream';
import type { LineStream } from '../../telemetry/log.ts';

/** Hands on what comes, whole lines at a time. What is left without an end when the output ends gets one. */
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
