/**
 * H4: clients that offer another protocol with a request are served in the one that they speak. The heads are those that
 * Java 17 (`java.net.http.HttpClient`) and curl 7.88 (`--http2`) send by default, byte for byte except for Host.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { outboundSection } from '../outbound/stage.ts';
import { startInstance, type TestInstance } from '../support/instance.ts';
import { RawConnection } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';

const JAVA = 'HTTP2-Settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA';
const CURL = 'HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA';
const head = (...lines: readonly string[]) => [...lines, '', ''].join('\r\n');

/** By client: a GET and a POST. */
const REQUESTS: Readonly<Record<string, (path: string, host: string) => readonly [get: string, post: string]>> = {
  "Java's HttpClient": (path, host) => {
    const java = (method: string, length: number) =>
      head(
        `${method} ${path} HTTP/1.1`,
        'Connection: Upgrade, HTTP2-Settings',
        `Content-Length: ${length}`,
        `Host: ${host}`,
        JAVA,
        'Upgrade: h2c',
        'User-Agent: Java-http-client/17.0.15',
      );
    return [java('GET', 0), `${java('POST', 5)}hello`];
  },
  'curl --http2': (path, host) => {
    const curl = (method: string, ...more: readonly string[]) =>
      head(
        `${method} ${path} HTTP/1.1`,
        `Host: ${host}`,
        'User-Agent: curl/7.88.1',
        'Accept: */*',
        'Connection: Upgrade, HTTP2-Settings',
        'Upgrade: h2c',
        CURL,
        ...more,
      );
    return [
      curl('GET'),
      `${curl('POST', 'Content-Length: 5', 'Content-Type: application/x-www-form-urlencoded')}hello`,
    ];
  },
  'a client that offers an unknown protocol': (path, host) => {
    const lines = [`Host: ${host}`, 'Connection: Upgrade', 'Upgrade: foo/2, bar'];
    return [
      head(`GET ${path} HTTP/1.1`, ...lines),
      `${head(`POST ${path} HTTP/1.1`, ...lines, 'Content-Length: 5')}hello`,
    ];
  },
};

const LISTENERS = {
  public: { path: '/x', host: 'shop.example.com', status: [200, 200], forwards: true },
  redirect: { path: '/x', host: 'shop.example.com', status: [308, 308], forwards: false },
  outbound: { path: '/x', host: 'orders.internal', status: [200, 200], forwards: true },
  admin: { path: '/livez', host: '127.0.0.1', status: [200, 405], forwards: false },
} as const;

describe('RFC 9110 §7.8: an offer of another protocol', () => {
  let upstream: RecordingUpstream;
  let instance: TestInstance;
  beforeAll(async () => {
    upstream = await RecordingUpstream.start();
    const listener = { address: '127.0.0.1:0' };
    instance = await startInstance({
      upstream: upstream.origin,
      routes: [{ id: 'all', match: { path: '/' }, credential: 'none' }],
      config: {
        listeners: { public: { ...listener }, redirect: { ...listener }, admin: { ...listener } },
        upstreams: { app: { endpoints: [upstream.origin] }, orders: { endpoints: [upstream.origin] } },
        outbound: outboundSection([{ token: { service: {} } }]),
      },
    });
  });
  afterAll(async () => {
    await instance[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  });

  const cases = Object.keys(LISTENERS).flatMap((listener) =>
    Object.keys(REQUESTS).map((client) => [listener as keyof typeof LISTENERS, client] as const),
  );

  test.for(cases)('H4: the %s listener ignores the offer of %s and stays with HTTP/1.1', async ([name, client]) => {
    upstream.reset();
    const { path, host, status, forwards } = LISTENERS[name];
    const address = instance.instance.addresses[name];
    await using connection = await RawConnection.open(address?.port ?? 0);
    const requests = REQUESTS[client]?.(path, host) ?? [];
    for (const [at, request] of requests.entries()) {
      connection.write(request);
      const answer = await connection.response();
      expect([answer.status, answer.headers.get('upgrade')]).toEqual([status[at], undefined]);
    }
    expect(upstream.requests.map(({ body }) => body.toString())).toEqual(forwards ? ['', 'hello'] : []);
    for (const request of upstream.requests) {
      expect([...request.values('upgrade'), ...request.values('http2-settings')]).toEqual([]);
      expect(request.values('connection').join()).not.toMatch(/upgrade|settings/i);
    }
  });
});
