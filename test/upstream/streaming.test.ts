/** What is passed on when: heads at once, bodies part by part, nothing unrequested. */

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestClocks } from '../support/clocks.ts';
import { HOST, startGateway, type TestGateway } from '../support/gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { RawUpstream } from '../support/raw-upstream.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

/** An upstream whose connections the test answers by hand. */
class ManualUpstream {
  readonly upstream: RawUpstream;
  readonly #arrived: { socket: Socket; head: string }[] = [];
  #wake: (() => void) | null = null;

  private constructor(upstream: RawUpstream) {
    this.upstream = upstream;
  }

  static async start(): Promise<ManualUpstream> {
    let manual: ManualUpstream | null = null;
    const upstream = await RawUpstream.start((socket) => {
      socket.on('data', (chunk: Buffer) => manual?.arrive(socket, chunk.toString('latin1')));
    });
    manual = new ManualUpstream(upstream);
    return manual;
  }

  arrive(socket: Socket, head: string): void {
    this.#arrived.push({ socket, head });
    this.#wake?.();
  }

  /** The next bytes received, and the socket to answer on. */
  async next(): Promise<{ socket: Socket; head: string }> {
    for (;;) {
      const next = this.#arrived.shift();
      if (next !== undefined) return next;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

describe('streams', () => {
  let manual: ManualUpstream;
  let gateway: TestGateway;
  const clocks = new TestClocks();
  beforeAll(async () => {
    manual = await ManualUpstream.start();
    gateway = await startGateway({ upstream: manual.upstream.origin, clocks });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await manual.upstream[Symbol.asyncDispose]();
  });

  /** Sends a request and waits until the upstream has it. */
  async function ask(method = 'GET', lines: readonly string[] = [], user = 'bob') {
    const client = await RawConnection.open(gateway.port);
    client.write(requestHead(method, '/x', [HOST, await gateway.cookie(user), ...lines]));
    return { client, ...(await manual.next()) };
  }
  const nextBytes = async (client: RawConnection) => ((await once(client.socket, 'data')) as [Buffer])[0].toString();

  test('the head of an answer is passed on at once, even if its body is late', async () => {
    const { client, socket } = await ask();
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
    expect(await nextBytes(client)).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n$/s);
    client.close();
  });

  test('server-sent events are passed on one by one while the answer is open', async () => {
    const { client, socket } = await ask();
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    await nextBytes(client);
    for (const event of ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']) {
      socket.write(`${event.length.toString(16)}\r\n${event}\r\n`);
      expect(await nextBytes(client)).toBe(`${event.length.toString(16)}\r\n${event}\r\n`);
    }
    socket.write('0\r\n\r\n');
    expect(await nextBytes(client)).toBe('0\r\n\r\n');
    client.close();
  });

  describe('the idle timeout of a session', () => {
    const MINUTES_20 = 20 * 60_000;
    /** Lets time pass, and sweeps the sessions. */
    const pass = () => {
      clocks.advance(MINUTES_20);
      gateway.gateway.sessions.sweepStreams();
    };
    const status = async (cookie: string) => {
      const client = await RawConnection.open(gateway.port);
      client.write(requestHead('GET', '/after', [HOST, cookie]));
      const answered = client.response();
      const { socket } = await Promise.race([manual.next(), answered.then(() => ({ socket: null }))]);
      socket?.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
      const answer = await answered;
      client.close();
      return answer.status;
    };

    test('P2: is reset by a download that moves', async () => {
      const cookie = await gateway.cookie();
      const client = await RawConnection.open(gateway.port);
      client.write(requestHead('GET', '/x', [HOST, cookie]));
      const { socket } = await manual.next();
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n');
      await nextBytes(client);
      for (let part = 0; part < 10; part += 1) {
        socket.write('part');
        expect(await nextBytes(client)).toBe('part');
        pass();
      }
      expect(await status(cookie)).toBe(200);
      client.close();
    });

    test('P2: is reset by an upload that moves', async () => {
      const cookie = await gateway.cookie();
      const client = await RawConnection.open(gateway.port);
      client.write(requestHead('PUT', '/x', [HOST, cookie, 'Origin: https://shop.example.com', 'Content-Length: 40']));
      let received = '';
      let socket: Socket | null = null;
      for (let part = 0; part < 10; part += 1) {
        client.write('part');
        while (!received.endsWith('part'.repeat(part + 1))) {
          const next = await manual.next();
          received += next.head;
          socket = next.socket;
        }
        pass();
      }
      socket?.write('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n');
      expect((await client.response()).status).toBe(201);
      expect(await status(cookie)).toBe(200);
      client.close();
    });

    test('P2: is not reset by a stalled download, which ends with the session', async () => {
      const { client, socket } = await ask();
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\npart');
      await nextBytes(client);
      for (let round = 0; round < 3; round += 1) pass();
      await client.remainder();
      await expect.poll(() => gateway.log.records.at(-1)).toMatchObject({ status: 200, reason: 'session_unknown' });
    });

    test('P2: ends a stalled upload with 401', async () => {
      const { client } = await ask('PUT', ['Origin: https://shop.example.com', 'Content-Length: 40', '', 'part']);
      for (let round = 0; round < 3; round += 1) pass();
      expect((await client.response()).status).toBe(401);
      client.close();
    });

    test('P2, ASVS 7.3.1: is not reset by events that a server pushes to an idle page', async () => {
      const { client, socket } = await ask();
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
      await nextBytes(client);
      for (let round = 0; round < 2; round += 1) {
        socket.write(': still here\n\n');
        await once(client.socket, 'data');
        pass();
      }
      await client.remainder();
      await expect.poll(() => gateway.log.records.at(-1)).toMatchObject({ status: 200, reason: 'session_unknown' });
    });
  });

  test('a head and a body that arrive together are sent together', async () => {
    const { client, socket } = await ask();
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
    expect(await nextBytes(client)).toMatch(/\r\n\r\nhello$/);
    client.close();
  });

  test('a request body is passed on part by part', async () => {
    const client = await RawConnection.open(gateway.port);
    client.write(
      requestHead('POST', '/x', [
        HOST,
        await gateway.cookie(),
        'Origin: https://shop.example.com',
        'Transfer-Encoding: chunked',
      ]),
    );
    let received = '';
    for (const part of ['one', 'two', 'three']) {
      client.write(`${part.length.toString(16)}\r\n${part}\r\n`);
      const expected = `${part.length.toString(16)}\r\n${part}`;
      while (!received.includes(expected)) received += (await manual.next()).head;
    }
    client.close();
  });

  test('request trailers and both Trailer headers are dropped; answer trailers are passed on', async () => {
    const client = await RawConnection.open(gateway.port);
    const lines = [HOST, await gateway.cookie(), 'Origin: https://shop.example.com', 'Connection: close'];
    client.write(requestHead('POST', '/x', [...lines, 'Transfer-Encoding: chunked', 'Trailer: X-Sum', 'TE: trailers']));
    client.write('2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n');
    let received = '';
    let upstream: Socket | null = null;
    while (!received.endsWith('0\r\n\r\n')) {
      const { socket, head } = await manual.next();
      upstream = socket;
      received += head;
    }
    expect(received).not.toMatch(/x-sum|\r\ntrailer/i);
    expect(received).toMatch(/\r\nconnection: keep-alive, te\r\nte: trailers\r\n/i);
    upstream?.write(
      'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n',
    );
    const text = String(await client.remainder());
    expect(text).toMatch(/\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n$/);
    expect(text).not.toMatch(/trailer/i);
    client.close();
  });

  test('a stream and its upstream connection end when its session is revoked', async () => {
    const { client, socket } = await ask('GET', [], 'carol');
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
    await nextBytes(client);
    await gateway.gateway.sessions.endAll('carol', 'operator');
    await once(socket, 'close');
    await client.remainder();
    await expect.poll(() => gateway.log.records.at(-1)).toMatchObject({ reason: 'session_unknown', status: 200 });
  });

  test('a stream ends when its session expires', async () => {
    const { client, socket } = await ask('GET', [], 'dave');
    socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n');
    await nextBytes(client);
    clocks.advance(12 * 3_600_000);
    gateway.gateway.sessions.sweepStreams();
    await once(socket, 'close');
    await client.remainder();
  });

  test('S4, RFC 9110 §10.1.1: 100 Continue is sent on admission, a connection used once the body begins', async () => {
    const slow = await ManualUpstream.start();
    await using narrow = await startGateway({
      routes: [{ id: 'public', match: { path: '/' }, credential: 'none' }],
      config: { upstreams: { app: { endpoints: [slow.upstream.origin], maxConnections: 1 } } },
    });
    const first = await RawConnection.open(narrow.port);
    first.write(requestHead('PUT', '/first', [HOST, 'Expect: 100-continue', 'Content-Length: 2']));
    expect(await nextBytes(first)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    // The only connection is free for others meanwhile.
    const second = await RawConnection.open(narrow.port);
    second.write(requestHead('GET', '/second', [HOST]));
    const { socket, head } = await slow.next();
    expect(head).toMatch(/^GET \/second /);
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect((await second.response()).status).toBe(200);
    first.write('hi');
    expect((await slow.next()).head).toMatch(/^PUT \/first HTTP\/1\.1\r\n.*\r\n\r\nhi$/s);
    socket.write('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n');
    expect((await first.response()).status).toBe(201);
    for (const client of [first, second]) client.close();
    await slow.upstream[Symbol.asyncDispose]();
  });

  test('RFC 9110 §10.1.1: an HTTP/1.0 client gets no 100 Continue', async () => {
    const client = await RawConnection.open(gateway.port);
    const lines = [HOST, await gateway.cookie(), 'Origin: https://shop.example.com', 'Expect: 100-continue'];
    client.write(`POST /x HTTP/1.0\r\n${[...lines, 'Content-Length: 2'].join('\r\n')}\r\n\r\nhi`);
    let { socket, head } = await manual.next();
    while (!head.endsWith('hi')) head += (await manual.next()).head;
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect((await client.remainder()).toString()).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('a chunked answer reaches an HTTP/1.0 client without chunks and ends with its connection', async () => {
    const client = await RawConnection.open(gateway.port);
    client.write(`GET /x HTTP/1.0\r\n${HOST}\r\n${await gateway.cookie()}\r\n\r\n`);
    const { socket } = await manual.next();
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n');
    const received = (await client.remainder()).toString();
    expect(received).toMatch(/\r\n\r\nhi$/s);
    expect(received).not.toMatch(/transfer-encoding/i);
  });

  test('H7, RFC 9110 §15.2: 103 Early Hints are passed on before the answer, with only their links', async () => {
    const { client, socket } = await ask();
    const links = [
      '</a.css>; rel=preload; as=style, </b.js>; rel="preload"',
      '<https://cdn.example/\xff>; rel=preconnect',
    ];
    const lines = [`Link: ${links[0]}`, 'Set-Cookie: __Host-sid=x', 'X-A: b', `Link: ${links[1]}`, 'Content-Length: 9'];
    socket.write(Buffer.from(`HTTP/1.1 103 Early Hints\r\n${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
    const [hints] = (await once(client.socket, 'data')) as [Buffer];
    expect(hints.toString('latin1')).toBe(`HTTP/1.1 103 Early Hints\r\nLink: ${links[0]}\r\nLink: ${links[1]}\r\n\r\n`);
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect((await client.response()).body.toString()).toBe('ok');
    client.close();
  });

  test('H7, RFC 9110 §15.2: an HTTP/1.0 client gets no early hints', async () => {
    const client = await RawConnection.open(gateway.port);
    client.write(`GET /x HTTP/1.0\r\n${HOST}\r\n${await gateway.cookie()}\r\n\r\n`);
    const { socket } = await manual.next();
    socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect((await client.remainder()).toString()).toMatch(/^HTTP\/1\.1 200 /);
  });

  test('H7, RFC 9110 §15.2: an unsolicited 100 Continue does not disturb an upload', async () => {
    const { client, socket } = await ask('POST', ['Origin: https://shop.example.com', 'Content-Length: 4', '', 'bo']);
    socket.write('HTTP/1.1 100 Continue\r\n\r\n');
    client.write('dy');
    socket.write('HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n');
    expect((await client.response()).status).toBe(201);
    client.close();
  });

  test('H7, RFC 9112 §8: an answer that ends with its connection is cut for the client if that breaks', async () => {
    const { client, socket } = await ask();
    socket.write('HTTP/1.1 200 OK\r\n\r\npart');
    let received = '';
    while (!received.includes('part')) received += await nextBytes(client);
    socket.resetAndDestroy();
    expect((await client.remainder()).toString()).toMatch(/\r\n4\r\npart\r\n$/);
    await expect.poll(() => gateway.log.records.at(-1)).toMatchObject({ status: 200, reason: 'upstream_reset' });
  });

  test('H7, RFC 9112 §8: an HTTP/1.0 client sees a reset when such an answer breaks off', async () => {
    const client = await RawConnection.open(gateway.port);
    client.write(`GET /x HTTP/1.0\r\n${HOST}\r\n${await gateway.cookie()}\r\n\r\n`);
    const { socket } = await manual.next();
    socket.write('HTTP/1.1 200 OK\r\n\r\npart');
    let received = '';
    while (!received.includes('part')) received += await nextBytes(client);
    const closed = once(client.socket, 'close');
    socket.resetAndDestroy();
    await expect(closed).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  test('SES-18: an answer for one user is private unless it has its own Cache-Control', async () => {
    const silent = await ask();
    silent.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    expect((await silent.client.response()).headers.get('cache-control')).toBe('private');
    const speaking = await ask();
    speaking.socket.write('HTTP/1.1 200 OK\r\nCache-Control: public, max-age=60\r\nContent-Length: 0\r\n\r\n');
    expect((await speaking.client.response()).headers.get('cache-control')).toBe('public, max-age=60');
    for (const { client } of [silent, speaking]) client.close();
  });

  test.each([
    ['max-age=60', 'max-age=60, private'],
    ['max-age=31536000, immutable', 'max-age=31536000, immutable, private'],
    ['stale-while-revalidate=9, max-age=1', 'stale-while-revalidate=9, max-age=1, private'],
    ['x-public, not-private', 'x-public, not-private, private'],
    ['private="set-cookie", max-age=60', 'private="set-cookie", max-age=60, private'],
    ['', 'private'],
    ['max-age=60,PUBLIC', 'max-age=60,PUBLIC'],
    ['max-age=60, s-maxage=9', 'max-age=60, s-maxage=9'],
    ['max-age=60, must-revalidate', 'max-age=60, must-revalidate'],
    ['no-cache', 'no-cache'],
    ['private , max-age=60', 'private , max-age=60'],
  ])('SES-18, RFC 9111 §3.5: a shared cache treats %j as for a request with Authorization', async (said, left) => {
    const { client, socket } = await ask();
    socket.write(`HTTP/1.1 200 OK\r\nCache-Control: ${said}\r\nContent-Length: 0\r\n\r\n`);
    expect((await client.response()).headers.get('cache-control')).toBe(left);
    client.close();
  });

  const PUBLIC_LINE = 'Cache-Control: public, max-age=60';
  test.each([
    ['a route rule removes it', { remove: ['Cache-Control'] }, [PUBLIC_LINE], 'private'],
    ['its own Connection lists it', undefined, [PUBLIC_LINE, 'Connection: cache-control'], 'private'],
    ['a route rule sets it', { set: { 'Cache-Control': 'public' } }, [], 'public'],
  ] as const)('SES-18: only the final Cache-Control of an answer counts: %s', async (_title, rules, lines, left) => {
    await using upstream = await RecordingUpstream.start((_request, socket) => {
      socket.write(['HTTP/1.1 200 OK', ...lines, 'Content-Length: 0', '', ''].join('\r\n'));
    });
    await using ruled = await startGateway({
      upstream: upstream.origin,
      routes: [{ id: 'app', match: { path: '/' }, credential: 'session', ...(rules && { responseHeaders: rules }) }],
    });
    const answer = await rawRequest(ruled.port, requestHead('GET', '/', [HOST, await ruled.cookie()]));
    expect(answer.headers.get('cache-control')).toBe(left);
  });
});
