/** Undoes chunked transfer coding (RFC 9112 §7.1). Extensions are checked and dropped. */

import type { ReceivedFields } from '../dispatch.ts';
import { invalid, NO_TRAILERS, readTrailers } from './response-head.ts';

/** What is read next: the line with the size of a chunk, its data, the end of the line after them, a line of the trailers. */
const SIZE = 0;
const DATA = 1;
const DATA_END = 2;
const TRAILERS = 3;

const LF = 0x0a;
/** A size with its extensions. */
const MAX_SIZE_LINE = 1_024;
const MAX_TRAILER_BYTES = 32 * 1_024;
/** Extensions are checked, and refused with an escape in them, which nobody sends. */
const SIZE_LINE =
  /^([\da-f]+)(?:;[!#$%&'*+\-.^_`|~\da-z]+(?:=(?:[!#$%&'*+\-.^_`|~\da-z]*|"[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]*"))?)*\r\n$/i;
const MAX_SIZE_DIGITS = 16;

/** The chunks of one body, in any portions. */
export class ChunkedBody {
  #next = SIZE;
  /** Bytes of the chunk that are still to come. */
  #left = 0;
  /** The beginning of a line whose end has not come. */
  #line = '';
  #trailerLines = '';
  /** Whether the last chunk and the trailers have been read. */
  hasEnded = false;
  /** The trailers, complete once it has ended. */
  trailers: ReceivedFields = NO_TRAILERS;
  /** Bytes behind the end, in the portion with the end. */
  excess = 0;

  /** What is wrong behind the data that {@link decode} has returned. */
  fault: unknown = null;

  /**
   * Decodes a portion, in place.
   *
   * @returns the data in it, in one piece, up to what is wrong if anything is
   */
  decode(portion: Buffer): Buffer {
    let start = 0;
    let end = 0;
    let at = 0;
    while (at < portion.length && !this.hasEnded) {
      if (this.#next !== DATA) {
        try {
          at = this.#readLine(portion, at);
        } catch (thrown) {
          this.fault = thrown;
          break;
        }
        continue;
      }
      const count = Math.min(this.#left, portion.length - at);
      if (end === 0) start = at;
      else portion.copyWithin(end, at, at + count);
      end = (end === 0 ? at : end) + count;
      at += count;
      this.#left -= count;
      if (this.#left === 0) this.#next = DATA_END;
    }
    this.excess = portion.length - at;
    return portion.subarray(start, end);
  }

  /** Returns the offset of what follows. */
  #readLine(portion: Buffer, at: number): number {
    const found = portion.indexOf(LF, at);
    const end = found === -1 ? portion.length : found + 1;
    const line = this.#line + portion.toString('latin1', at, end);
    const isWhole = found !== -1;
    if (this.#next === DATA_END) {
      if (line !== (isWhole ? '\r\n' : '\r')) throw invalid('end of chunk');
    } else if (line.length > (this.#next === SIZE ? MAX_SIZE_LINE : MAX_TRAILER_BYTES - this.#trailerLines.length)) {
      throw invalid('line that is too long');
    }
    this.#line = isWhole ? '' : line;
    if (isWhole) this.#take(line);
    return end;
  }

  #take(line: string): void {
    if (this.#next === DATA_END) {
      this.#next = SIZE;
    } else if (this.#next === SIZE) {
      const size = SIZE_LINE.exec(line)?.[1];
      if (size === undefined || size.length > MAX_SIZE_DIGITS) throw invalid('chunk size');
      this.#left = Number.parseInt(size, 16);
      if (this.#left > Number.MAX_SAFE_INTEGER) throw invalid('chunk size');
      this.#next = this.#left === 0 ? TRAILERS : DATA;
    } else if (line === '\r\n') {
      if (this.#trailerLines !== '') this.trailers = readTrailers(this.#trailerLines);
      this.hasEnded = true;
    } else {
      this.#trailerLines += line;
    }
  }
}
