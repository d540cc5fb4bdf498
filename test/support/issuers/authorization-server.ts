/**
 * The token endpoint of an authorization server, which records its requests and answers whatever a test wants: tokens,
 * errors, nonsense, or nothing at all.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A request that it received. */
export interface TokenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly parameters: URLSearchParams;
}

/** Answers a token request. */
export type TokenAnswer = (request: TokenRequest, response: ServerResponse) => void;

/** Writes a JSON document. */
export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

/** An error as in RFC 6749 §5.2. */
export const refusing =
  (error: string, status = 400): TokenAnswer =>
  (_request, response) =>
    json(response, status, { error, error_description: 'as the test wants' });

export class TestAuthorizationServer implements AsyncDisposable {
  readonly requests: TokenRequest[] = [];
  answer: TokenAnswer;
  readonly #server: Server;
  readonly #scheme: string;
  readonly #waiters: (() => void)[] = [];

  private constructor(tls: { readonly cert: string; readonly key: string } | null) {
    this.#scheme = tls === null ? 'http' : 'https';
    const handle = (request: IncomingMessage, response: ServerResponse) => void this.#handle(request, response);
    this.#server = tls === null ? createServer(handle) : (createTlsServer(tls, handle) as unknown as Server);
    this.answer = this.issuing();
  }

  static start(tls: { readonly cert: string; readonly key: string } | null = null): Promise<TestAuthorizationServer> {
    const server = new TestAuthorizationServer(tls);
    return new Promise((resolve) => server.#server.listen(0, '127.0.0.1', () => resolve(server)));
  }

  get origin(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get tokenUrl(): string {
    return `${this.origin}/token`;
  }

  /** Issues `token-1`, `token-2` and so on. */
  issuing(more: Readonly<Record<string, unknown>> = {}): TokenAnswer {
    let count = 0;
    return (_request, response) => {
      count += 1;
      json(response, 200, { access_token: `token-${count}`, token_type: 'Bearer', expires_in: 300, ...more });
    };
  }

  /** Exchanges each subject token for one that names it: `for.<audience>.<last part of it>`. */
  exchanging(more: Readonly<Record<string, unknown>> = {}): TokenAnswer {
    return ({ parameters }, response) => {
      const signature = (parameters.get('subject_token') ?? '').split('.').at(-1);
      json(response, 200, {
        access_token: `for.${parameters.get('audience')}.${signature}`,
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: 'Bearer',
        expires_in: 300,
        ...more,
      });
    };
  }

  /** Resolves when it has received this many requests. */
  async asked(count: number): Promise<void> {
    while (this.requests.length < count) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  async #handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of incoming) parts.push(part as Buffer);
    const request = {
      method: incoming.method ?? '',
      path: incoming.url ?? '',
      headers: incoming.headers,
      parameters: new URLSearchParams(Buffer.concat(parts).toString()),
    };
    this.requests.push(request);
    for (const wake of this.#waiters.splice(0)) wake();
    this.answer(request, response);
  }
}
