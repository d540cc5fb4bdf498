/**
 * Finds the body of an answer and its end (RFC 9112 §6.3): after its length, with its last chunk, or with the end of the connection.
 * Decodes chunks (§7.1), and checks and drops their extensions.
 */

/** Length of a body in bytes; `Infinity`: it ends with its connection; `chunked`: with its last chunk. */
export type BodyLength = number | 'chunked';

/** What is read next: data, the line with the size of a chunk, the end of the line after its data, a line of the trailers. */
const DATA = 0;
const SIZE = 1;
const DATA_END = 2;
const TRAILERS = 3;

const LF = 0x0a;
/** How long a line may be, by what is read, its CRLF included; the trailers together. */
const MAX_LINE_BYTES = [0, 1_024, 2, 32 * 1_024] as const;
/** Up to 16 digits. Refuses extensions with an escape, which no server sends. */
const SIZE_LINE =
  /^([\da-f]{1,16})(?:;[!#$%&'*+\-.^_`|~\da-z]+(?:=(?:[!#$%&'*+\-.^_`|~\da-z]*|"[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]*"))?)*\r\n$/i;

/** The body of one answer, in any portions. */
export class ResponseBody {
  readonly #isChunked: boolean;
  #next: typeof DATA | typeof SIZE | typeof DATA_END | typeof TRAILERS;
  /** Bytes of the body, or of the chunk, that are still to come. */
  #left: number;
  /** The beginning of a line whose end has not come. */
  #line = '';
  /** The lines of its trailers, once it has ended. */
  trailers = '';
  hasEnded: boolean;
  /** Bytes behind the end, in the portion with the end. */
  excess = 0;
  /** The first error after the data that {@link take} has returned. */
  fault: string | null = null;

  constructor(length: BodyLength) {
    this.#isChunked = length === 'chunked';
    this.#next = length === 'chunked' ? SIZE : DATA;
    this.#left = length === 'chunked' ? 0 : length;
    this.hasEnded = length === 0;
  }

  /** Whether only the end of its connection ends it. */
  get isEndless(): boolean {
    return this.#left === Number.POSITIVE_INFINITY;
  }

  /**
   * Takes a portion, and decodes its chunks in place.
   *
   * @returns its data in one piece, up to the first error
   */
  take(portion: Buffer): Buffer {
    let start = 0;
    let end = 0;
    let at = 0;
    while (at < portion.length && !this.hasEnded && this.fault === null) {
      if (this.#next !== DATA) {
        at = this.#takeLine(portion, at);
        continue;
      }
      const count = Math.min(this.#left, portion.length - at);
      if (end === 0) start = at;
      else portion.copyWithin(end, at, at + count);
      end = (end === 0 ? at : end) + count;
      at += count;
      this.#left -= count;
      if (this.#left > 0) continue;
      if (this.#isChunked) this.#next = DATA_END;
      else this.hasEnded = true;
    }
    this.excess = portion.length - at;
    return portion.subarray(start, end);
  }

  /** Takes a line, or as much of it as is here. Returns the offset of what follows. */
  #takeLine(portion: Buffer, at: number): number {
    const whole = portion.indexOf(LF, at) + 1;
    const end = whole === 0 ? portion.length : whole;
    this.#line += portion.toString('latin1', at, end);
    if (this.#line.length + this.trailers.length > MAX_LINE_BYTES[this.#next]) this.fault = 'line that is too long';
    else if (whole > 0) this.#readLine();
    return end;
  }

  #readLine(): void {
    const line = this.#line;
    this.#line = '';
    if (this.#next === SIZE) {
      this.#left = Number.parseInt(SIZE_LINE.exec(line)?.[1] ?? '', 16);
      if (!Number.isSafeInteger(this.#left)) this.fault = 'chunk size';
      this.#next = this.#left === 0 ? TRAILERS : DATA;
    } else if (this.#next === DATA_END) {
      if (line !== '\r\n') this.fault = 'end of chunk';
      this.#next = SIZE;
    } else if (line === '\r\n') {
      this.hasEnded = true;
    } else {
      this.trailers += line;
    }
  }
}
