/**
 * gRPC through the gateway, with the clients and servers of @grpc/grpc-js: on the listener for clients, and between two workloads,
 * each behind its own gateway.
 */

import {
  Metadata,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { outboundSection } from '../outbound/stage.ts';
import { type GatewayOptions, PUBLIC_ORIGIN, startGateway, type TestGateway } from '../support/gateway.ts';
import { type EchoClient, echoClient, GrpcServer, outcomeOf } from '../support/http2/grpc.ts';
import { CertificateFiles, TestAuthority } from '../support/issuers/certificates.ts';
import { freePort } from '../support/ports.ts';
import { BUSY_MS, until } from '../support/until.ts';

type Unary = ServerUnaryCall<Buffer, Buffer>;
type Duplex = ServerDuplexStream<Buffer, Buffer>;

const bytes = (text: string) => Buffer.from(text);

/** The metadata of each call says what the service does. */
class EchoService {
  /** Metadata of the last call. */
  metadata = new Metadata();
  deadlineMs = 0;
  cancelled = 0;
  isHolding = false;
  calls = 0;

  readonly implementation = {
    unary: (call: Unary, callback: sendUnaryData<Buffer>) => {
      this.#note(call);
      if (this.isHolding) return;
      const trailer = new Metadata();
      for (const value of call.metadata.get('x-trailer')) trailer.set('x-trailer', value);
      const code = Number(call.metadata.get('x-code')[0] ?? 0);
      if (code !== 0) callback({ code, details: 'Straße, 100 %', metadata: trailer });
      else callback(null, Buffer.concat([bytes('echo '), call.request]), trailer);
    },
    serverStream: (call: ServerWritableStream<Buffer, Buffer>) => {
      this.#note(call);
      const count = Number(call.request.toString());
      const send = (from: number) => {
        for (let at = from; at < count; at += 1) {
          if (call.write(bytes(`message ${at}`))) continue;
          call.once('drain', () => send(at + 1));
          return;
        }
        if (!this.isHolding) call.end();
      };
      send(0);
    },
    clientStream: (call: ServerReadableStream<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => {
      this.#note(call);
      let count = 0;
      call.on('data', () => {
        count += 1;
      });
      call.on('end', () => callback(null, bytes(`${count}`)));
    },
    duplex: (call: Duplex) => {
      this.#note(call);
      if (call.metadata.get('x-speaks-first').length > 0) call.write(bytes('hello'));
      call.on('data', (message: Buffer) => {
        if (message.toString() === 'break') call.emit('error', { code: status.DATA_LOSS, details: 'broken' });
        else call.write(message);
      });
      call.on('end', () => call.end());
    },
  };

  #note(call: {
    metadata: Metadata;
    getDeadline(): Date | number;
    on(event: 'cancelled', listener: () => void): unknown;
  }) {
    this.calls += 1;
    this.metadata = call.metadata;
    this.deadlineMs = Number(call.getDeadline());
    call.on('cancelled', () => {
      this.cancelled += 1;
    });
  }
}

interface Way {
  readonly service: EchoService;
  readonly client: EchoClient;
  readonly gateways: readonly TestGateway[];
  close(): Promise<void>;
}

const ROUTES = [{ id: 'echo', match: { host: '*', path: '/test.Echo' }, credential: 'none' }];
const LISTENERS = { public: { address: '127.0.0.1:0', http2: true }, admin: { address: '127.0.0.1:0' } };

/** A client, the gateway of the service, and the service. */
async function throughOne({ routes = ROUTES, config = {} }: GatewayOptions = {}): Promise<Way> {
  const service = new EchoService();
  const server = await GrpcServer.start(service.implementation);
  const gateway = await startGateway({ routes, upstream: server.origin, config: { listeners: LISTENERS, ...config } });
  const client = echoClient(gateway.port, 'shop.example.com');
  const close = async () => {
    client.close();
    await gateway[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  };
  return { service, client, gateways: [gateway], close };
}

/** The same with TLS on both sides. */
async function throughTls(): Promise<Way> {
  const authority = new TestAuthority();
  const files = new CertificateFiles();
  const server = authority.issue({ names: ['echo.internal'] });
  const edge = authority.issue({ names: ['shop.example.com'] });
  const caFile = files.text('ca.crt', authority.certificate);
  const certificates = [
    { certFile: files.text('edge.crt', edge.certificate), keyFile: files.text('edge.key', edge.key) },
  ];
  const service = new EchoService();
  const echo = await GrpcServer.start(service.implementation, server);
  const gateway = await startGateway({
    routes: ROUTES,
    config: {
      upstreams: { app: { endpoints: [echo.origin], http2: true, tls: { caFile, serverName: 'echo.internal' } } },
      listeners: { ...LISTENERS, public: { ...LISTENERS.public, tls: { certificates } } },
    },
  });
  const client = echoClient(gateway.port, 'shop.example.com', authority.certificate);
  const close = async () => {
    client.close();
    await gateway[Symbol.asyncDispose]();
    await echo[Symbol.asyncDispose]();
    files[Symbol.dispose]();
  };
  return { service, client, gateways: [gateway], close };
}

/** A workload and its gateway; the service and its gateway, which admits only that workload. */
async function throughBothSidecars(): Promise<Way> {
  const port = await freePort();
  const destination = { id: 'echo', match: { host: 'echo.internal' }, upstream: 'echo', token: { service: {} } };
  const far = await startGateway({
    config: {
      upstreams: { app: { endpoints: ['http://127.0.0.1:9'] }, echo: { endpoints: [`h2c://127.0.0.1:${port}`] } },
      outbound: outboundSection([destination], { http2: true }),
    },
  });
  const jwks = await (await fetch(`http://127.0.0.1:${far.port}/.well-known/jwks.json`)).json();
  const near = await throughOne({
    routes: ROUTES.map((route) => ({
      ...route,
      credential: { service: ['mesh'] },
      allow: { subjects: [{ service: 'cart' }] },
    })),
    config: {
      issuers: { mesh: { issuer: PUBLIC_ORIGIN, audience: 'echo', algorithms: ['ES256'], jwks } },
      listeners: { ...LISTENERS, public: { address: `127.0.0.1:${port}`, http2: true } },
    },
  });
  near.client.close();
  const client = echoClient(far.portOf('outbound'), 'echo.internal');
  const close = async () => {
    client.close();
    await far[Symbol.asyncDispose]();
    await near.close();
  };
  return { ...near, client, gateways: [far, ...near.gateways], close };
}

describe.each([
  ['from a client to a service', throughOne, 1_000],
  ['through both sidecars', throughBothSidecars, 10_000],
  ['with TLS on both sides', throughTls, 1_000],
] as const)('gRPC %s', (_name, open, many) => {
  let way: Way;
  beforeAll(async () => {
    way = await open();
  });
  afterAll(() => way.close());

  const unary = (message: string, metadata = new Metadata(), options: { deadline?: number } = {}) =>
    new Promise<{ answer: string | null; code: number; details: string; trailers: Metadata }>((resolve) => {
      let answer: string | null = null;
      const call = way.client.unary(bytes(message), metadata, options, (_error, received) => {
        answer = received?.toString() ?? null;
      });
      void outcomeOf(call).then((outcome) => resolve({ ...outcome, answer }));
    });
  const metadata = (fields: Record<string, string | Buffer>) => {
    const made = new Metadata();
    for (const [name, value] of Object.entries(fields)) made.set(name, value);
    return made;
  };

  test('a unary call is answered with its trailers', async () => {
    const { answer, code, trailers } = await unary('hi', metadata({ 'x-trailer': 'behind' }));
    expect([answer, code, trailers.get('x-trailer')]).toEqual(['echo hi', status.OK, ['behind']]);
  });

  test('a status and its message arrive as the service sent them', async () => {
    const { answer, code, details, trailers } = await unary('hi', metadata({ 'x-code': '9', 'x-trailer': 'why' }));
    expect([answer, code, details, trailers.get('x-trailer')]).toEqual([null, 9, 'Straße, 100 %', ['why']]);
  });

  test('12 kB of text and binary metadata arrive', async () => {
    const big = Buffer.alloc(6_000, 7);
    await unary('hi', metadata({ 'x-text': 'a'.repeat(6_000), 'x-data-bin': big }));
    expect([way.service.metadata.get('x-text'), way.service.metadata.get('x-data-bin')]).toEqual([
      ['a'.repeat(6_000)],
      [big],
    ]);
  });

  test('an empty message and one of 3 MB arrive whole', async () => {
    expect((await unary('')).answer).toBe('echo ');
    const large = 'x'.repeat(3 * 1024 * 1024);
    expect((await unary(large)).answer).toBe(`echo ${large}`);
  });

  test('a stream of many messages from the server arrives in order', async () => {
    const call = way.client.serverStream(bytes(`${many}`));
    const ended = outcomeOf(call);
    let next = 0;
    for await (const message of call) {
      expect((message as Buffer).toString()).toBe(`message ${next}`);
      next += 1;
    }
    expect([next, (await ended).code]).toEqual([many, status.OK]);
  });

  test('a stream of many messages from the client arrives', async () => {
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    const call = way.client.clientStream(new Metadata(), {}, (error, answer) => {
      if (error === null) resolve(answer?.toString());
      else reject(error);
    });
    for (let at = 0; at < many; at += 1) {
      if (!call.write(bytes(`message ${at}`))) await new Promise((drained) => call.once('drain', drained));
    }
    call.end();
    expect(await promise).toBe(`${many}`);
  });

  test('a bidirectional stream alternates, and the server may speak first', async () => {
    const call = way.client.duplex(metadata({ 'x-speaks-first': 'yes' }));
    const ended = outcomeOf(call);
    const received = call[Symbol.asyncIterator]();
    const next = async () => String((await received.next()).value);
    expect(await next()).toBe('hello');
    for (let at = 0; at < 200; at += 1) {
      call.write(bytes(`ping ${at}`));
      expect(await next()).toBe(`ping ${at}`);
    }
    call.end();
    expect((await received.next()).done).toBe(true);
    expect((await ended).code).toBe(status.OK);
  });

  test('an error in the middle of a stream arrives with its status', async () => {
    const call = way.client.duplex();
    const ended = outcomeOf(call);
    call.write(bytes('one'));
    call.once('data', () => call.write(bytes('break')));
    expect(await ended).toMatchObject({ code: status.DATA_LOSS, details: 'broken' });
  });

  test('a client that cancels also cancels the call at the service', async () => {
    const before = way.service.cancelled;
    const call = way.client.duplex();
    const ended = outcomeOf(call);
    call.write(bytes('one'));
    await new Promise((received) => call.once('data', received));
    call.cancel();
    expect((await ended).code).toBe(status.CANCELLED);
    await until(() => way.service.cancelled === before + 1, 'the service is told');
  });

  test('the remaining deadline is passed on and ends the call', async () => {
    way.service.isHolding = true;
    const before = way.service.cancelled;
    way.service.deadlineMs = 0;
    let deadline = 0;
    // Longer each time, until the call reaches the service in time.
    for (let afterMs = 300; way.service.deadlineMs === 0 && afterMs < 60_000; afterMs *= 3) {
      deadline = Date.now() + afterMs;
      const { code } = await unary('hi', new Metadata(), { deadline });
      expect(code).toBe(status.DEADLINE_EXCEEDED);
    }
    way.service.isHolding = false;
    expect(way.service.deadlineMs).toBeGreaterThan(Date.now() - 60_000);
    expect(way.service.deadlineMs).toBeLessThanOrEqual(deadline + BUSY_MS);
    await until(() => way.service.cancelled === before + 1, 'the service is told');
  });

  test('no request is in flight when all calls are over', async () => {
    for (const gateway of way.gateways) {
      await until(
        async () =>
          /sallyport_upstream_requests_in_flight\{upstream="\w+"\} [1-9]/.exec(await gateway.metrics.text()) === null,
        'no request is in flight',
      );
    }
  });
});

describe('when the gateway itself answers', () => {
  const service = new EchoService();
  let server: GrpcServer;
  let hanging: GrpcServer;
  let gateway: TestGateway;
  let client: EchoClient;
  beforeAll(async () => {
    server = await GrpcServer.start(service.implementation);
    hanging = await GrpcServer.start({ ...service.implementation, unary: () => {} });
    gateway = await startGateway({
      routes: [
        { id: 'echo', match: { path: '/test.Echo' }, credential: 'none' },
        { id: 'session', match: { path: '/test.Echo/ServerStream' }, credential: 'session', csrf: 'off' },
        {
          id: 'staff',
          match: { path: '/test.Staff' },
          credential: 'session',
          csrf: 'off',
          allow: { roles: ['staff'] },
        },
        {
          id: 'hangs',
          match: { path: '/test.Hangs' },
          credential: 'none',
          upstream: 'hangs',
          rewrite: { path: '/test.Echo/Unary' },
          timeouts: { firstByte: '50ms' },
        },
        { id: 'down', match: { path: '/test.Down' }, credential: 'none', upstream: 'down' },
        { id: 'small', match: { path: '/test.Small' }, credential: 'none', maxBodyBytes: '10B' },
      ],
      config: {
        listeners: LISTENERS,
        upstreams: {
          app: { endpoints: [server.origin] },
          hangs: { endpoints: [hanging.origin] },
          down: { endpoints: ['h2c://127.0.0.1:1'] },
        },
      },
    });
    client = echoClient(gateway.port, 'shop.example.com');
  });
  afterAll(async () => {
    client.close();
    await gateway[Symbol.asyncDispose]();
    await hanging[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  /** A unary call of any method. */
  const call = (path: string, fields: Record<string, string> = {}, message = 'hi') => {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
    const made = client.makeUnaryRequest(
      path,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      bytes(message),
      metadata,
      () => {},
    );
    return outcomeOf(made);
  };
  const countOf = async (code: string, upstream: string): Promise<number> => {
    const line = `sallyport_upstream_grpc_calls_total{upstream="${upstream}",grpc_code="${code}"} `;
    const text = await gateway.metrics.text();
    return Number(text.slice(text.indexOf(line) + line.length).split('\n', 1)[0]);
  };
  const cookieOf = async (user?: { roles: string[] }) => (await gateway.cookie('bob', user)).replace('Cookie: ', '');

  test('a call without a credential is UNAUTHENTICATED with a reason', async () => {
    const { code, details, trailers } = await call('/test.Echo/ServerStream');
    expect([code, details.split(':')[0]]).toEqual([status.UNAUTHENTICATED, 'credential_missing']);
    expect(trailers.get('x-request-id')[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(gateway.log.records.at(-1)).toMatchObject({ status: 200, grpcStatus: 16, reason: 'credential_missing' });
  });

  test('SES-06: a call with an unknown session is UNAUTHENTICATED, and its cookie is deleted', async () => {
    const { code, trailers } = await call('/test.Echo/ServerStream', { cookie: `__Host-sid=${'a'.repeat(43)}` });
    expect(code).toBe(status.UNAUTHENTICATED);
    expect(String(trailers.get('set-cookie')[0])).toMatch(/^__Host-sid=; /);
  });

  test.each([
    ['that the user may not make', '/test.Staff/Get', status.PERMISSION_DENIED, 'route_forbidden'],
    ['without a route', '/test.Nowhere/Get', status.UNIMPLEMENTED, 'route_not_found'],
    ['whose service does not answer in time', '/test.Hangs/Unary', status.DEADLINE_EXCEEDED, 'upstream_timeout'],
    ['whose service cannot be reached', '/test.Down/Unary', status.UNAVAILABLE, 'upstream_connect_failed'],
    ['that is too large', '/test.Small/Unary', status.RESOURCE_EXHAUSTED, 'body_too_large'],
  ] as const)('a call %s', async (_what, path, expected, reason) => {
    const { code, details } = await call(path, { cookie: await cookieOf() }, 'a message of more than ten bytes');
    expect([code, details.split(':')[0]]).toEqual([expected, reason]);
  });

  test('calls are counted by their final status', async () => {
    const before = await countOf('DEADLINE_EXCEEDED', 'hangs');
    await call('/test.Hangs/Unary');
    expect(await countOf('DEADLINE_EXCEEDED', 'hangs')).toBe(before + 1);
    await call('/test.Echo/Unary');
    expect(await countOf('OK', 'app')).toBeGreaterThan(0);
    expect(await countOf('DATA_LOSS', 'app')).toBe(0);
  });

  test('SES-20: a stream ends with UNAUTHENTICATED when its session is revoked, and at the service, too', async () => {
    const before = service.cancelled;
    const sessionId = await gateway.sessionId();
    const metadata = new Metadata();
    metadata.set('cookie', `__Host-sid=${sessionId}`);
    service.isHolding = true;
    const stream = client.serverStream(bytes('3'), metadata);
    const ended = outcomeOf(stream);
    let count = 0;
    await new Promise<void>((resolve) => {
      stream.on('data', () => {
        count += 1;
        if (count === 3) resolve();
      });
    });
    service.isHolding = false;
    await gateway.gateway.sessions.endAll('bob', 'operator');
    const { code, details } = await ended;
    expect([code, details.split(':')[0]]).toEqual([status.UNAUTHENTICATED, 'session_unknown']);
    await until(() => service.cancelled === before + 1, 'the service is told');
  });
});
