/** A request that waits for a connection, is under way, or is over. */

import type { RequestController, RequestHandler, ServerRequest } from '../dispatch.ts';

/** What a request needs from its connection. */
interface Carrier {
  pause(): void;
  resume(request: Http1Request): void;
  /** Closes it. */
  drop(): void;
}

/** A request for one server, and its handler's control over it. */
export class Http1Request implements RequestController {
  readonly asked: ServerRequest;
  readonly handler: RequestHandler;
  /** `null` while it waits, and when it is over. */
  connection: Carrier | null = null;
  isPaused = false;
  isOver = false;

  constructor(asked: ServerRequest, handler: RequestHandler) {
    this.asked = asked;
    this.handler = handler;
  }

  /** Answered: nothing more happens to it. */
  leave(): void {
    this.isOver = true;
    this.connection = null;
  }

  abort(reason: Error): void {
    if (this.isOver) return;
    const { connection } = this;
    this.leave();
    connection?.drop();
    this.handler.onResponseError(reason);
  }

  pause(): void {
    this.isPaused = true;
    this.connection?.pause();
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.connection?.resume(this);
  }
}
