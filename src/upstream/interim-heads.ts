/**
 * Lets undici understand `100 Continue`, which it takes for a broken answer although any server may send it (RFC 9110
 * §15.2): until the final head of an answer begins, the status of each 100 is changed to 102 on its way to the parser, and
 * nothing else is.
 */

/** Position of the status in `HTTP/1.1 100`. */
const STATUS_AT = 9;
const STATUS_END = 12;
const HEAD_END = '\r\n\r\n';

const ZERO = 0x30;
const ONE = 0x31;
const TWO = 0x32;

/** Follows the heads of one answer, in any portions. */
export class InterimHeads {
  /** Whether only interim heads have come so far. */
  isOpen = false;
  #position = 0;
  #endMatched = 0;
  #isContinue = true;

  /** An answer is due. */
  open(): void {
    this.isOpen = true;
    this.#beginHead();
  }

  /** Takes the next bytes of the answer, and changes the status of a 100 in them. */
  push(chunk: Buffer): void {
    // As nearly every answer begins.
    if (this.#position === 0 && chunk.length > STATUS_AT && chunk[STATUS_AT] !== ONE) {
      this.isOpen = false;
      return;
    }
    for (let offset = 0; offset < chunk.length && this.isOpen; offset += 1) {
      if (this.#position < STATUS_END) this.#pushStatusLine(chunk, offset);
      else this.#pushRest(chunk[offset] as number);
    }
  }

  #beginHead(): void {
    this.#position = 0;
    this.#endMatched = 0;
    this.#isContinue = true;
  }

  #pushStatusLine(chunk: Buffer, offset: number): void {
    const byte = chunk[offset] as number;
    // Not an interim answer.
    if (this.#position === STATUS_AT && byte !== ONE) this.isOpen = false;
    if (this.#position === STATUS_AT + 1 && byte !== ZERO) this.#isContinue = false;
    if (this.#position === STATUS_AT + 2 && this.#isContinue) {
      // A 101 is final: what follows is not HTTP.
      if (byte === ONE) this.isOpen = false;
      if (byte === ZERO) chunk[offset] = TWO;
    }
    this.#position += 1;
  }

  #pushRest(byte: number): void {
    if (byte === HEAD_END.charCodeAt(this.#endMatched)) this.#endMatched += 1;
    else this.#endMatched = byte === HEAD_END.charCodeAt(0) ? 1 : 0;
    if (this.#endMatched === HEAD_END.length) this.#beginHead();
  }
}
