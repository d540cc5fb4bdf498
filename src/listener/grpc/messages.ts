/**
 * The messages in the body of a call (Length-Prefixed-Message): one byte that says whether it is compressed, four bytes of length, and
 * then the message.
 *
 * Bounded by what has arrived, whatever a prefix announces: a buffer grows with the bytes of the client, and at most to twice as many.
 *
 * @see https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */

import { GRPC_STATUS } from '../../lib/http/grpc.ts';

const PREFIX_BYTES = 5;
const EMPTY = Buffer.alloc(0);

/** A status other than OK that ends a call, and the reason in words for its client. */
export interface CallFailure {
  /** One of {@link GRPC_STATUS}. */
  readonly status: number;
  readonly message: string;
}

const TOO_LARGE: CallFailure = {
  status: GRPC_STATUS.resourceExhausted,
  message: 'the message is larger than accepted',
};
/** The head of the call has not named a compression, so nothing may be compressed. */
const COMPRESSED: CallFailure = {
  status: GRPC_STATUS.internal,
  message: 'a message is compressed without grpc-encoding',
};

/** Cuts a body into messages. */
export class MessageReader {
  readonly #maxBytes: number;
  #bytes: Buffer = EMPTY;
  #start = 0;
  #end = 0;

  /** @param maxBytes  of one message, without its prefix */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a part of a message is left. */
  get hasRest(): boolean {
    return this.#start < this.#end;
  }

  /** Takes the next part of the body. */
  add(part: Buffer): void {
    if (!this.hasRest) {
      // perf: most messages come in one frame, and are not copied.
      this.#bytes = part;
      this.#start = 0;
      this.#end = part.byteLength;
      return;
    }
    const length = this.#end - this.#start + part.byteLength;
    if (this.#end + part.byteLength > this.#bytes.byteLength) {
      const grown = Buffer.allocUnsafe(2 * length);
      this.#bytes.copy(grown, 0, this.#start, this.#end);
      this.#bytes = grown;
      this.#start = 0;
      this.#end = length - part.byteLength;
    }
    part.copy(this.#bytes, this.#end);
    this.#end += part.byteLength;
  }

  /** The next message; `null` where it is not complete; or why the call fails. */
  next(): Buffer | CallFailure | null {
    const held = this.#end - this.#start;
    if (held < PREFIX_BYTES) return null;
    if (this.#bytes[this.#start] !== 0) return COMPRESSED;
    const length = this.#bytes.readUInt32BE(this.#start + 1);
    if (length > this.#maxBytes) return TOO_LARGE;
    if (held < PREFIX_BYTES + length) return null;
    const from = this.#start + PREFIX_BYTES;
    this.#start = from + length;
    return this.#bytes.subarray(from, this.#start);
  }
}

/** A message as it is sent. */
export function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + message.byteLength);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.byteLength, 1);
  bytes.set(message, PREFIX_BYTES);
  return bytes;
}
