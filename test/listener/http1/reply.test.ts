/** The HTTP/1.1 reply by itself, on a bare Node server: what stages can rely on, whatever the listener does. */

import { createServer, IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { Reply } from '../../../src/exchange.ts';
import { Http1Reply } from '../../../src/listener/http1/reply.ts';
import { RawConnection, requestHead } from '../../support/raw-client.ts';

const HOST = 'Host: a.test';

class ReplyServer implements AsyncDisposable {
  readonly server: Server<typeof IncomingMessage, typeof Http1Reply>;

  constructor(answer: (reply: Reply) => void) {
    this.server = createServer(
      { IncomingMessage, ServerResponse: Http1Reply, optimizeEmptyRequests: true },
      (_request, reply) => answer(reply),
    );
    this.server.on('checkContinue', (_request, reply) => answer(reply));
    this.server.on('upgrade', (request, socket, head) =>
      answer(Http1Reply.forUpgrade(request, socket as Socket, head)),
    );
  }

  async connect(): Promise<RawConnection> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return RawConnection.open((this.server.address() as AddressInfo).port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

test('interim responses come before the answer, and trailers after its body', async () => {
  await using server = new ReplyServer((reply) => {
    reply.writeContinue();
    reply.writeEarlyLinks(['</app.css>; rel=preload', '</a>; rel=preload, </b>; rel="preload"']);
    expect(reply.hasBegun).toBe(false);
    reply.begin(200, ['Trailer', 'Expires', 'Connection', 'close']);
    expect([reply.hasBegun, reply.status]).toEqual([true, 200]);
    reply.write(Buffer.from('body'));
    reply.addTrailers([['Expires', 'never']]);
    reply.end();
  });
  await using connection = await server.connect();
  connection.write(requestHead('GET', '/', [HOST]));
  const text = (await connection.remainder()).toString();
  expect(text.match(/^HTTP\/1\.1 \d+/gm)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 103', 'HTTP/1.1 200']);
  expect(text).toContain('Link: </app.css>; rel=preload\r\nLink: </a>; rel=preload, </b>; rel="preload"\r\n\r\n');
  expect(text).toMatch(/\r\n\r\n4\r\nbody\r\n0\r\nExpires: never\r\n\r\n$/);
});

test('RFC 9112 §7.1.2: request trailers are available after the body, with every line as sent', async () => {
  await using server = new ReplyServer((reply) => {
    const seen = [...reply.requestTrailers];
    reply.body.resume().on('end', () => {
      reply.begin(200, []);
      reply.end(JSON.stringify([seen, reply.requestTrailers]));
    });
  });
  await using connection = await server.connect();
  const trailers = 'X-Sum: 1\r\nx-sum: 2\r\n';
  connection.write(`${requestHead('POST', '/', [HOST, 'Transfer-Encoding: chunked'])}2\r\nhi\r\n0\r\n${trailers}\r\n`);
  const { body } = await connection.response();
  expect(JSON.parse(body.toString())).toEqual([[], ['X-Sum', '1', 'x-sum', '2']]);
});

test('SMG-20: an answer that begins before the whole request has arrived closes the connection', async () => {
  await using server = new ReplyServer((reply) => {
    reply.begin(200, ['Content-Length', '0']);
    reply.end();
  });
  await using connection = await server.connect();
  connection.write(requestHead('POST', '/', [HOST, 'Content-Length: 4']));
  expect((await connection.response()).headers.get('connection')).toBe('close');
});

test('an answer says close if a stage gives up the connection, else keep-alive', async () => {
  let isGivenUp = false;
  await using server = new ReplyServer((reply) => {
    if (isGivenUp) reply.closeConnection();
    reply.begin(204, []);
    reply.end();
  });
  await using connection = await server.connect();
  connection.write(requestHead('GET', '/', [HOST]));
  expect((await connection.response()).headers.get('connection')).toBe('keep-alive');
  isGivenUp = true;
  connection.write(requestHead('GET', '/', [HOST]));
  expect((await connection.response()).headers.get('connection')).toBe('close');
});

test('cutting an answer ends the connection without completing the body', async () => {
  await using server = new ReplyServer((reply) => {
    reply.begin(200, ['Content-Length', '10']);
    reply.write(Buffer.from('half'));
    setImmediate(() => reply.cut());
  });
  await using connection = await server.connect();
  connection.write(requestHead('GET', '/', [HOST]));
  expect((await connection.remainder()).toString()).toMatch(/\r\n\r\nhalf$/);
});

test('an upgrade hands over the connection, beginning with what the client sent early', async () => {
  await using server = new ReplyServer((reply) => {
    expect(reply.isUpgrade).toBe(true);
    const stream = reply.upgrade(['Sec-WebSocket-Accept', 'x', 'Content-Length', '3']);
    expect(stream.isPaused()).toBe(true);
    stream.on('data', (chunk: Buffer) => void stream.write(chunk)).on('end', () => stream.end());
    stream.resume();
  });
  await using connection = await server.connect();
  connection.write(`${requestHead('GET', '/', [HOST, 'Connection: Upgrade', 'Upgrade: websocket'])}ahead`);
  const { status, headers } = await connection.response();
  expect([status, headers.get('connection'), headers.has('content-length')]).toEqual([101, 'Upgrade', false]);
  expect((await connection.bytes(5)).toString()).toBe('ahead');
  connection.write(' and after');
  expect((await connection.bytes(10)).toString()).toBe(' and after');
});
