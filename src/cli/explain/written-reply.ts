/** A reply that is kept instead of sent, to a request without a body. */

import { type Duplex, PassThrough, Readable } from 'node:stream';
import type { Reply } from '../../exchange.ts';

/** Keeps the head of the answer. */
export class WrittenReply implements Reply {
  status = 0;
  hasBegun = false;
  /** Flat name, value list. */
  headers: readonly string[] = [];
  readonly isUpgrade: boolean;
  readonly body: Readable = Readable.from([]);
  readonly isRequestComplete = true;
  readonly requestTrailers: readonly string[] = [];

  constructor(isUpgrade: boolean) {
    this.isUpgrade = isUpgrade;
  }

  begin(status: number, headers: string[]): void {
    this.status = status;
    this.headers = headers;
    this.hasBegun = true;
  }

  write(): boolean {
    return true;
  }

  upgrade(): Duplex {
    return new PassThrough();
  }

  writeContinue(): void {}
  writeEarlyLinks(): void {}
  flushHeaders(): void {}
  once(): void {}
  addTrailers(): void {}
  end(): void {}
  cut(): void {}
  closeConnection(): void {}
  discardBody(): void {}
}
