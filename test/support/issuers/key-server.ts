/**
 * A real HTTP server that serves an issuer's key set, or handles requests as a test says.
 */

import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers with this document. */
export const answering =
  (document: unknown, headers: Record<string, string> = {}): RequestListener =>
  (_request, response) =>
    void response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(document));

export class KeyServer implements AsyncDisposable {
  /** Handles a request. */
  behaviour: RequestListener;
  requestCount = 0;
  /** Headers of the requests, in order. */
  readonly authorizations: (string | undefined)[] = [];
  readonly #server: Server;

  private constructor(behaviour: RequestListener) {
    this.behaviour = behaviour;
    this.#server = createServer((request, response) => {
      this.requestCount += 1;
      this.authorizations.push(request.headers.authorization);
      this.behaviour(request, response);
    });
  }

  static start(behaviour: RequestListener): Promise<KeyServer> {
    const server = new KeyServer(behaviour);
    return new Promise((resolve) => server.#server.listen(0, '127.0.0.1', () => resolve(server)));
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
