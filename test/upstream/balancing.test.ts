/** Which endpoint gets a request, and what happens if one does not answer or there is too much load. */

import { createServer, type Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Denial } from '../../src/errors.ts';
import type { UpstreamServer } from '../../src/upstream/servers/server.ts';
import { Upstream } from '../../src/upstream/servers/upstream.ts';
import { TestClocks } from '../support/clocks.ts';
import { HOST, parseTestConfig, startGateway, type TestGateway } from '../support/gateway.ts';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import { type Answer, RecordingUpstream } from '../support/recording-upstream.ts';

const get = (path: string, method = 'GET', ...lines: string[]) => requestHead(method, path, [HOST, ...lines]);
const ROUTES = [{ id: 'public', match: { path: '/' }, credential: 'none' }];

/** An origin where nothing listens. */
async function refusingOrigin(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

describe('choosing', () => {
  function upstream(count: number, settings: Record<string, unknown> = {}) {
    const clocks = new TestClocks();
    const endpoints = Array.from({ length: count }, (_, at) => `http://127.0.0.1:${at + 1}`);
    const { upstreams } = parseTestConfig({ config: { upstreams: { app: { endpoints, ...settings } } } });
    const made = new Upstream('app', upstreams['app']!, null, clocks.monotonicMs);
    return { clocks, upstream: made, servers: made.servers };
  }
  const indexOf = (made: Upstream, chosen: UpstreamServer | Denial) =>
    chosen instanceof Denial ? chosen.reason : made.servers.indexOf(chosen);

  test('roundRobin takes each endpoint in turn', () => {
    const { upstream: made } = upstream(3, { balance: 'roundRobin' });
    expect(Array.from({ length: 7 }, () => indexOf(made, made.choose()))).toEqual([0, 1, 2, 0, 1, 2, 0]);
  });

  test('roundRobin shares evenly among the others while one is ejected', () => {
    const { upstream: made, servers } = upstream(3, { balance: 'roundRobin', ejection: { consecutiveFailures: 1 } });
    servers[1]?.noteFailure();
    expect(Array.from({ length: 6 }, () => indexOf(made, made.choose()))).toEqual([0, 2, 0, 2, 0, 2]);
  });

  test('leastRequests takes the endpoint with the fewest requests and WebSockets, and equals in turn', () => {
    const { upstream: made, servers } = upstream(3);
    expect([0, 1, 2].map(() => indexOf(made, made.choose()))).toEqual([0, 1, 2]);
    servers[0]!.inFlight = 2;
    servers[1]!.tunnels = 1;
    servers[2]!.inFlight = 3;
    expect([0, 1].map(() => indexOf(made, made.choose()))).toEqual([1, 1]);
    servers[1]!.tunnels = 5;
    expect(indexOf(made, made.choose())).toBe(0);
  });

  test('an unreachable endpoint is ejected, for twice as long each time, up to a limit', () => {
    const ejection = { consecutiveFailures: 2, baseDelay: '1s', maxDelay: '4s' };
    const { upstream: made, servers, clocks } = upstream(2, { ejection });
    const [first] = servers as [UpstreamServer, UpstreamServer];
    const fail = () => {
      first.noteFailure();
      const start = clocks.monotonicMs();
      while (!first.isEligible()) clocks.advance(10);
      return (clocks.monotonicMs() - start) / 1_000;
    };
    expect(fail()).toBe(0);
    for (const seconds of [1, 2, 4, 4]) {
      const ejected = fail();
      expect(ejected).toBeGreaterThanOrEqual(seconds);
      // Up to a tenth of jitter.
      expect(ejected).toBeLessThanOrEqual(seconds * 1.1 + 0.01);
    }
    expect(made.isHealthy()).toBe(true);
  });

  test('a returning endpoint is tried with one request and gets its share once that succeeds', () => {
    const ejection = { consecutiveFailures: 1, baseDelay: '1s' };
    const { upstream: made, servers, clocks } = upstream(2, { balance: 'roundRobin', ejection });
    servers[0]?.noteFailure();
    expect([0, 1].map(() => indexOf(made, made.choose()))).toEqual([1, 1]);
    clocks.advance(1_101);
    const tried = [0, 1, 2, 3].map(() => indexOf(made, made.choose()));
    expect(tried.filter((index) => index === 0)).toHaveLength(1);
    servers[0]?.noteSuccess();
    expect(new Set([0, 1].map(() => indexOf(made, made.choose())))).toEqual(new Set([0, 1]));
  });

  test('when all endpoints are ejected, the one due back first is used', () => {
    const { upstream: made, servers, clocks } = upstream(3, { ejection: { consecutiveFailures: 1, baseDelay: '1s' } });
    servers[2]?.noteFailure();
    clocks.advance(500);
    servers[0]?.noteFailure();
    servers[1]?.noteFailure();
    expect(indexOf(made, made.choose())).toBe(2);
    expect(made.isHealthy()).toBe(false);
  });

  test('an endpoint that has just failed is used again only if there is no other', () => {
    const { upstream: made, servers } = upstream(2, { balance: 'roundRobin' });
    expect([0, 1, 2].map(() => indexOf(made, made.choose(servers[0])))).toEqual([1, 1, 1]);
    const alone = upstream(1).upstream;
    expect(indexOf(alone, alone.choose(alone.servers[0]))).toBe(0);
  });

  test('requests are refused as overloaded when every endpoint has maxPending waiting', () => {
    for (const count of [1, 2, 3]) {
      const { upstream: made, servers } = upstream(count, { maxConnections: 2, maxPending: 1 });
      for (const server of servers) server.inFlight = 3;
      expect(indexOf(made, made.choose())).toBe('overloaded');
      servers[count - 1]!.inFlight = 2;
      expect(indexOf(made, made.choose())).toBe(count - 1);
    }
  });

  test('open WebSockets do not make an endpoint overloaded', () => {
    const { upstream: made, servers } = upstream(1, { maxConnections: 1, maxPending: 0 });
    servers[0]!.tunnels = 1_000;
    expect(indexOf(made, made.choose())).toBe(0);
  });
});

describe('retries', () => {
  const start = (endpoints: string[], settings: Record<string, unknown> = {}) =>
    startGateway({
      routes: ROUTES,
      config: { upstreams: { app: { endpoints, balance: 'roundRobin', ...settings } } },
    });

  const retries = async ({ metrics }: TestGateway) => {
    const lines = (await metrics.text())
      .split('\n')
      .filter((line) => line.startsWith('sallyport_upstream_retries_total'));
    return Object.fromEntries(lines.map((line) => [/reason="(\w+)"/.exec(line)?.[1], Number(line.split(' ').at(-1))]));
  };

  test.for(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH'])(
    'H2, UPS-04: %s goes to another endpoint when the first refuses the connection',
    async (method) => {
      await using upstream = await RecordingUpstream.start();
      await using gateway = await start([await refusingOrigin(), upstream.origin], {
        ejection: { consecutiveFailures: 100 },
      });
      for (let round = 0; round < 4; round += 1) {
        expect((await rawRequest(gateway.port, get('/x', method))).status).toBe(200);
      }
      expect(upstream.requests).toHaveLength(4);
      expect((await retries(gateway))['not_connected']).toBeGreaterThan(0);
    },
  );

  describe('a kept connection that the upstream closes as the next request arrives', () => {
    /** Answers the first request on each connection and closes it when the second one comes. */
    const closesKept = (firstBytes = ''): Answer => {
      const used = new WeakSet<Socket>();
      return (_request, socket) => {
        if (used.has(socket)) {
          socket.end(firstBytes);
          return;
        }
        used.add(socket);
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      };
    };
    const targets = (upstream: RecordingUpstream) => upstream.requests.map(({ head }) => head.split(' ')[1]);

    test.for(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])(
      'H1, RFC 9110 §9.2.2: %s is retried on another connection',
      async (method) => {
        await using upstream = await RecordingUpstream.start(closesKept());
        await using gateway = await start([upstream.origin]);
        expect(await retries(gateway)).toMatchObject({ not_connected: 0, kept_connection_closed: 0 });
        expect((await rawRequest(gateway.port, get('/first'))).status).toBe(200);
        expect((await rawRequest(gateway.port, get('/second', method))).status).toBe(200);
        expect(targets(upstream)).toEqual(['/first', '/second', '/second']);
        expect(upstream.connectionCount).toBe(2);
        expect(await retries(gateway)).toMatchObject({ not_connected: 0, kept_connection_closed: 1 });
      },
    );

    test('H1: the request goes to another endpoint if there is one', async () => {
      await using closing = await RecordingUpstream.start(closesKept());
      await using stable = await RecordingUpstream.start();
      await using gateway = await start([closing.origin, stable.origin]);
      for (let round = 0; round < 3; round += 1) {
        expect((await rawRequest(gateway.port, get(`/${round}`))).status).toBe(200);
      }
      expect([targets(closing), targets(stable)]).toEqual([
        ['/0', '/2'],
        ['/1', '/2'],
      ]);
    });

    const notRepeated = async (upstream: RecordingUpstream, request: string) => {
      await using gateway = await start([upstream.origin]);
      expect((await rawRequest(gateway.port, get('/first'))).status).toBe(200);
      expect((await rawRequest(gateway.port, request)).status).toBe(502);
      expect(targets(upstream)).toEqual(['/first', '/second']);
      expect(await retries(gateway)).toMatchObject({ not_connected: 0, kept_connection_closed: 0 });
    };

    test.for(['POST', 'PATCH'])('H1, UPS-04, RFC 9110 §9.2.2: %s is not repeated', async (method) => {
      await using upstream = await RecordingUpstream.start(closesKept());
      await notRepeated(upstream, get('/second', method));
    });

    test('H1, UPS-04: a request with a body that was sent is not repeated', async () => {
      await using upstream = await RecordingUpstream.start(closesKept());
      await notRepeated(upstream, `${get('/second', 'PUT', 'Content-Length: 4')}body`);
    });

    test.for(['H', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 103 Early Hints\r\n\r\n'])(
      'H1, UPS-04: a request is not repeated once a byte of an answer has arrived: %j',
      async (firstBytes) => {
        await using upstream = await RecordingUpstream.start(closesKept(firstBytes));
        await notRepeated(upstream, get('/second'));
      },
    );

    test('H1, UPS-04: there is only one retry', async () => {
      let answered = 0;
      await using upstream = await RecordingUpstream.start((_request, socket) => {
        answered += 1;
        if (answered === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
        else socket.destroy();
      });
      await using gateway = await start([upstream.origin]);
      expect((await rawRequest(gateway.port, get('/first'))).status).toBe(200);
      expect((await rawRequest(gateway.port, get('/second'))).status).toBe(502);
      expect(targets(upstream)).toEqual(['/first', '/second', '/second']);
    });
  });

  test('UPS-04: an unread body goes to the other endpoint whole', async () => {
    await using upstream = await RecordingUpstream.start();
    await using gateway = await start([await refusingOrigin(), upstream.origin]);
    const body = 'b'.repeat(300_000);
    const request = `${get('/x', 'PUT', `Content-Length: ${body.length}`)}${body}`;
    expect((await rawRequest(gateway.port, request)).status).toBe(200);
    expect(upstream.last.body.toString()).toBe(body);
    const chunked = `${get('/x', 'PUT', 'Transfer-Encoding: chunked')}493e0\r\n${body}\r\n0\r\n\r\n`;
    expect((await rawRequest(gateway.port, chunked)).status).toBe(200);
    expect(upstream.last.body.toString()).toBe(body);
  });

  test('UPS-04: there is only one retry', async () => {
    const refusing = await Promise.all([refusingOrigin(), refusingOrigin(), refusingOrigin()]);
    await using upstream = await RecordingUpstream.start();
    await using gateway = await start([...refusing, upstream.origin], { ejection: { consecutiveFailures: 100 } });
    expect((await rawRequest(gateway.port, get('/x'))).status).toBe(502);
    expect(upstream.requests).toHaveLength(0);
  });

  test('UPS-04: a single endpoint that refuses is retried once', async () => {
    const origin = await refusingOrigin();
    await using gateway = await start([origin]);
    const answer = await rawRequest(gateway.port, get('/x'));
    expect([answer.status, JSON.parse(answer.body.toString()).reason]).toEqual([502, 'upstream_connect_failed']);
  });

  test('an ejected endpoint gets no requests until it returns', async () => {
    const clocks = new TestClocks();
    await using stable = await RecordingUpstream.start();
    const origin = await refusingOrigin();
    await using gateway = await startGateway({
      routes: ROUTES,
      clocks,
      config: {
        upstreams: {
          app: { endpoints: [origin, stable.origin], balance: 'roundRobin', ejection: { consecutiveFailures: 1 } },
        },
      },
    });
    for (let round = 0; round < 6; round += 1) await rawRequest(gateway.port, get('/x', round === 0 ? 'GET' : 'POST'));
    expect(stable.requests).toHaveLength(6);
    await using returned = await RecordingUpstream.start(undefined, Number(new URL(origin).port));
    clocks.advance(2_000);
    for (let round = 0; round < 6; round += 1) await rawRequest(gateway.port, get('/x'));
    expect(returned.requests).toHaveLength(3);
  });
});

describe('waiting for a connection', () => {
  const settings = { maxConnections: 1, maxPending: 2 };
  const never: Answer = () => {};
  const start = (upstream: RecordingUpstream) =>
    startGateway({ routes: ROUTES, config: { upstreams: { app: { endpoints: [upstream.origin], ...settings } } } });

  test('requests beyond maxConnections wait, and those beyond maxPending are refused as overloaded', async () => {
    await using upstream = await RecordingUpstream.start(never);
    await using gateway = await start(upstream);
    const waiting = await Promise.all([1, 2, 3].map(() => RawConnection.open(gateway.port)));
    for (const [at, connection] of waiting.entries()) connection.write(get(`/${at}`));
    await upstream.received(1);
    // Connections are not accepted in the order in which they are opened.
    const sent = Number(upstream.requests[0]?.head.split(' ')[1]?.slice(1));
    await expect.poll(() => gateway.gateway.requestsInFlight).toBe(3);
    const refused = await rawRequest(gateway.port, get('/3'));
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    upstream.answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    waiting[sent]?.close();
    for (const connection of waiting.toSpliced(sent, 1)) expect((await connection.response()).status).toBe(200);
    expect(upstream.requests.map(({ head }) => head.split(' ')[1]).toSorted()).toEqual(['/0', '/1', '/2']);
    for (const connection of waiting) connection.close();
  });

  test('a request whose client leaves while it waits is never sent, and costs no connection', async () => {
    await using upstream = await RecordingUpstream.start(never);
    await using gateway = await start(upstream);
    await using first = await RawConnection.open(gateway.port);
    first.write(get('/first'));
    await upstream.received(1);
    const leaver = await RawConnection.open(gateway.port);
    leaver.write(get('/leaver', 'PUT', 'Content-Length: 5'));
    await using last = await RawConnection.open(gateway.port);
    last.write(get('/last'));
    await expect.poll(() => gateway.gateway.requestsInFlight).toBe(3);
    leaver.close();
    await expect.poll(() => gateway.gateway.requestsInFlight).toBe(2);

    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
    upstream.answer = (_request, socket) => void socket.write(answer);
    upstream.writeToAll(answer);
    expect((await first.response()).status).toBe(200);
    expect((await last.response()).status).toBe(200);
    expect(upstream.requests.map(({ head }) => head.split(' ')[1])).toEqual(['/first', '/last']);
    expect(upstream.connectionCount).toBe(1);
  });

  test('clients that come and go while an upstream hangs do not exceed maxPending', async () => {
    await using upstream = await RecordingUpstream.start(never);
    await using gateway = await start(upstream);
    await using first = await RawConnection.open(gateway.port);
    first.write(get('/first'));
    await upstream.received(1);
    for (let round = 0; round < 2; round += 1) {
      const leaver = await RawConnection.open(gateway.port);
      leaver.write(get('/leaver'));
      await expect.poll(() => gateway.gateway.requestsInFlight).toBe(2);
      leaver.close();
      await expect.poll(() => gateway.gateway.requestsInFlight).toBe(1);
    }
    expect((await rawRequest(gateway.port, get('/x'))).status).toBe(503);
    upstream.writeToAll('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect((await first.response()).status).toBe(200);
    upstream.answer = (_request, socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    expect((await rawRequest(gateway.port, get('/x'))).status).toBe(200);
    expect(upstream.requests.map(({ head }) => head.split(' ')[1])).toEqual(['/first', '/x']);
  });
});
