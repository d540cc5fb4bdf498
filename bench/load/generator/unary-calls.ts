/**
 * Calls a unary gRPC method as fast as answers come, for next to no processor time of its own: frames of HTTP/2 made in advance, written
 * to a bare socket. A client that costs more than the server would leave it waiting between calls, and its figure would be that of
 * waking up.
 */

import { connect, type Socket } from 'node:net';

/** Frame types and flags (RFC 9113 §6). */
const FRAME = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 } as const;
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const ACK = 0x1;
const HEAD_BYTES = 9;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const LARGEST_WINDOW = 0x7fffffff;
/** Half of what a server may send on a connection before it needs permission, by default. */
const WINDOW_STEP = 0x4000_0000;

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A field that is not put into the table (RFC 7541 §6.2.2), without Huffman coding. */
function literal(name: string, value: string): Buffer {
  const text = (it: string) => Buffer.concat([Buffer.from([it.length]), Buffer.from(it)]);
  return Buffer.concat([Buffer.from([0x00]), text(name), text(value)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** One connection with a number of calls under way at every moment. */
export class UnaryCalls {
  /** Calls that have been answered. */
  answers = 0;
  readonly #socket: Socket;
  readonly #headers: Buffer;
  readonly #message: Buffer;
  /** Length of every right answer; those of others are a mistake. */
  readonly #answerBytes: number;
  #stream = 1;
  #taken = 0;
  #rest = Buffer.alloc(0);

  /** @param message  encoded, without the prefix of gRPC */
  constructor(port: number, path: string, message: Uint8Array, answerBytes: number, atATime: number) {
    this.#headers = Buffer.concat([
      // `:method: POST` and `:scheme: http` of the static table.
      Buffer.from([0x83, 0x86]),
      ...[literal(':path', path), literal(':authority', '127.0.0.1')],
      ...[literal('te', 'trailers'), literal('content-type', 'application/grpc')],
    ]);
    this.#message = Buffer.concat([Buffer.from([0]), uint32(message.length), message]);
    this.#answerBytes = answerBytes;
    this.#socket = connect(port, '127.0.0.1', () => {
      const window = frame(FRAME.windowUpdate, 0, 0, uint32(LARGEST_WINDOW - 65_535));
      this.#socket.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0, Buffer.alloc(0)), window]));
      this.#call(atATime);
    }).setNoDelay();
    this.#socket.on('data', (part: Buffer) => this.#read(part));
  }

  close(): void {
    this.#socket.destroy();
  }

  #call(count: number): void {
    const frames: Buffer[] = [];
    for (let index = 0; index < count; index += 1, this.#stream += 2) {
      frames.push(frame(FRAME.headers, END_HEADERS, this.#stream, this.#headers));
      frames.push(frame(FRAME.data, END_STREAM, this.#stream, this.#message));
    }
    this.#socket.write(Buffer.concat(frames));
  }

  #read(part: Buffer): void {
    let bytes = this.#rest.length === 0 ? part : Buffer.concat([this.#rest, part]);
    let answered = 0;
    while (bytes.length >= HEAD_BYTES) {
      const length = bytes.readUIntBE(0, 3);
      if (bytes.length < HEAD_BYTES + length) break;
      if (this.#take(bytes.readUInt8(3), bytes.readUInt8(4), bytes.subarray(HEAD_BYTES, HEAD_BYTES + length)))
        answered += 1;
      bytes = bytes.subarray(HEAD_BYTES + length);
    }
    this.#rest = Buffer.from(bytes);
    this.answers += answered;
    if (answered > 0) this.#call(answered);
  }

  /** Takes a frame; whether it ends an answer. */
  #take(type: number, flags: number, payload: Buffer): boolean {
    if (type === FRAME.rstStream || type === FRAME.goaway) throw new Error(`the server sent a frame of type ${type}`);
    if (type === FRAME.settings && (flags & ACK) === 0)
      this.#socket.write(frame(FRAME.settings, ACK, 0, Buffer.alloc(0)));
    if (type === FRAME.ping && (flags & ACK) === 0) this.#socket.write(frame(FRAME.ping, ACK, 0, payload));
    if (type === FRAME.data) {
      if (payload.length !== this.#answerBytes)
        throw new Error(`an answer of ${payload.length} bytes, not ${this.#answerBytes}`);
      this.#taken += payload.length;
      if (this.#taken >= WINDOW_STEP) {
        this.#socket.write(frame(FRAME.windowUpdate, 0, 0, uint32(this.#taken)));
        this.#taken = 0;
      }
    }
    return type === FRAME.headers && (flags & END_STREAM) !== 0;
  }
}
