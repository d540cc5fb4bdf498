/**
 * Separates HTTP/2 connections from those of HTTP/1.1 before the HTTP/1.1 server reads them: over TLS by ALPN, otherwise by the first
 * bytes of clients with prior knowledge (RFC 9113 §3.3; the upgrade of RFC 7540 no longer exists).
 */

import type { Server, Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** RFC 9113 §3.4. */
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/**
 * Passes HTTP/2 connections to `open`.
 *
 * @param event      on which the server hands over its connections
 * @param open       takes one that speaks HTTP/2
 * @param headersMs  a plain connection that has not sent enough bytes to be recognised by then is closed
 */
export function divertHttp2(
  server: Server,
  event: 'connection' | 'secureConnection',
  open: (socket: Socket) => void,
  headersMs: number,
): void {
  const serve = server.listeners(event).at(-1) as (this: Server, socket: Socket) => void;
  server.removeListener(event, serve);
  const takers = { open, serve: (socket: Socket) => serve.call(server, socket) };
  server.on(event, (socket: Socket) => {
    if (socket.destroyed) return;
    if (!(socket instanceof TLSSocket)) new FirstBytes(socket, takers, headersMs);
    else if (socket.alpnProtocol === 'h2') open(socket);
    else takers.serve(socket);
  });
}

interface Takers {
  readonly open: (socket: Socket) => void;
  readonly serve: (socket: Socket) => void;
}

/** A plain connection whose protocol is not known yet. */
class FirstBytes {
  readonly #socket: Socket;
  readonly #takers: Takers;
  readonly #timer: NodeJS.Timeout;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(socket: Socket, takers: Takers, headersMs: number) {
    this.#socket = socket;
    this.#takers = takers;
    this.#timer = setTimeout(() => socket.destroy(), headersMs);
    socket.on('readable', this.#onReadable).on('end', this.#onEnd).on('error', this.#onEnd).on('close', this.#stop);
  }

  readonly #onReadable = (): void => {
    const bytes = this.#socket.read() as Buffer | null;
    if (bytes === null) return;
    this.#bytes = this.#bytes.byteLength === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    const length = Math.min(this.#bytes.byteLength, PREFACE.byteLength);
    const isPreface = this.#bytes.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (isPreface && length < PREFACE.byteLength) return;
    this.#stop();
    this.#socket.unshift(this.#bytes);
    if (isPreface) this.#takers.open(this.#socket);
    else this.#takers.serve(this.#socket);
  };

  readonly #onEnd = (): void => {
    this.#socket.destroy();
  };

  readonly #stop = (): void => {
    clearTimeout(this.#timer);
    this.#socket
      .off('readable', this.#onReadable)
      .off('end', this.#onEnd)
      .off('error', this.#onEnd)
      .off('close', this.#stop);
  };
}
