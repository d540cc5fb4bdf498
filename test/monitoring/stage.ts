/**
 * A gateway with all of its parts, and everything around it that can break: a real Redis, upstreams, an issuer, an identity
 * provider, files. Clients use raw TCP.
 */

import { mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Metadata } from '@grpc/grpc-js';
import { type Clocks, systemClocks } from '../../src/lib/clock.ts';
import { AuditFile } from '../../src/telemetry/audit-file.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { collectNodeMetrics } from '../../src/telemetry/node-metrics.ts';
import { LogSeries } from '../../src/telemetry/series.ts';
import { FORM, JSON_TYPE, PASSWORD, USERS } from '../endpoints/login/fixture.ts';
import { outboundSection } from '../outbound/stage.ts';
import { PlainBrowser } from '../support/browsers/plain-browser.ts';
import { HOST, PUBLIC_ORIGIN } from '../support/gateway.ts';
import { echoClient, GrpcServer, outcomeOf } from '../support/http2/grpc.ts';
import { type InstanceTestOptions, startInstance, type TestInstance } from '../support/instance.ts';
import { TestAuthority } from '../support/issuers/certificates.ts';
import { ecKeyPair, es256, forge, publicJwk } from '../support/issuers/forger.ts';
import { answering, KeyServer } from '../support/issuers/key-server.ts';
import { HostileProvider } from '../support/providers/hostile-provider.ts';
import { RawConnection, type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RecordingUpstream } from '../support/recording-upstream.ts';
import { RedisServer } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { counted } from '../support/telemetry/counted.ts';
import { until } from '../support/until.ts';

const DAY_MS = 86_400_000;
const ORDERS_SECRET = 'a-secret-of-thirty-two-characters-or-more';
const ISSUER = 'https://cluster.example';
/** Enough for everything except the test that exceeds it. */
export const MAX_CONNECTIONS = 150;

/** The clocks of the machine, which can also jump ahead. */
class JumpingClocks implements Clocks {
  #aheadMs = 0;
  readonly wallMs = (): number => systemClocks.wallMs() + this.#aheadMs;
  readonly monotonicMs = (): number => systemClocks.monotonicMs() + this.#aheadMs;

  advance(ms: number): void {
    this.#aheadMs += ms;
  }
}

/** What a reload changes; everything else stays the same. */
export interface StageChanges {
  readonly maxQueueDelay?: string;
  readonly onAuditFailure?: 'serve' | 'refuse';
  /** Makes the configuration invalid. */
  readonly isBroken?: boolean;
}

export class MonitoredStage implements AsyncDisposable {
  readonly clocks = new JumpingClocks();
  readonly authority = new TestAuthority();
  readonly redis: RedisServer;
  readonly proxy: RedisProxy;
  readonly app: RecordingUpstream;
  readonly keys: KeyServer;
  readonly provider: HostileProvider;
  /** Behind the route `stock`; `null` while it is down. */
  stock: RecordingUpstream | null;
  readonly #stockPort: number;
  readonly #key = ecKeyPair();
  readonly #grpc: GrpcServer;
  #instance: TestInstance | null = null;
  #replaced: RedisServer | null = null;

  private constructor(parts: {
    redis: RedisServer;
    proxy: RedisProxy;
    app: RecordingUpstream;
    stock: RecordingUpstream;
    keys: KeyServer;
    provider: HostileProvider;
    grpc: GrpcServer;
  }) {
    this.redis = parts.redis;
    this.proxy = parts.proxy;
    this.app = parts.app;
    this.keys = parts.keys;
    this.provider = parts.provider;
    this.stock = parts.stock;
    this.#stockPort = Number(new URL(parts.stock.origin).port);
    this.#grpc = parts.grpc;
  }

  static async start(): Promise<MonitoredStage> {
    const redis = await RedisServer.start();
    const [proxy, app, stock, keys, provider, grpc] = await Promise.all([
      RedisProxy.start(redis.port),
      RecordingUpstream.start(),
      RecordingUpstream.start(),
      KeyServer.start(answering({ keys: [] })),
      HostileProvider.start(),
      GrpcServer.start({
        unary: (_call: unknown, callback: (error: null, answer: Buffer) => void) => callback(null, Buffer.from('ok')),
      }),
    ]);
    const stage = new MonitoredStage({ redis, proxy, app, stock, keys, provider, grpc });
    stage.publishKeys();
    await stage.#open();
    return stage;
  }

  /** The directory of the signing keys. */
  get keyDirectory(): string {
    return join(this.redis.directory, 'keys');
  }

  get instance(): TestInstance {
    if (this.#instance === null) throw new Error('not started');
    return this.#instance;
  }

  async #open(): Promise<void> {
    let lost = (_count: number) => {};
    const options = this.#options({});
    mkdirSync(this.keyDirectory);
    const auditFile = new AuditFile(join(this.redis.directory, 'audit.log'), createLog('error', { write: () => {} }), {
      onLost: (count: number) => lost(count),
      onRestored: () => {},
    });
    const instance = await startInstance({ ...options, clocks: this.clocks, auditOutput: auditFile });
    collectNodeMetrics(instance.metrics);
    const { linesLost } = new LogSeries(instance.metrics);
    lost = (count) => linesLost.inc({ output: 'audit_file' }, count);
    this.#instance = instance;
  }

  #options({ maxQueueDelay = '1m', onAuditFailure = 'serve', isBroken = false }: StageChanges): InstanceTestOptions {
    const upstreamOf = (origin: string) => ({ endpoints: [origin], ejection: { baseDelay: '30s', maxDelay: '30s' } });
    const pair = { certFile: 'grpc.crt', keyFile: 'grpc.key' };
    return {
      files: {
        ...this.#certificate(90, 60),
        'users.yaml': USERS,
        'provider.secret': this.provider.clientSecret,
        'orders.secret': ORDERS_SECRET,
      },
      routes: [
        { id: 'app', match: { path: '/' }, credential: 'session' },
        { id: 'open', match: { path: '/open' }, credential: 'none' },
        { id: 'stock', match: { path: '/stock' }, credential: { service: ['cluster'] }, upstream: 'stock' },
        { id: 'echo', match: { path: '/test.Echo' }, credential: 'none', upstream: 'echo' },
        ...(isBroken ? [{ id: 'app', match: { path: '/twice' }, credential: 'none' }] : []),
      ],
      config: {
        listeners: {
          public: { address: '127.0.0.1:0', http2: true, limits: { maxConnections: MAX_CONNECTIONS, maxQueueDelay } },
          admin: { address: '127.0.0.1:0' },
          grpcAuthorizer: { address: '127.0.0.1:0', peers: ['127.0.0.0/8'], tls: { certificates: [pair] } },
        },
        upstreams: {
          app: upstreamOf(this.app.origin),
          stock: upstreamOf(`http://127.0.0.1:${this.#stockPort}`),
          echo: upstreamOf(this.#grpc.origin),
        },
        store: { redis: { url: this.proxy.url } },
        log: { onAuditFailure },
        upstreamToken: { keys: { directory: this.keyDirectory, rotateEvery: '30d' } },
        login: {
          password: { usersFile: 'users.yaml' },
          throttle: { freeAttemptsPerAddress: 1_000, freeAttemptsPerAccount: 3 },
          oidc: [
            {
              name: 'corporate',
              issuer: this.provider.issuer,
              clientId: this.provider.clientId,
              clientSecretFile: 'provider.secret',
              userinfo: false,
              revalidate: '5m',
            },
          ],
        },
        refresh: { clients: ['native'], grace: '1s' },
        issuers: {
          cluster: {
            issuer: ISSUER,
            jwksUrl: `${this.keys.origin}/jwks`,
            algorithms: ['ES256'],
            fetch: { coolDown: '1s' },
          },
        },
        tokenEndpoint: { clients: { orders: { clientSecretFile: 'orders.secret', serviceTokens: { stock: {} } } } },
        outbound: outboundSection([{ token: { service: {} }, upstream: 'app' }]),
      },
    };
  }

  #certificate(lifetimeDays: number, leftDays: number): Record<string, string> {
    const nowMs = this.clocks.wallMs();
    const { certificate, key } = this.authority.issue({
      names: ['grpc.example.com'],
      notBefore: new Date(nowMs - (lifetimeDays - leftDays) * DAY_MS),
      notAfter: new Date(nowMs + leftDays * DAY_MS),
    });
    return { 'grpc.crt': certificate, 'grpc.key': key };
  }

  /** Writes the configuration and reloads it. @returns the status of the answer: 422 if it is refused */
  async reload(changes: StageChanges = {}): Promise<number> {
    this.instance.file.write(this.#options(changes));
    return this.#reload();
  }

  /** Replaces the certificate and reloads; again if the gateway has read one old and one new file. */
  async certify(lifetimeDays: number, leftDays: number): Promise<void> {
    for (const [name, text] of Object.entries(this.#certificate(lifetimeDays, leftDays))) this.file(name, text);
    const notAfterSec = Math.floor((this.clocks.wallMs() + leftDays * DAY_MS) / 1_000);
    await until(async () => {
      await this.#reload();
      const [, readSec] =
        /^sallyport_tls_certificate_expiry_timestamp_seconds\{.*\} ([\d.e+]+)$/m.exec(await this.scrape()) ?? [];
      return Math.abs(Number(readSec) - notAfterSec) < 3_600;
    }, 'the gateway has read the certificate');
  }

  async #reload(): Promise<number> {
    return (await this.instance.admin('/-/reload', { method: 'POST' })).status;
  }

  /** Writes a file beside the configuration, and reloads. */
  async spoil(name: string, text: string): Promise<void> {
    this.file(name, text);
    await this.#reload();
  }

  /** Writes a file beside the configuration. */
  file(name: string, text: string): void {
    this.instance.file.text(name, text);
  }

  /** Makes the disk of the audit file full. */
  fillAuditDisk(): void {
    const path = join(this.redis.directory, 'audit.log');
    renameSync(path, `${path}.1`);
    symlinkSync('/dev/full', path);
  }

  emptyAuditDisk(): void {
    rmSync(join(this.redis.directory, 'audit.log'));
  }

  /** The metrics as Prometheus gets them. */
  async scrape(): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${this.instance.adminPort}/metrics`);
    return response.text();
  }

  /** The sum of the series of a metric, named without `sallyport_`, that have these labels. */
  count(metric: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    return counted(this.instance.metrics, metric, labels);
  }

  get(path: string, ...lines: readonly string[]): Promise<RawResponse> {
    return rawRequest(this.instance.port, requestHead('GET', path, [HOST, ...lines]));
  }

  post(path: string, body: string, ...lines: readonly string[]): Promise<RawResponse> {
    const length = `Content-Length: ${Buffer.byteLength(body)}`;
    return rawRequest(this.instance.port, requestHead('POST', path, [HOST, length, ...lines]) + body);
  }

  /** Requests on one connection, one after the other. */
  async many(count: number, path: string, ...lines: readonly string[]): Promise<void> {
    const connection = await RawConnection.open(this.instance.port);
    for (let sent = 0; sent < count; sent += 100) {
      const batch = Math.min(100, count - sent);
      connection.write(requestHead('GET', path, [HOST, ...lines]).repeat(batch));
      for (let answered = 0; answered < batch; answered += 1) await connection.response();
    }
    connection.close();
  }

  /** Requests on connections of their own, all at once. */
  async atOnce(count: number, path: string): Promise<void> {
    const connections = await Promise.all(Array.from({ length: count }, () => RawConnection.open(this.instance.port)));
    for (const connection of connections) connection.write(requestHead('GET', path, [HOST]));
    await Promise.all(connections.map((connection) => connection.response()));
    for (const connection of connections) connection.close();
  }

  /** Sends requests at once while every turn of the event loop is slow, so that some of them wait too long. */
  async overwhelm(count: number, path: string): Promise<void> {
    let isOver = false;
    const holdUp = () => {
      const endMs = performance.now() + 5;
      while (performance.now() < endMs);
      if (!isOver) setImmediate(holdUp);
    };
    setImmediate(holdUp);
    await this.atOnce(count, path).finally(() => {
      isOver = true;
    });
  }

  logIn(username: string, password = PASSWORD, more: object = {}): Promise<RawResponse> {
    return this.post('/auth/login', JSON.stringify({ username, password, ...more }), JSON_TYPE);
  }

  refresh(token: unknown): Promise<RawResponse> {
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: String(token) });
    return this.post('/auth/refresh', body.toString(), FORM);
  }

  /** Attempts a login at the identity provider. */
  async logInThere(): Promise<number> {
    const browser = new PlainBrowser({ origins: { [PUBLIC_ORIGIN]: this.instance.port }, nowMs: this.clocks.wallMs });
    return (await browser.open(`${PUBLIC_ORIGIN}/auth/login?provider=corporate&return_to=/`)).status;
  }

  /** Lets the issuer answer with its keys. */
  publishKeys(): void {
    this.keys.behaviour = answering({ keys: [publicJwk(this.#key, { kid: 'one', alg: 'ES256', use: 'sig' })] });
  }

  /** A call of a service. @param kid  of the key that its token names */
  callAsService(kid = 'one', more: object = {}): Promise<RawResponse> {
    const nowSec = Math.floor(this.clocks.wallMs() / 1_000);
    const claims = { iss: ISSUER, sub: 'cart', aud: PUBLIC_ORIGIN, iat: nowSec, exp: nowSec + 300, ...more };
    const token = forge({ alg: 'ES256', typ: 'JWT', kid }, claims, es256(this.#key));
    return this.get('/stock', `Authorization: Bearer ${token}`);
  }

  /** Ends Redis, and waits until the gateway has noticed. */
  async loseRedis(): Promise<void> {
    await this.redis.kill();
    await until(async () => (await this.count('store_up')) === 0, 'the gateway misses its store');
  }

  /** Starts another Redis in its place, which is empty. */
  async replaceRedis(): Promise<void> {
    this.#replaced = await RedisServer.start({ port: this.redis.port });
    await until(async () => (await this.count('store_up')) === 1, 'the gateway has a store again');
  }

  /** Stops the service behind the route `stock`. */
  async stopStock(): Promise<void> {
    await this.stock?.[Symbol.asyncDispose]();
    this.stock = null;
  }

  async startStock(): Promise<void> {
    this.stock = await RecordingUpstream.start(undefined, this.#stockPort);
  }

  /** Every kind of successful request. */
  async goodTraffic(): Promise<void> {
    const login = await this.logIn('alice', PASSWORD, { refresh: 'native' });
    const cookie = `Cookie: ${/__Host-sid=[\w-]+/.exec(login.headers.get('set-cookie') ?? '')?.[0]}`;
    await this.many(20, '/page', cookie);
    await this.many(200, '/open', 'X-User-Id: forged');
    await this.callAsService();
    await this.refresh((JSON.parse(login.body.toString()) as Record<string, unknown>)['refresh_token']);
    await this.logInThere();
    const basic = `Authorization: Basic ${btoa(`orders:${ORDERS_SECRET}`)}`;
    await this.post('/auth/token', 'grant_type=client_credentials&audience=stock', FORM, basic);
    const { outbound } = this.instance.instance.addresses;
    await rawRequest(outbound?.port ?? 0, requestHead('GET', '/list', ['Host: orders.internal']));
    await this.#callGrpc();
    await this.post('/auth/logout', '', cookie, `Origin: ${PUBLIC_ORIGIN}`);
  }

  async #callGrpc(): Promise<void> {
    const client = echoClient(this.instance.port, 'shop.example.com');
    await outcomeOf(client.unary(Buffer.from('hello'), new Metadata(), {}, () => {}));
    client.close();
  }

  /** Mistakes of clients: no credential, a bad password, a token of another audience. */
  async badTraffic(): Promise<void> {
    await this.get('/page');
    await this.logIn('bob', 'wrong');
    await this.callAsService('one', { aud: 'https://elsewhere.example.com' });
  }

  /** Ends the gateway. */
  async end(): Promise<void> {
    await this.#instance?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#instance?.[Symbol.asyncDispose]();
    const { stock, keys, provider, app, proxy, redis } = this;
    for (const part of [stock, this.#grpc, keys, provider, app, proxy, redis, this.#replaced])
      await part?.[Symbol.asyncDispose]();
  }
}
