/** The listener for questions over gRPC: connections, TLS, health, reflection, limits, metrics, logs and the drain. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:tls';
import { Client, type ClientUnaryCall, credentials, status } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import { describe, expect, test } from 'vitest';
import { type GatewayOptions, startGateway, type TestGateway } from '../../support/gateway.ts';
import {
  answerOf,
  END_STREAM,
  FRAME,
  frame,
  Http2Client,
  headersFrame,
  post,
  RawHttp2,
  resetFrame,
  uint32,
} from '../../support/http2/client.ts';
import { CertificateFiles, TestAuthority } from '../../support/issuers/certificates.ts';
import { KeyServer } from '../../support/issuers/key-server.ts';
import { TokenAuthority } from '../../support/issuers/token-authority.ts';
import { RawConnection } from '../../support/raw-client.ts';
import { until } from '../../support/until.ts';
import { AuthorizerStage, asHttp, reasonOf } from '../stage.ts';
import { type Attributes, attributesOf, CheckClient, metadataOf, PROTOS } from './client.ts';

const SERVICE = 'envoy.service.auth.v3.Authorization';
const PUBLIC = attributesOf([], { path: '/public' });

/** The head of a call. */
const FIELDS = [...post(CheckClient.method.path), ['te', 'trailers'], ['content-type', 'application/grpc']] as const;
/** The prefix of a gRPC message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;

type Written = Record<string, unknown>;

/** A gateway with a listener for questions over gRPC only. */
const start = (own: Written = {}, { routes, config, ...others }: GatewayOptions = {}, front: Written = {}) =>
  startGateway({
    routes: routes ?? [{ id: 'public', match: { path: '/public' }, credential: 'none' }],
    config: {
      listeners: {
        public: { address: '127.0.0.1:0', ...front },
        admin: { address: '127.0.0.1:0' },
        grpcAuthorizer: { address: '127.0.0.1:0', peers: ['127.0.0.0/8'], ...own },
      },
      ...config,
    },
    ...others,
  });

const portOf = (gateway: TestGateway) => gateway.portOf('grpcAuthorizer');

/** Calls any method of a service with one message, and returns the first answer. */
function call(port: number, proto: string, path: readonly [string, string], request: object) {
  const definition = loadSync(proto, { includeDirs: [PROTOS], keepCase: true, enums: String, defaults: true });
  const method = (definition[path[0]] as unknown as Record<string, MethodDefinition<object, Record<string, unknown>>>)[
    path[1]
  ];
  if (method === undefined) throw new Error(`no ${path.join('/')}`);
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  return new Promise<Record<string, unknown>>((resolve, reject) => {
    const stream = client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize);
    stream.on('data', (message: Record<string, unknown>) => {
      resolve(message);
      stream.cancel();
      client.close();
    });
    stream.on('error', (error) => {
      client.close();
      reject(error);
    });
    stream.write(request);
    stream.end();
  });
}

const health = (port: number, service: string) =>
  call(port, 'grpc/health/v1/health.proto', ['grpc.health.v1.Health', 'Watch'], { service });

test('the health service answers for the process and the service, from any address', async () => {
  await using gateway = await start({ peers: ['192.0.2.1'] });
  for (const service of ['', SERVICE]) expect(await health(portOf(gateway), service)).toEqual({ status: 'SERVING' });
  expect(await health(portOf(gateway), 'other')).toEqual({ status: 'SERVICE_UNKNOWN' });
});

test('reflection is served only if it is configured', async () => {
  const list = (port: number) =>
    call(port, 'grpc/reflection/v1/reflection.proto', ['grpc.reflection.v1.ServerReflection', 'ServerReflectionInfo'], {
      list_services: '*',
    });
  await using open = await start({ reflection: true });
  const { list_services_response: listed } = await list(portOf(open));
  expect((listed as { service: { name: string }[] }).service.map(({ name }) => name)).toEqual(
    expect.arrayContaining([SERVICE, 'grpc.health.v1.Health']),
  );
  await using closed = await start();
  await expect(list(portOf(closed))).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
});

describe('who may ask', () => {
  test('a reload applies to the next question on the same connection', async () => {
    await using gateway = await start();
    using client = new CheckClient(portOf(gateway));
    expect((await client.ask(PUBLIC)).status.code).toBe(0);
    const config = structuredClone(gateway.gateway.config);
    const grpcAuthorizer = { ...config.listeners.grpcAuthorizer, peers: ['192.0.2.1'] };
    await gateway.apply({ ...config, listeners: { ...config.listeners, grpcAuthorizer } as never });
    expect(reasonOf(asHttp(await client.ask(PUBLIC)))).toBe('peer_forbidden');
  });

  test('TLS serves the section’s certificate over ALPN h2, to clients of a listed CA only', async () => {
    using files = new CertificateFiles();
    const [authority, others] = [new TestAuthority(), new TestAuthority('Other')];
    const own = authority.issue({ names: ['localhost'] });
    const caFile = files.text('ca.crt', authority.certificate);
    const tls = { certificates: [files.write('own', own)], clientCertificates: { caFile } };
    await using gateway = await start({ tls });
    expect(gateway.addresses['grpcAuthorizer']?.scheme).toBe('https');
    const ca = Buffer.from(authority.certificate);
    const ask = async (of: TestAuthority | null) => {
      const { key, certificate } = of?.issue({ names: ['envoy'] }) ?? {};
      const secure =
        key === undefined
          ? credentials.createSsl(ca)
          : credentials.createSsl(ca, Buffer.from(key), Buffer.from(certificate ?? ''));
      using client = new CheckClient(portOf(gateway), secure, 'localhost');
      return (await client.ask(PUBLIC)).status.code;
    };
    expect(await ask(authority)).toBe(0);
    await expect(ask(others)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    await expect(ask(null)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    // A replaced certificate is served from the next connection.
    files.write('own', authority.issue({ names: ['localhost'], commonName: 'replaced' }));
    await gateway.apply(gateway.gateway.config);
    const envoy = authority.issue({ names: ['envoy'] });
    const credentialsOf = {
      key: envoy.key,
      cert: envoy.certificate,
      ca: authority.certificate,
      servername: 'localhost',
    };
    const socket = connect({ ...credentialsOf, host: '127.0.0.1', port: portOf(gateway), ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    expect([socket.alpnProtocol, socket.getPeerCertificate().subject.CN]).toEqual(['h2', 'replaced']);
    socket.destroy();
    const metrics = await gateway.metrics.text();
    expect(metrics).toMatch(/tls_certificate_expiry_timestamp_seconds\{certificate="grpcAuthorizer\.0"\} \d/);
    expect(metrics).toMatch(/connections_refused_total\{reason="tls"\} [2-9]/);
  });
});

test('TLS-02: a TLS session of the public listener is not resumed where a client certificate is required', async () => {
  using files = new CertificateFiles();
  const authority = new TestAuthority();
  const certificates = [files.write('own', authority.issue({ names: ['localhost'] }))];
  const clientCertificates = { caFile: files.text('ca.crt', authority.certificate) };
  await using gateway = await start(
    { tls: { certificates, clientCertificates } },
    { ticketKeys: randomBytes(48) },
    { tls: { certificates } },
  );
  const options = { host: '127.0.0.1', servername: 'localhost', ca: authority.certificate } as const;
  const first = connect({ ...options, port: gateway.port });
  const [session] = (await once(first, 'session')) as [Buffer];
  first.destroy();
  const second = connect({ ...options, port: portOf(gateway), session, ALPNProtocols: ['h2'] });
  second.resume().on('error', () => {});
  // In TLS 1.3 the server refuses after the client's side of the handshake.
  await once(second, 'secureConnect');
  expect(second.isSessionReused()).toBe(false);
  await until(
    async () => /connections_refused_total\{reason="tls"\} 1/.test(await gateway.metrics.text()),
    'it is refused',
  );
});

test('TLS-06: a client whose CA was removed cannot make another call on its connection', async () => {
  using files = new CertificateFiles();
  const authority = new TestAuthority();
  const certificates = [files.write('own', authority.issue({ names: ['localhost'] }))];
  const clientCertificates = { caFile: files.text('ca.crt', authority.certificate), mode: 'require' };
  await using gateway = await start({ tls: { certificates, clientCertificates } });
  const { certificate: cert, key } = authority.issue({ commonName: 'envoy' });
  const ca = authority.certificate;
  const socket = connect({ cert, key, ca, servername: 'localhost', port: portOf(gateway), ALPNProtocols: ['h2'] });
  await using client = new Http2Client(connectHttp2('https://localhost', { createConnection: () => socket }));
  await once(client.session, 'remoteSettings');
  const goneAway = once(client.session, 'goaway');
  files.text('ca.crt', new TestAuthority('Another authority').certificate);
  await gateway.apply(gateway.gateway.config);
  await goneAway;
  await until(() => socket.destroyed, 'the connection is closed');
});

describe('limits', () => {
  test('a question over maxMessageBytes is refused', async () => {
    await using gateway = await start({ maxMessageBytes: '4KiB' });
    using client = new CheckClient(portOf(gateway));
    const ask = (bytes: number) => client.ask({ ...PUBLIC, body: 'a'.repeat(bytes) });
    expect((await ask(1_000)).status.code).toBe(0);
    await expect(ask(5_000)).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
  });

  test('connections over limits.maxConnections are closed at once and counted', async () => {
    await using gateway = await start({}, {}, { limits: { maxConnections: 1 } });
    await using first = await RawConnection.open(portOf(gateway));
    await until(() => gateway.gateway.connectionCount() === 1, 'the first is accepted');
    await using second = await RawConnection.open(portOf(gateway));
    expect(await second.remainder()).toHaveLength(0);
    expect(first.isEnded).toBe(false);
    expect(await gateway.metrics.text()).toContain('sallyport_connections_refused_total{reason="limit"} 1\n');
  });

  test('S4: connections of one client are limited, but not those of proxies', async () => {
    const limits = { limits: { maxConnectionsPerClient: 1 } };
    for (const peers of [['192.0.2.1'], ['127.0.0.1']]) {
      await using gateway = await start({ peers }, {}, limits);
      await using first = await RawConnection.open(portOf(gateway));
      await until(() => gateway.gateway.connectionCount() === 1, 'the first is accepted');
      await using second = await RawConnection.open(portOf(gateway));
      if (peers[0] === '127.0.0.1') await until(() => gateway.gateway.connectionCount() === 2, 'so is the second');
      else expect(await second.remainder()).toHaveLength(0);
      expect(first.isEnded).toBe(false);
    }
  });

  test('S4: a client whose connection has closed may open another', async () => {
    await using gateway = await start({ peers: ['192.0.2.1'] }, {}, { limits: { maxConnectionsPerClient: 1 } });
    for (const turn of ['first', 'second']) {
      const connection = await RawConnection.open(portOf(gateway));
      await until(() => gateway.gateway.connectionCount() === 1, `the ${turn} has come`);
      connection.close();
      await until(() => gateway.gateway.connectionCount() === 0, `the ${turn} is gone`);
    }
    expect(await gateway.metrics.text()).toContain('sallyport_connections_refused_total{reason="client"} 0\n');
  });

  test('a connection has memory for many answers, whatever limits.maxConnectionMemory is', async () => {
    await using gateway = await start({}, {}, { limits: { maxConnectionMemory: '1MiB' } });
    // A client that takes no part of any answer but its head.
    const client = connectHttp2(`http://127.0.0.1:${portOf(gateway)}`, { settings: { initialWindowSize: 0 } });
    const question = attributesOf(['sec-fetch-mode: navigate', 'accept: text/html'], { path: '/nowhere' });
    const message = CheckClient.method.requestSerialize({ attributes: { request: { http: question } } });
    const fields = Object.fromEntries(FIELDS);
    const outcomes: string[] = [];
    for (let asked = 1; asked <= 400; asked += 1) {
      const call = client.request(fields).end(Buffer.concat([Buffer.of(0), uint32(message.length), message]));
      call.once('response', () => outcomes.push('answered')).once('error', () => outcomes.push('refused'));
      if (asked % 100 === 0)
        await until(() => outcomes.length === asked || outcomes.includes('refused'), 'all have an answer');
    }
    expect(new Set(outcomes)).toEqual(new Set(['answered']));
    client.destroy();
  });

  test('an HTTP/1.1 connection is not served', async () => {
    await using gateway = await start();
    await using connection = await RawConnection.open(portOf(gateway));
    connection.write('GET /forward-auth HTTP/1.1\r\nHost: x\r\nX-Forwarded-Uri: /public\r\n\r\n');
    expect((await connection.remainder()).toString('latin1')).not.toContain('HTTP/1.1 200');
    using client = new CheckClient(portOf(gateway));
    expect((await client.ask(PUBLIC)).status.code).toBe(0);
  });
});

/** A gateway that waits for an issuer's keys until the test refuses them. */
class Waiting implements AsyncDisposable {
  readonly gateway: TestGateway;
  /** A question that waits. */
  readonly question: Attributes;
  readonly #keys: KeyServer;
  readonly #held: () => void;

  private constructor(gateway: TestGateway, token: string, keys: KeyServer, held: () => void) {
    this.gateway = gateway;
    this.question = attributesOf([`authorization: Bearer ${token}`]);
    this.#keys = keys;
    this.#held = held;
  }

  static async start(): Promise<Waiting> {
    const held: (() => void)[] = [];
    const keys = await KeyServer.start((_request, response) => {
      held.push(() => void response.writeHead(503).end());
    });
    using authority = await TokenAuthority.create();
    const issuers = { billing: { issuer: authority.issuer, jwksUrl: `${keys.origin}/jwks`, algorithms: ['ES256'] } };
    const routes = [{ id: 'app', match: { path: '/' }, credential: { service: ['billing'] } }];
    const gateway = await start({}, { routes, config: { issuers } });
    return new Waiting(gateway, await authority.token(), keys, () => {
      for (const answer of held.splice(0)) answer();
    });
  }

  get inFlight(): number {
    return this.gateway.gateway.requestsInFlight;
  }

  /** Refuses the keys until no question waits for them. */
  release(): Promise<void> {
    return until(() => {
      this.#held();
      return this.inFlight === 0;
    }, 'no question waits');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.#keys[Symbol.asyncDispose]();
  }
}

test('H2-01: calls that are reset at once cost no more than their connection', async () => {
  await using waiting = await Waiting.start();
  const port = portOf(waiting.gateway);
  const message = CheckClient.method.requestSerialize({ attributes: { request: { http: waiting.question } } });
  const data = Buffer.concat([Buffer.of(0), uint32(message.length), message]);
  // At every point: after the head, within the message, after it.
  for (const sent of [0, 3, data.length]) {
    await using client = await RawHttp2.open(port);
    for (let stream = 1; stream < 2_000; stream += 2) {
      const isWhole = sent === data.length;
      const part = frame(FRAME.data, isWhole ? END_STREAM : 0, stream, data.subarray(0, sent));
      client.write(headersFrame(stream, FIELDS, 0), ...(sent === 0 ? [] : [part]), resetFrame(stream));
    }
    client.write(frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
    await until(
      () => client.isEnded || client.of(FRAME.ping).length > 0,
      'the server has read it, or has closed the connection',
    );
  }
  await until(() => waiting.inFlight === 0, 'no question is in progress');
  using other = new CheckClient(port);
  expect(asHttp(await other.ask(attributesOf())).status).toBe(401);
});

describe('questions that wait', () => {
  test('are logged as abandoned and free their place when the proxy cancels', async () => {
    await using waiting = await Waiting.start();
    using client = new CheckClient(portOf(waiting.gateway));
    const cancelOnceItWaits = async (call: ClientUnaryCall) => {
      await until(() => waiting.inFlight === 1, 'it waits');
      call.cancel();
    };
    const abandoned = client.ask(waiting.question, { onCall: (it) => void cancelOnceItWaits(it) });
    await expect(abandoned).rejects.toMatchObject({ code: status.CANCELLED });
    await until(() => waiting.inFlight === 0, 'its place is free');
    expect(waiting.gateway.log.records.filter(({ msg }) => msg === 'request')).toMatchObject([
      { authorizer: true, reason: 'downstream_aborted' },
    ]);
  });

  test('end with DEADLINE_EXCEEDED after their grpc-timeout', async () => {
    await using waiting = await Waiting.start();
    await using client = Http2Client.plain(portOf(waiting.gateway));
    const message = CheckClient.method.requestSerialize({ attributes: { request: { http: waiting.question } } });
    const head = { ...Object.fromEntries(FIELDS), 'grpc-timeout': '300m' };
    const stream = client.begin(head, null);
    stream.end(Buffer.concat([Buffer.of(0), uint32(message.length), message]));
    expect((await answerOf(stream)).headers['grpc-status']).toBe('4');
    await until(() => waiting.inFlight === 0, 'its place is free');
    expect(waiting.gateway.log.records.filter(({ msg }) => msg === 'request')).toMatchObject([
      { authorizer: true, reason: 'downstream_aborted' },
    ]);
  });

  test('RFC 9113 §6.8: finish during a drain, whose GOAWAY names the last one', async () => {
    await using waiting = await Waiting.start();
    const port = portOf(waiting.gateway);
    await using client = await RawHttp2.open(port);
    const message = CheckClient.method.requestSerialize({ attributes: { request: { http: waiting.question } } });
    const call = (stream: number) => [
      headersFrame(stream, FIELDS, 0),
      frame(FRAME.data, END_STREAM, stream, Buffer.concat([Buffer.of(0), uint32(message.length), message])),
    ];
    client.write(...call(1));
    await until(() => waiting.inFlight === 1, 'it waits');
    const drained = waiting.gateway.gateway.drain();
    await until(() => client.of(FRAME.goaway).length > 0, 'the end is announced');
    expect(client.of(FRAME.goaway)[0]?.payload.readUInt32BE(0)).toBe(1);
    client.write(...call(3));
    await waiting.release();
    const { body } = await client.outcome(1);
    const answer = CheckClient.method.responseDeserialize(Buffer.from(body, 'latin1').subarray(PREFIX_BYTES));
    expect(asHttp(answer).status).toBe(503);
    await drained;
    expect(client.of(FRAME.headers, 3)).toEqual([]);
    using other = new CheckClient(port);
    await expect(other.ask(attributesOf())).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });

  test('during shutdown.delay health reports NOT_SERVING, and new questions are still answered', async () => {
    await using gateway = await start({}, { config: { shutdown: { delay: '5m' } } });
    using client = new CheckClient(portOf(gateway));
    expect((await client.ask(PUBLIC)).status.code).toBe(0);
    const drained = gateway.gateway.drain();
    expect(await health(portOf(gateway), SERVICE)).toEqual({ status: 'NOT_SERVING' });
    expect((await client.ask(PUBLIC)).status.code).toBe(0);
    await gateway.gateway.close();
    await drained;
  });
});

test('questions over gRPC are counted, logged and limited like those over HTTP', async () => {
  await using stage = await AuthorizerStage.start({
    config: {
      listeners: {
        public: { address: '127.0.0.1:0', limits: { maxConcurrentRequests: 1 } },
        admin: { address: '127.0.0.1:0' },
        authorizer: { address: '127.0.0.1:0', peers: ['127.0.0.1'] },
        grpcAuthorizer: { address: '127.0.0.1:0', peers: ['127.0.0.1'] },
      },
    },
  });
  await stage.ask('ext-authz', { target: '/public/a' });
  const overHttp = stage.logged;
  await stage.ask('ext-authz-grpc', { target: '/public/a', lines: ['X-Forwarded-For: 127.0.0.1'] });
  const changing = { id: expect.any(String), time: expect.any(String), durationMs: expect.any(Number) };
  expect(stage.logged).toEqual({ ...overHttp, ...changing });
  expect(await stage.gateway.metrics.text()).toContain(
    'sallyport_http_requests_total{route="public",method="GET",code_class="2xx"} 2\n',
  );
});

test('metadata has route, reason and request id, and the subject if the upstream gets it', async () => {
  await using stage = await AuthorizerStage.start();
  const bob = await stage.gateway.cookie('bob', { roles: ['customer'] });
  const asked = async (path: string, lines: readonly string[]) =>
    metadataOf(await stage.grpc.ask(attributesOf(lines, { path })));
  const id = 'x-request-id: 7b0f6c2e';
  expect(await asked('/orders', [bob, id])).toEqual({ route: 'app', request_id: '7b0f6c2e', subject: 'bob' });
  expect(await asked('/echo', [bob, id])).toEqual({ route: 'echo', request_id: '7b0f6c2e' });
  expect(await asked('/admin', [bob, id])).toEqual({
    route: 'admin',
    request_id: '7b0f6c2e',
    reason: 'route_forbidden',
  });
  expect(await asked('/orders', [id])).toEqual({ route: 'app', request_id: '7b0f6c2e', reason: 'credential_missing' });
});
