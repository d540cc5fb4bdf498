/**
 * The service behind everything that is measured: `node:http` with a constant answer. Started by the benchmark,
 * to which it reports its port; ends with the benchmark.
 *
 *   GET any path            the constant answer
 *   GET …/inspect           what it received, so that the benchmark can verify it
 *   GET …/bytes?count=N     N bytes, streamed
 *   GET …/never             no answer
 *   GET …/events            an event stream with one event, which never ends
 *   a WebSocket             is accepted, and then nothing is said; …/never: no answer; …/echo: every message comes back
 *   POST any path           reads the body, answers with its length
 */

import { hash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { ANSWER, INSPECT_PATH, type Received } from '../answer.ts';
import { serve } from './serve.ts';

const HEAD = ['content-type', 'application/json', 'content-length', String(ANSWER.length)];
const PART = Buffer.alloc(64 * 1024, 'x');

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { method, url = '' } = request;
  if (url.endsWith('/never')) return;
  if (method === 'POST') {
    void countBody(request, response);
  } else if (url.includes('/bytes?')) {
    void streamBytes(Number(new URL(url, 'http://upstream').searchParams.get('count')), response);
  } else if (url.endsWith('/events')) {
    response.writeHead(200, ['content-type', 'text/event-stream']).write('data: begun\n\n');
  } else if (url.endsWith(INSPECT_PATH)) {
    const received: Received = { method: method ?? '', target: url, headers: request.rawHeaders };
    response.writeHead(200, ['content-type', 'application/json']).end(JSON.stringify(received));
  } else {
    response.writeHead(200, HEAD).end(ANSWER);
  }
}

async function streamBytes(count: number, response: ServerResponse): Promise<void> {
  response.writeHead(200, ['content-type', 'application/octet-stream', 'content-length', String(count)]);
  await pipeline(Readable.from(parts(count)), response).catch(() => response.destroy());
}

function* parts(count: number): Generator<Buffer> {
  for (let left = count; left > 0; left -= PART.length) yield left < PART.length ? PART.subarray(0, left) : PART;
}

async function countBody(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let count = 0;
  try {
    for await (const part of request) count += (part as Buffer).length;
    const text = JSON.stringify({ count });
    response.writeHead(200, ['content-type', 'application/json', 'content-length', String(text.length)]).end(text);
  } catch {
    response.destroy();
  }
}

function acceptWebSocket({ headers, url }: IncomingMessage, socket: Duplex): void {
  socket.on('error', () => {});
  if (url?.endsWith('/never') === true) return;
  // RFC 6455 §4.2.2.
  const accept = hash('sha1', `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`, 'base64');
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  socket.write([...lines, `Sec-WebSocket-Accept: ${accept}`, '', ''].join('\r\n'));
  if (url?.endsWith('/echo') === true) echo(socket);
  else socket.resume();
}

/** Sends back each message, which the benchmark makes 125 bytes long at most, so that it has a head of six bytes (RFC 6455 §5.2). */
function echo(socket: Duplex): void {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('data', (part: Buffer) => {
    const bytes = rest.length === 0 ? part : Buffer.concat([rest, part]);
    const answers: Buffer[] = [];
    let at = 0;
    for (let length = 0; at + 6 <= bytes.length; at += 6 + length) {
      length = (bytes[at + 1] as number) & 0x7f;
      if (at + 6 + length > bytes.length) break;
      const answer = Buffer.from(bytes.subarray(at + 4, at + 6 + length));
      answer.writeUInt8(0x82, 0);
      answer.writeUInt8(length, 1);
      for (let index = 0; index < length; index += 1) {
        answer[index + 2] = (bytes[at + 6 + index] as number) ^ (bytes[at + 2 + (index % 4)] as number);
      }
      answers.push(answer);
    }
    rest = bytes.subarray(at);
    if (answers.length > 0) socket.write(Buffer.concat(answers));
  });
}

// Longer than a pause between two rounds, so that no round begins with new connections.
await serve(createServer({ keepAliveTimeout: 120_000 }, answer).on('upgrade', acceptWebSocket));
