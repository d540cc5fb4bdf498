/** The HTTP/2 reply by itself, on a bare Node server: what stages can rely on, as in `http1/reply.test.ts`. */

import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import type { Reply } from '../../../src/exchange.ts';
import { Http2Reply } from '../../../src/listener/http2/reply.ts';
import {
  answerOf,
  CODE,
  FRAME,
  frame,
  Http2Client,
  headersFrame,
  post,
  RawHttp2,
  resetFrame,
} from '../../support/http2/client.ts';
import { until } from '../../support/until.ts';

const carrier = { isGone: false, noteProgress: () => {}, forget: () => {} };

class ReplyServer implements AsyncDisposable {
  readonly server: Http2Server;

  constructor(answer: (reply: Http2Reply) => void) {
    this.server = createServer({ settings: { enableConnectProtocol: true } });
    this.server.on('stream', (stream, headers) =>
      answer(
        new Http2Reply(stream as ServerHttp2Stream, carrier, headers[':method'] === 'HEAD', {
          isUpgrade: headers[':protocol'] === 'websocket',
          hasKey: false,
        }),
      ),
    );
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  async connect(): Promise<Http2Client> {
    return Http2Client.plain(await this.listen());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
  }
}

/** Reads a body to its end: its text, or a note that it closed early. */
function bodyOf({ body }: Reply): Promise<string> {
  let text = '';
  body.on('data', (part: Buffer) => {
    text += part.toString();
  });
  return new Promise((resolve) => {
    body.on('end', () => resolve(text)).on('close', () => resolve(`closed after ${text}`));
  });
}

test('interim responses come before the answer, and trailers after its body', async () => {
  await using server = new ReplyServer((reply) => {
    reply.writeContinue();
    reply.writeEarlyLinks(['</app.css>; rel=preload', '</a>; rel=preload, </b>; rel="preload"']);
    expect(reply.hasBegun).toBe(false);
    reply.begin(200, ['Trailer', 'grpc-status', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']);
    expect([reply.hasBegun, reply.status]).toEqual([true, 200]);
    reply.write(Buffer.from('body'));
    reply.addTrailers([
      ['Grpc-Status', '0'],
      ['x-more', '1'],
      ['x-more', '2'],
      ['connection', 'close'],
      ['x-split', 'a\r\nb: c'],
      [':status', '500'],
    ]);
    reply.end();
  });
  await using client = await server.connect();
  const stream = client.begin({ ':path': '/' });
  const interim: unknown[] = [];
  stream.on('headers', (headers) => interim.push([headers[':status'], headers['link']]));
  const answer = await answerOf(stream);
  expect(interim).toEqual([
    [100, undefined],
    [103, '</app.css>; rel=preload, </a>; rel=preload, </b>; rel="preload"'],
  ]);
  expect([answer.status, answer.body, answer.headers['set-cookie']]).toEqual([200, 'body', ['a=1', 'b=2']]);
  expect(answer.trailers).toEqual({ 'grpc-status': '0', 'x-more': '1, 2' });
});

test('an answer without a body may have trailers, and one without either is one frame', async () => {
  let trailers: [string, string][] = [['grpc-status', '12']];
  await using server = new ReplyServer((reply) => {
    reply.begin(200, []);
    if (trailers.length > 0) reply.addTrailers(trailers);
    reply.end();
  });
  await using client = await server.connect();
  expect((await client.get('/')).trailers).toEqual({ 'grpc-status': '12' });
  trailers = [];
  const stream = client.begin({ ':path': '/' });
  const [, flags] = (await once(stream, 'response')) as [unknown, number];
  expect(flags & 1).toBe(1);
});

test('trailers with names special to JavaScript are sent like any other', async () => {
  const names = ['constructor', 'hasownproperty', 'tostring', '__proto__'];
  await using server = new ReplyServer((reply) => {
    reply.begin(200, []);
    reply.addTrailers(names.map((name) => [name, 'a']));
    reply.end('body');
  });
  await using client = await server.connect();
  const stream = client.begin({ ':path': '/' });
  const [[, , raw]] = await Promise.all([once(stream, 'trailers'), answerOf(stream)]);
  expect(raw).toEqual(names.flatMap((name) => [name, 'a']));
});

test.for([
  ['HEAD', 200],
  ['GET', 204],
  ['GET', 304],
] as const)('the answer to %s with %i has no body', async ([method, status]) => {
  await using server = new ReplyServer((reply) => {
    reply.begin(status, method === 'HEAD' ? ['Content-Length', '4'] : []);
    reply.end(Buffer.from('body'));
  });
  await using client = await server.connect();
  const answer = await client.request({ ':method': method, ':path': '/' });
  expect([answer.status, answer.body, answer.code]).toEqual([status, '', CODE.none]);
});

test('RFC 9113 §8.2.2: connection headers are dropped, and a status unknown to clients becomes 502', async () => {
  await using server = new ReplyServer((reply) => {
    reply.begin(799, ['Connection', 'x-a', 'Upgrade', 'websocket', 'Keep-Alive', '5', 'X-A', '1']);
    reply.end('text');
  });
  await using client = await server.connect();
  const { status, headers, body } = await client.get('/');
  expect([status, headers['x-a'], body]).toEqual([502, '1', 'text']);
  expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['connection']));
});

test('HDR-12: a header that would split in two is never sent', async () => {
  await using server = new ReplyServer((reply) => {
    for (const value of ['a\0b', 'a\r\nb: c', 'a\nb']) expect(() => reply.begin(200, ['x-a', value])).toThrow('NUL');
    expect(reply.hasBegun).toBe(false);
    reply.begin(204, []);
    reply.end();
  });
  await using client = await server.connect();
  expect((await client.get('/')).status).toBe(204);
});

test.each([
  ['of unknown length', []],
  ['of known length', ['Content-Length', '10']],
])('an answer %s that is cut is reset, so that the client does not consider it complete', async (_what, headers) => {
  await using server = new ReplyServer((reply) => {
    reply.begin(200, [...headers]);
    reply.write(Buffer.from('half'));
    setImmediate(() => reply.cut());
  });
  await using client = await server.connect();
  expect(await client.get('/')).toMatchObject({ status: 200, body: 'half', code: CODE.internal });
});

test('RFC 9113 §8.1: request trailers are available after the body', async () => {
  await using server = new ReplyServer((reply) => {
    const seen = [...reply.requestTrailers];
    void bodyOf(reply).then((body) => {
      reply.begin(200, []);
      reply.end(JSON.stringify([seen, body, reply.isRequestComplete, reply.requestTrailers]));
    });
  });
  await using client = await server.connect();
  const stream = client.session.request({ ':method': 'POST', ':path': '/' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': ['1', '2'] }));
  stream.end('hi');
  expect(JSON.parse((await answerOf(stream)).body)).toEqual([[], 'hi', true, ['x-sum', '1', 'x-sum', '2']]);
});

test.each([
  ['reset', resetFrame(1)],
  ['reset without an error', resetFrame(1, CODE.none)],
  ['connection lost', null],
])('SMG-28: an incomplete body does not end: %s', async (_how, end) => {
  const bodies: string[] = [];
  await using server = new ReplyServer((reply) => {
    void bodyOf(reply).then((text) => bodies.push(text));
    reply.body.once('data', () => (end === null ? client.socket.destroy() : client.write(end)));
  });
  await using client = await RawHttp2.open(await server.listen());
  client.write(headersFrame(1, post('/'), 0), frame(FRAME.data, 0, 1, 'half'));
  await until(() => bodies.length === 1, 'the body is over');
  expect(bodies).toEqual(['closed after half']);
});

test('RFC 9113 §8.1: a client that is still sending when its answer is complete is told to stop', async () => {
  await using server = new ReplyServer((reply) => {
    reply.discardBody();
    reply.begin(413, ['Content-Length', '3']);
    reply.end('too');
  });
  await using client = await server.connect();
  const stream = client.begin({ ':method': 'POST', ':path': '/' }, null);
  stream.write('part');
  expect(await answerOf(stream)).toMatchObject({ status: 413, body: 'too', code: CODE.none });
  expect(client.session.destroyed).toBe(false);
});

test.each([
  ['of known length', ['Content-Length', '4']],
  ['of unknown length', []],
])('RFC 9110 §15.3.6: a 205 with a body %s arrives without it and without a reset', async (_what, headers) => {
  await using server = new ReplyServer((reply) => {
    reply.begin(205, [...headers]);
    reply.write(Buffer.from('ha'));
    reply.end('lf');
  });
  await using client = await server.connect();
  for (const method of ['GET', 'HEAD']) {
    const answer = await client.request({ ':method': method, ':path': '/' });
    expect(answer).toMatchObject({ status: 205, body: '', code: CODE.none });
    expect(answer.headers['content-length']).toBeUndefined();
  }
});

test('RFC 8441 §5: an upgrade is granted with 200, and the stream becomes the connection', async () => {
  await using server = new ReplyServer((reply) => {
    const stream = reply.upgrade([
      'sec-websocket-accept',
      'x',
      'sec-websocket-protocol',
      'chat',
      'Content-Length',
      '0',
    ]);
    stream.pipe(stream);
  });
  await using client = await server.connect();
  await once(client.session, 'remoteSettings');
  const stream = client.begin(
    { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/' },
    null,
  );
  const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
  expect([headers[':status'], headers['sec-websocket-protocol']]).toEqual([200, 'chat']);
  expect(headers['sec-websocket-accept'] ?? headers['content-length']).toBeUndefined();
  stream.write('ping');
  expect(String((await once(stream, 'data'))[0])).toBe('ping');
});
