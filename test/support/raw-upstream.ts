/**
 * A plain TCP (or TLS) upstream that handles each connection as a test says, and knows which are open.
 */

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';

export class RawUpstream implements AsyncDisposable {
  readonly sockets = new Set<Socket>();
  connectionCount = 0;
  readonly #server: Server;
  readonly #isTls: boolean;

  private constructor(onConnection: (socket: Socket) => void, tls: TlsOptions | null) {
    const accept = (socket: Socket) => {
      this.connectionCount += 1;
      this.sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => this.sockets.delete(socket));
      onConnection(socket);
    };
    this.#isTls = tls !== null;
    this.#server = tls === null ? createServer(accept) : createTlsServer(tls, accept);
    this.#server.on('tlsClientError', () => {});
  }

  static start(onConnection: (socket: Socket) => void, tls: TlsOptions | null = null): Promise<RawUpstream> {
    const upstream = new RawUpstream(onConnection, tls);
    return new Promise((resolve) => upstream.#server.listen(0, '127.0.0.1', () => resolve(upstream)));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get origin(): string {
    return `${this.#isTls ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  get openConnections(): number {
    return this.sockets.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
