/**
 * WebSockets by hand (RFC 6455): frames, a client and an echo server on plain sockets, so that a test can send what no
 * library would.
 */

import { createHash, randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { HOST } from './gateway.ts';
import { RawConnection, type RawResponse } from './raw-client.ts';
import { RawUpstream } from './raw-upstream.ts';

export const OPCODES = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  readonly opcode: number;
  readonly payload: Buffer;
  /** Whether it is the last of its message. Default: it is. */
  readonly isFinal?: boolean;
}

/** Writes a frame; `isMasked` as a client has to. */
export function encodeFrame({ opcode, payload, isFinal = true }: Frame, isMasked: boolean): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = (isFinal ? 0x80 : 0) | opcode;
  head[1] = (isMasked ? 0x80 : 0) | (length < 126 ? length : length < 65_536 ? 126 : 127);
  if (length >= 65_536) head.writeBigUInt64BE(BigInt(length), 2);
  else if (length >= 126) head.writeUInt16BE(length, 2);
  if (!isMasked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  return Buffer.concat([head, mask, payload.map((byte, index) => byte ^ (mask[index % 4] as number))]);
}

/** Takes one frame from the front of a buffer; `null` if it is still incomplete. */
export function decodeFrame(buffer: Buffer): { frame: Frame & { isMasked: boolean }; rest: Buffer } | null {
  if (buffer.length < 2) return null;
  const isMasked = (buffer.readUInt8(1) & 0x80) !== 0;
  const short = buffer.readUInt8(1) & 0x7f;
  const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
  const payloadAt = 2 + lengthBytes + (isMasked ? 4 : 0);
  if (buffer.length < payloadAt) return null;
  const length = short === 126 ? buffer.readUInt16BE(2) : short === 127 ? Number(buffer.readBigUInt64BE(2)) : short;
  if (buffer.length < payloadAt + length) return null;
  const mask = buffer.subarray(payloadAt - 4, payloadAt);
  const masked = buffer.subarray(payloadAt, payloadAt + length);
  const payload = isMasked ? masked.map((byte, index) => byte ^ (mask[index % 4] as number)) : masked;
  const [first = 0] = buffer;
  return {
    frame: { opcode: first & 0x0f, isFinal: (first & 0x80) !== 0, payload: Buffer.from(payload), isMasked },
    rest: buffer.subarray(payloadAt + length),
  };
}

/** Sec-WebSocket-Accept for a key (§4.2.2). */
export const acceptKey = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

const ORIGIN = 'Origin: https://shop.example.com';

/** The head of an opening handshake. */
export function handshake(path: string, lines: readonly string[] = [], origin = ORIGIN): string {
  return [
    `GET ${path} HTTP/1.1`,
    HOST,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    ...(origin === '' ? [] : [origin]),
    ...lines,
    '',
    '',
  ].join('\r\n');
}

/** A client with an open WebSocket. */
export class WebSocketClient implements AsyncDisposable {
  readonly connection: RawConnection;
  readonly handshakeAnswer: RawResponse;

  constructor(connection: RawConnection, answer: RawResponse) {
    this.connection = connection;
    this.handshakeAnswer = answer;
  }

  /** Opens one. Throws if the answer is not 101. */
  static async open(port: number, path: string, lines: readonly string[] = []): Promise<WebSocketClient> {
    const connection = await RawConnection.open(port);
    connection.write(handshake(path, lines));
    const answer = await connection.response();
    if (answer.status !== 101) throw new Error(`handshake was answered with ${answer.status}`);
    return new WebSocketClient(connection, answer);
  }

  send(text: string | Buffer, opcode: number = OPCODES.text): void {
    this.connection.write(encodeFrame({ opcode, payload: Buffer.from(text) }, true));
  }

  /** The next frame. Rejects if the connection ends before it is complete. */
  async frame(): Promise<Frame> {
    const head = await this.connection.bytes(2);
    const short = head.readUInt8(1) & 0x7f;
    const extended = await this.connection.bytes(short === 126 ? 2 : short === 127 ? 8 : 0);
    const length = short === 126 ? extended.readUInt16BE() : short === 127 ? Number(extended.readBigUInt64BE()) : short;
    return { opcode: head.readUInt8(0) & 0x0f, payload: Buffer.from(await this.connection.bytes(length)) };
  }

  /** The text of the next frame. */
  async text(): Promise<string> {
    return (await this.frame()).payload.toString();
  }

  /** Status code of the next frame, which must be a Close. */
  async closeCode(): Promise<number> {
    const { opcode, payload } = await this.frame();
    if (opcode !== OPCODES.close) throw new Error(`frame ${opcode} is not a Close`);
    return payload.readUInt16BE(0);
  }

  close(): void {
    this.connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}

/** Reads an opening handshake on a server's socket, answers it, and passes on the bytes after it. */
export function acceptHandshake(socket: Socket, onOpen: (behind: Buffer, head: string) => void): void {
  let received = Buffer.alloc(0);
  const onData = (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const end = received.indexOf('\r\n\r\n');
    if (end === -1) return;
    socket.off('data', onData);
    const head = received.subarray(0, end).toString('latin1');
    const key = /^sec-websocket-key: (.*)$/im.exec(head)?.[1] ?? '';
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptKey(key)}\r\n\r\n`,
    );
    onOpen(received.subarray(end + 4), head);
  };
  socket.on('data', onData);
}

/** Answers every frame with its payload, pings with pongs, and a Close with a Close. */
export function echoFrames(socket: Duplex, behind: Buffer = Buffer.alloc(0)): void {
  let buffer = behind;
  const drain = () => {
    for (let next = decodeFrame(buffer); next !== null; next = decodeFrame(buffer)) {
      buffer = next.rest;
      const { opcode, payload, isFinal, isMasked } = next.frame;
      if (!isMasked) socket.destroy(new Error('a client has to mask'));
      const answer = opcode === OPCODES.ping ? OPCODES.pong : opcode;
      socket.write(encodeFrame({ opcode: answer, payload, isFinal: isFinal === true }, false));
      if (opcode === OPCODES.close) socket.end();
    }
  };
  socket.on('data', (chunk: Buffer) => {
    buffer = buffer.length === 0 ? chunk : Buffer.concat([buffer, chunk]);
    drain();
  });
  drain();
}

/** An upstream that echoes. */
export function startEchoUpstream(): Promise<RawUpstream> {
  return RawUpstream.start((socket) => acceptHandshake(socket, (behind) => echoFrames(socket, behind)));
}
