/**
 * Two HTTP/2 clients: Node's own, for what honest clients do, and one that writes frames by hand, for everything else.
 */

import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectSocket, type Socket } from 'node:net';
import { until } from '../until.ts';

/** The pseudo-headers of a GET of a path, for a connection without TLS. */
export const get = (path: string, authority = 'shop.example.com'): readonly Field[] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', authority],
];

/** The same for a POST. */
export const post = (path: string): readonly Field[] => [[':method', 'POST'], ...get(path).slice(1)];

export type Field = readonly [name: string, value: string];

export interface Http2Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly trailers: IncomingHttpHeaders | undefined;
  /** The code with which the stream was closed. */
  readonly code: number;
}

/** A connection of Node's client. */
export class Http2Client implements AsyncDisposable {
  readonly session: ClientHttp2Session;

  constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on('error', () => {});
  }

  static plain(port: number): Http2Client {
    return new Http2Client(connect(`http://127.0.0.1:${port}`));
  }

  /** Starts a request: without a body by default, with an open one for `null`. */
  begin(headers: Record<string, string | string[]>, body?: string | null): ClientHttp2Stream {
    const all = { ':authority': 'shop.example.com', ...headers };
    const stream = this.session.request(all, { endStream: body === undefined });
    stream.on('error', () => {});
    if (typeof body === 'string') stream.end(body);
    return stream;
  }

  async request(headers: Record<string, string | string[]>, body?: string): Promise<Http2Answer> {
    return answerOf(this.begin(headers, body));
  }

  get(path: string, headers: Record<string, string | string[]> = {}): Promise<Http2Answer> {
    return this.request({ ':path': path, ...headers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.session.destroy();
  }
}

/** Reads the answer on a stream to its end. */
export function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let headers: IncomingHttpHeaders & { ':status'?: number | undefined } = {};
  let trailers: IncomingHttpHeaders | undefined;
  let body = '';
  stream.on('response', (received) => {
    headers = received;
  });
  stream.on('trailers', (received) => {
    // Omits the symbol that Node adds.
    trailers = Object.fromEntries(Object.entries(received));
  });
  stream.on('data', (part: Buffer) => {
    body += part.toString('latin1');
  });
  return new Promise((resolve) => {
    stream.on('close', () =>
      resolve({ status: headers[':status'], headers, body, trailers, code: stream.rstCode ?? 0 }),
    );
  });
}

/** RFC 9113 §6. */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;
/** RFC 9113 §7. */
export const CODE = { none: 0, protocol: 1, internal: 2, refused: 7, cancel: 8, calm: 11 } as const;

/** The bytes of a frame. */
export function frame(type: number, flags: number, stream: number, payload: Buffer | string = ''): Buffer {
  const bytes = Buffer.from(payload as string, 'latin1');
  const head = Buffer.alloc(9);
  head.writeUIntBE(bytes.byteLength, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, bytes]);
}

/** A field block of literals without indexing and compression (RFC 7541 §6.2.2): plain names and values. */
export const fieldBlock = (fields: readonly Field[]): Buffer =>
  Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), hpackText(name), hpackText(value)]));

/** The same for a field that enters the dynamic table, so that one byte repeats it (§6.2.1). */
export const indexedField = ([name, value]: Field): Buffer =>
  Buffer.concat([Buffer.of(0x40), hpackText(name), hpackText(value)]);

function hpackText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([hpackInteger(bytes.byteLength), bytes]);
}

/** RFC 7541 §5.1, with a prefix of seven bits. */
function hpackInteger(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const bytes = [127];
  let rest = value - 127;
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return Buffer.from([...bytes, rest]);
}

/** A HEADERS frame with a whole field block. */
export const headersFrame = (stream: number, fields: readonly Field[], flags = END_STREAM): Buffer =>
  frame(FRAME.headers, END_HEADERS | flags, stream, fieldBlock(fields));

export const resetFrame = (stream: number, code: number = CODE.cancel): Buffer =>
  frame(FRAME.reset, 0, stream, uint32(code));

export const windowUpdate = (stream: number, bytes: number): Buffer =>
  frame(FRAME.windowUpdate, 0, stream, uint32(bytes));

/** A sequence of 32-bit numbers. */
export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [at, value] of values.entries()) bytes.writeUInt32BE(value, 4 * at);
  return bytes;
}

/** SETTINGS_HEADER_TABLE_SIZE = 0, so that each answer can be decoded independently. */
const NO_TABLE = Buffer.of(0, 1, 0, 0, 0, 0);
export const PREFACE: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** The outcome of one stream. */
export interface RawOutcome {
  /** `null`: reset without an answer. */
  readonly status: number | null;
  readonly body: string;
  /** The code of RST_STREAM; `null`: it ended with END_STREAM. */
  readonly reset: number | null;
}

/** A connection of a client that writes frames by hand. It has sent its preface, and keeps no dynamic table. */
export class RawHttp2 implements AsyncDisposable {
  readonly frames: Frame[] = [];
  readonly socket: Socket;
  isEnded = false;
  #buffer: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    const ended = () => {
      this.isEnded = true;
    };
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('end', ended).on('close', ended).on('error', ended);
  }

  /** @param first  sent instead of the preface and settings */
  static open(port: number, first?: Buffer | string): Promise<RawHttp2> {
    return new Promise((resolve, reject) => {
      const socket = connectSocket({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        const connection = new RawHttp2(socket);
        if (first === undefined) connection.write(PREFACE, frame(FRAME.settings, 0, 0, NO_TABLE));
        else connection.write(Buffer.from(first as string, 'latin1'));
        resolve(connection);
      });
    });
  }

  write(...parts: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(parts));
  }

  /** The received frames of a type, optionally of one stream. */
  of(type: number, stream?: number): Frame[] {
    return this.frames.filter((each) => each.type === type && (stream === undefined || each.stream === stream));
  }

  /** Sends the head of a request, and waits for the outcome of its stream. */
  async request(stream: number, fields: readonly Field[], ...more: readonly Buffer[]): Promise<RawOutcome> {
    this.write(headersFrame(stream, fields, more.length === 0 ? END_STREAM : 0), ...more);
    return this.outcome(stream);
  }

  /** The outcome of a stream, once it is over. */
  async outcome(stream: number): Promise<RawOutcome> {
    const isOver = () =>
      this.frames.some((each) => each.stream === stream && (each.type === FRAME.reset || isLast(each)));
    await until(() => isOver() || this.isEnded, `stream ${stream} is over`);
    if (!isOver()) throw new Error('connection ended before the stream');
    const body = Buffer.concat(this.of(FRAME.data, stream).map(({ payload }) => payload)).toString('latin1');
    const [reset] = this.of(FRAME.reset, stream);
    // Without interim answers.
    const status =
      this.of(FRAME.headers, stream)
        .map(({ payload }) => statusOf(payload))
        .find((each) => each === null || each >= 200) ?? null;
    return { status, body, reset: reset === undefined ? null : reset.payload.readUInt32BE() };
  }

  /** Resolves when the other side has ended the connection, with the code of its last GOAWAY or `null`. */
  async ended(): Promise<number | null> {
    await until(() => this.isEnded, 'the connection ends');
    return this.goawayCode;
  }

  get goawayCode(): number | null {
    return this.of(FRAME.goaway).at(-1)?.payload.readUInt32BE(4) ?? null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, bytes]);
    while (this.#buffer.byteLength >= 9) {
      const end = 9 + this.#buffer.readUIntBE(0, 3);
      if (this.#buffer.byteLength < end) return;
      const [type, flags] = [this.#buffer.readUInt8(3), this.#buffer.readUInt8(4)];
      const payload = Buffer.from(this.#buffer.subarray(9, end));
      this.frames.push({ type, flags, stream: this.#buffer.readUInt32BE(5), payload });
      this.#buffer = this.#buffer.subarray(end);
      if (type === FRAME.settings && (flags & 1) === 0) this.write(frame(FRAME.settings, 1, 0));
    }
  }
}

const isLast = ({ type, flags }: Frame): boolean =>
  (type === FRAME.data || type === FRAME.headers) && (flags & END_STREAM) !== 0;

/** RFC 7541, appendix A: statuses encoded in one byte. */
const STATUS: Readonly<Record<number, number>> = {
  136: 200,
  137: 204,
  138: 206,
  139: 304,
  140: 400,
  141: 404,
  142: 500,
};

/** The status at the beginning of a field block. */
function statusOf(block: Buffer): number | null {
  // The first block starts with a table size update (RFC 7541 §6.3).
  const fields = block.subarray(block.findIndex((byte) => (byte & 0xe0) !== 0x20));
  const first = fields[0] ?? 0;
  if (first !== 0x08 && first !== 0x48) return STATUS[first] ?? null;
  const length = fields[1] ?? 0;
  const value = fields.subarray(2, 2 + (length & 0x7f));
  return Number((length & 0x80) === 0 ? value.toString('latin1') : huffmanDigits(value));
}

/** The digits of RFC 7541, appendix B. */
function huffmanDigits(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  let text = '';
  for (let at = 0; text.length < 3; ) {
    const short = Number.parseInt(bits.slice(at, at + 5), 2);
    text += short < 3 ? short : Number.parseInt(bits.slice(at, at + 6), 2) - 0b011001 + 3;
    at += short < 3 ? 5 : 6;
  }
  return text;
}
