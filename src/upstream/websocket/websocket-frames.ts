/**
 * Just enough of RFC 6455 §5.2 to know where frames end and to write a Close frame between two of them. Payloads are
 * relayed as they are and never looked at.
 */

import { randomBytes } from 'node:crypto';

/** The bit of an opcode that says so (§5.5). */
const CONTROL = 0x08;

/** Follows the frame headers in one direction of a WebSocket. */
export class FrameTracker {
  readonly #header = Buffer.alloc(14);
  #headerLength = 0;
  #payloadLeft = 0;
  #isControl = false;
  /** Bytes of data frames so far. Control frames, such as the pongs of a browser, do not count as use. */
  dataBytes = 0;

  /** Whether everything seen so far ends where a frame ends, so that the gateway may add a frame of its own. */
  get isAtBoundary(): boolean {
    return this.#headerLength === 0 && this.#payloadLeft === 0;
  }

  /** Takes the next bytes of the direction, in any portions. */
  push(chunk: Uint8Array): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, chunk.length - offset);
        this.#payloadLeft -= taken;
        if (!this.#isControl) this.dataBytes += taken;
        offset += taken;
        continue;
      }
      this.#header[this.#headerLength] = chunk[offset] as number;
      this.#headerLength += 1;
      offset += 1;
      if (this.#headerLength >= 2 && this.#headerLength === headerLength(this.#header)) {
        this.#payloadLeft = payloadLength(this.#header);
        this.#isControl = (this.#header.readUInt8(0) & CONTROL) !== 0;
        if (!this.#isControl) this.dataBytes += this.#headerLength;
        this.#headerLength = 0;
      }
    }
  }
}

/** Length of a frame header by its second byte: 2, extended by 2 or 8 bytes of length and 4 bytes of mask. */
function headerLength(header: Buffer): number {
  const second = header.readUInt8(1);
  const length = second & 0x7f;
  return 2 + (length === 126 ? 2 : length === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4);
}

/** Beyond 2^53 it is not exact, but no such frame will ever end. */
function payloadLength(header: Buffer): number {
  const length = header.readUInt8(1) & 0x7f;
  if (length === 126) return header.readUInt16BE(2);
  return length === 127 ? Number(header.readBigUInt64BE(2)) : length;
}

/**
 * A Close frame (RFC 6455 §5.5.1).
 *
 * @param code    status code (§7.4.1)
 * @param reason  at most 123 bytes
 * @param masked  as a client sends it: every frame towards a server is masked (§5.1)
 */
export function closeFrame(code: number, reason: string, masked: boolean): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  if (!masked) return Buffer.concat([Buffer.from([0x88, payload.length]), payload]);
  const mask = randomBytes(4);
  return Buffer.concat([
    Buffer.from([0x88, 0x80 | payload.length]),
    mask,
    payload.map((byte, index) => byte ^ (mask[index % 4] as number)),
  ]);
}
