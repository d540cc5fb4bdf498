/** RFC 8441 to the upstream: WebSockets to a server that speaks HTTP/2, for clients of both protocols. */

import { once } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startGateway, type TestGateway } from '../support/gateway.ts';
import { answerOf, CODE, Http2Client } from '../support/http2/client.ts';
import { answerOk, Http2Upstream, type OnStream } from '../support/http2/upstream.ts';
import { RawConnection } from '../support/raw-client.ts';
import { until } from '../support/until.ts';
import {
  acceptKey,
  decodeFrame,
  echoFrames,
  encodeFrame,
  handshake,
  OPCODES,
  WebSocketClient,
} from '../support/websocket.ts';

const ECHO: OnStream = (stream) => {
  stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat', 'sec-websocket-accept': 'of no meaning here' });
  echoFrames(stream);
  stream.on('end', () => stream.end());
};

const start = (upstream: Http2Upstream): Promise<TestGateway> =>
  startGateway({
    upstream: upstream.origin,
    config: { listeners: { public: { address: '127.0.0.1:0', http2: true }, admin: { address: '127.0.0.1:0' } } },
  });

let upstream: Http2Upstream;
let gateway: TestGateway;
let cookie: string;
let held: ServerHttp2Stream | null = null;
const streamOf = () => held as unknown as ServerHttp2Stream;
/** Keeps the stream, for the server to use later. */
const holding =
  (answer: OnStream): OnStream =>
  (stream, request) => {
    held = stream;
    answer(stream, request);
  };
beforeAll(async () => {
  upstream = await Http2Upstream.start(ECHO, { settings: { enableConnectProtocol: true } });
  gateway = await start(upstream);
  cookie = await gateway.cookie('bob');
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});
beforeEach(() => {
  upstream.onStream = holding(ECHO);
});

const gone = () => until(() => upstream.openStreams === 0, 'the stream of the server is gone');

describe('RFC 8441 §5: a WebSocket to an HTTP/2 server', () => {
  test('answers the handshake of an HTTP/1.1 client and sends the server an extended CONNECT', async () => {
    await using connection = await RawConnection.open(gateway.port);
    const head = handshake('/chat?a=1', [cookie, 'Sec-WebSocket-Protocol: chat']);
    connection.write(head);
    const answer = await connection.response();
    const [, key = ''] = /sec-websocket-key: (\S+)/i.exec(head) ?? [];
    expect([answer.status, answer.headers.get('sec-websocket-accept')]).toEqual([101, acceptKey(key)]);
    expect(answer.headers.get('sec-websocket-protocol')).toBe('chat');
    const { headers, raw } = upstream.last;
    expect(headers).toMatchObject({
      ...{ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat?a=1', ':scheme': 'http' },
      ...{ ':authority': 'shop.example.com', 'sec-websocket-version': '13', 'sec-websocket-protocol': 'chat' },
      authorization: expect.stringMatching(/^Bearer /),
    });
    for (const name of ['sec-websocket-key', 'connection', 'upgrade', 'te']) expect(raw).not.toContain(name);
    connection.close();
    await gone();
  });

  test('relays frames both ways, even large ones, and ends at the server with its client', async () => {
    await using client = await WebSocketClient.open(gateway.port, '/chat', [cookie]);
    client.send('hello');
    expect(await client.text()).toBe('hello');
    const large = 'x'.repeat(1_000_000);
    client.send(large);
    expect(await client.text()).toBe(large);
    client.send('', OPCODES.ping);
    expect((await client.frame()).opcode).toBe(OPCODES.pong);
    client.close();
    await gone();
    await until(() => gateway.gateway.requestsInFlight === 0, 'it is over');
    expect(gateway.log.records.at(-1)).toMatchObject({ status: 101 });
  });

  test('opens for an HTTP/2 client, too', async () => {
    await using client = Http2Client.plain(gateway.port);
    await once(client.session, 'remoteSettings');
    const own = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'https', ':path': '/chat' };
    const more = { 'sec-websocket-version': '13', origin: 'https://shop.example.com' };
    const stream = client.begin({ ...own, ...more, cookie: cookie.replace('Cookie: ', '') }, null);
    let bytes: Buffer = Buffer.alloc(0);
    stream.on('data', (part: Buffer) => {
      bytes = Buffer.concat([bytes, part]);
    });
    const [headers] = await once(stream, 'response');
    expect([headers[':status'], headers['sec-websocket-accept']]).toEqual([200, undefined]);
    stream.write(encodeFrame({ opcode: OPCODES.text, payload: Buffer.from('hello') }, true));
    await until(() => decodeFrame(bytes) !== null, 'the frame is back');
    expect(String(decodeFrame(bytes)?.frame.payload)).toBe('hello');
    stream.close(CODE.cancel);
    await gone();
  });

  test.each([
    ['ends its side', (stream: ServerHttp2Stream) => void stream.end()],
    ['resets the stream', (stream: ServerHttp2Stream) => stream.close(CODE.internal)],
    ['ends the connection', (stream: ServerHttp2Stream) => stream.session?.destroy()],
  ])('ends for the client when the server %s', async (_, end) => {
    await using client = await WebSocketClient.open(gateway.port, '/chat', [cookie]);
    client.send('hello');
    expect(await client.text()).toBe('hello');
    end(streamOf());
    await client.connection.remainder();
    client.close();
    await gone();
  });

  test('WS-14: ends with its session, with Close on both sides', async () => {
    await using client = await WebSocketClient.open(gateway.port, '/chat', [await gateway.cookie('carol')]);
    client.send('hello');
    expect(await client.text()).toBe('hello');
    const received: Buffer[] = [];
    streamOf().on('data', (part: Buffer) => received.push(part));
    await gateway.gateway.sessions.endAll('carol', 'operator');
    expect(await client.closeCode()).toBe(1008);
    client.close();
    await gone();
    const { frame } = decodeFrame(Buffer.concat(received)) as NonNullable<ReturnType<typeof decodeFrame>>;
    expect([frame.opcode, frame.isMasked, frame.payload.readUInt16BE()]).toEqual([OPCODES.close, true, 1008]);
  });
});

describe('a handshake that opens no WebSocket', () => {
  const ask = async (port: number, lines: readonly string[]) => {
    await using connection = await RawConnection.open(port);
    connection.write(handshake('/chat', lines));
    return await connection.response();
  };

  test('passes on an answer other than 2xx and frees its stream', async () => {
    upstream.onStream = (stream) => {
      // The stream ends only once its input has been read.
      stream.on('data', () => {});
      stream.respond({ ':status': 403, 'content-type': 'text/plain' });
      stream.end('not you');
    };
    const answer = await ask(gateway.port, [cookie]);
    expect([answer.status, String(answer.body)]).toEqual([403, 'not you']);
    await gone();
  });

  test('may be answered with a 2xx that ends at once', async () => {
    upstream.onStream = (stream) => stream.respond({ ':status': 200 }, { endStream: true });
    expect((await ask(gateway.port, [cookie])).status).toBe(200);
    await gone();
  });

  test('RFC 8441 §3: is not sent to a server that does not offer WebSockets, nor held against it', async () => {
    await using plain = await Http2Upstream.start(answerOk);
    await using own = await start(plain);
    const bob = await own.cookie('bob');
    for (let count = 0; count < 12; count += 1) {
      const answer = await ask(own.port, [bob]);
      expect([answer.status, JSON.parse(String(answer.body)).reason]).toEqual([502, 'upstream_protocol']);
    }
    expect(plain.requests).toEqual([]);
    // The server would have refused it, too.
    expect(own.log.records.at(-1)).toMatchObject({ note: 'server takes no WebSockets over HTTP/2' });
    // Otherwise, clients that try could have the server ejected.
    await using client = Http2Client.plain(own.port);
    const headers = { cookie: bob.replace('Cookie: ', '') };
    expect((await answerOf(client.begin({ ':path': '/', ...headers }))).status).toBe(200);
    expect(await own.metrics.text()).not.toMatch(/upstream_ejections_total\{[^}]*\} [1-9]/);
  });

  test('WS-06: never reaches the server if it is invalid over HTTP/1.1', async () => {
    const before = upstream.requests.length;
    await using connection = await RawConnection.open(gateway.port);
    connection.write(handshake('/chat', [cookie]).replace(/Sec-WebSocket-Key: \S+/, 'Sec-WebSocket-Key: AAAA'));
    expect((await connection.response()).status).toBe(400);
    expect(upstream.requests.length).toBe(before);
  });
});
