/** The service behind a proxy: records what it receives, and echoes on WebSockets. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { acceptKey, echoFrames } from '../../support/websocket.ts';

export interface Received {
  readonly method: string;
  readonly target: string;
  readonly body: string;
  /** Values by lower-case name. */
  values(name: string): string[];
  /** Every header, as received. */
  readonly head: string;
}

export class Service implements AsyncDisposable {
  readonly received: Received[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        this.#note(request.method ?? '', request.url ?? '', request.rawHeaders, Buffer.concat(parts).toString());
        response.end('the service');
      });
    });
    this.#server.on('connection', (socket: Socket) => this.#sockets.add(socket));
    this.#server.on('upgrade', (request, socket, head: Buffer) => {
      this.#note(request.method ?? '', request.url ?? '', request.rawHeaders, '');
      const accept = acceptKey(String(request.headers['sec-websocket-key']));
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      );
      echoFrames(socket as Socket, head);
    });
  }

  static start(): Promise<Service> {
    const service = new Service();
    return new Promise((resolve) => service.#server.listen(0, '127.0.0.1', () => resolve(service)));
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get last(): Received {
    const last = this.received.at(-1);
    if (last === undefined) throw new Error('the service got no request');
    return last;
  }

  #note(method: string, target: string, rawHeaders: readonly string[], body: string): void {
    const pairs = rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? '']] : []));
    this.received.push({
      method,
      target,
      body,
      head: pairs.map((pair) => pair.join(': ')).join('\n'),
      values: (wanted) => pairs.filter(([name]) => name?.toLowerCase() === wanted).map(([, value]) => value ?? ''),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
