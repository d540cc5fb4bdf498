/**
 * A gateway with a token endpoint and three clients, each with a different kind of credential, and an upstream that
 * shows which token it got. Requests are raw bytes.
 */

import { randomUUID } from 'node:crypto';
import { createLocalJWKSet, exportJWK, generateKeyPair, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { type Clocks, systemClocks } from '../../../src/lib/clock.ts';
import type { UserAttributes } from '../../../src/store/session-record.ts';
import { type GatewayOptions, HOST, startGateway, type TestGateway } from '../../support/gateway.ts';
import { TokenAuthority } from '../../support/issuers/token-authority.ts';
import { type RawResponse, rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { Files } from '../login/fixture.ts';

export const ISSUER = 'https://shop.example.com';
export const TOKEN_URL = `${ISSUER}/auth/token`;
/** The secret of the client `orders`. It contains every character that form encoding changes. */
export const SECRET = 'a secret: of 32+ characters & 100 % "ü"';

export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
export const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';
export const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
export const FORM = 'Content-Type: application/x-www-form-urlencoded';

/** As in RFC 6749 §2.3.1: each part form-encoded, then base64 of both. */
export const basic = (id: string, secret: string): string => {
  const encode = (part: string) => new URLSearchParams({ '': part }).toString().slice(1);
  return `Authorization: Basic ${Buffer.from(`${encode(id)}:${encode(secret)}`).toString('base64')}`;
};
export const AS_ORDERS = basic('orders', SECRET);

export interface TokenStageOptions extends Pick<GatewayOptions, 'auditOutput'> {
  readonly config?: Record<string, unknown>;
  /** Issuers beside `cluster`. */
  readonly issuers?: Record<string, unknown>;
  /** Keys that override those of the fixture's section. */
  readonly tokenEndpoint?: Record<string, unknown>;
  /** Keys that override those of the fixture's clients. */
  readonly clients?: Record<string, Record<string, unknown>>;
  readonly clocks?: Clocks;
}

export class TokenStage implements AsyncDisposable {
  readonly gateway: TestGateway;
  readonly upstream: RecordingUpstream;
  /** Issuer of service tokens; `reports` is its `system:serviceaccount:shop:reports`. */
  readonly cluster: TokenAuthority;
  readonly clocks: Clocks;
  readonly #disposables: AsyncDisposableStack;
  readonly #key: CryptoKey;

  private constructor(
    gateway: TestGateway,
    parts: { upstream: RecordingUpstream; cluster: TokenAuthority; key: CryptoKey; clocks: Clocks },
    disposables: AsyncDisposableStack,
  ) {
    this.gateway = gateway;
    this.upstream = parts.upstream;
    this.cluster = parts.cluster;
    this.clocks = parts.clocks;
    this.#key = parts.key;
    this.#disposables = disposables;
  }

  static async start(options: TokenStageOptions = {}): Promise<TokenStage> {
    await using opened = new AsyncDisposableStack();
    const { config = {}, issuers = {}, tokenEndpoint = {}, clients = {}, clocks = systemClocks } = options;
    const files = opened.use(new Files());
    const upstream = opened.use(await RecordingUpstream.start());
    const cluster = opened.use(await TokenAuthority.create());
    const { publicKey, privateKey: key } = await generateKeyPair('ES256');
    const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'stock-1', alg: 'ES256', use: 'sig' }] };
    const gateway = await startGateway({
      ...(options.auditOutput && { auditOutput: options.auditOutput }),
      upstream: upstream.origin,
      clocks,
      routes: [
        { id: 'orders', match: { path: '/orders' }, credential: 'session', audience: 'orders' },
        { id: 'cart', match: { path: '/cart' }, credential: 'session', audience: 'cart' },
      ],
      config: {
        upstreamToken: { claims: { roles: 'user.roles', email: 'user.email' } },
        issuers: { cluster: cluster.config, ...issuers },
        tokenEndpoint: {
          clients: {
            orders: {
              clientSecretFile: await files.write('orders-secret', `${SECRET}\n`),
              exchange: { stock: { scopes: ['stock:read', 'stock:write'] }, billing: { scopes: ['bill:read'] } },
              serviceTokens: { stock: { scopes: ['stock:read'] } },
              ...clients['orders'],
            },
            stock: {
              jwksFile: await files.write('stock.jwks.json', JSON.stringify(jwks)),
              exchange: { billing: { scopes: ['bill:read', 'stock:read'] } },
              serviceTokens: { billing: { scopes: ['bill:read'] }, orders: {} },
              ...clients['stock'],
            },
            reports: {
              service: { issuer: 'cluster', subjects: ['system:serviceaccount:shop:reports'] },
              subject: 'system:serviceaccount:shop:reports',
              serviceTokens: { billing: {} },
              ...clients['reports'],
            },
          },
          ...tokenEndpoint,
        },
        ...config,
      },
    });
    opened.use(gateway);
    return new TokenStage(gateway, { upstream, cluster, key, clocks }, opened.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposables.disposeAsync();
  }

  /** Sends a form to the token endpoint. */
  token(form: Record<string, string> | string, ...headers: readonly string[]): Promise<RawResponse> {
    const body = typeof form === 'string' ? form : new URLSearchParams(form).toString();
    return this.send('POST', '/auth/token', [FORM, ...headers], body);
  }

  send(method: string, path: string, headers: readonly string[], body = ''): Promise<RawResponse> {
    const head = requestHead(method, path, [HOST, `Content-Length: ${Buffer.byteLength(body)}`, ...headers]);
    return rawRequest(this.gateway.port, Buffer.concat([Buffer.from(head, 'latin1'), Buffer.from(body)]));
  }

  /** The form of an exchange. */
  exchangeForm(subjectToken: string, over: Record<string, string> = {}): Record<string, string> {
    return {
      grant_type: EXCHANGE,
      subject_token: subjectToken,
      subject_token_type: ACCESS_TOKEN,
      audience: 'stock',
      ...over,
    };
  }

  /** Exchanges a token as the client `orders`. */
  exchange(subjectToken: string, over: Record<string, string> = {}): Promise<RawResponse> {
    return this.token(this.exchangeForm(subjectToken, over), AS_ORDERS);
  }

  /** Opens a session and returns its Cookie line. */
  cookie(subject = 'bob', user: UserAttributes = { roles: ['customer'], email: 'bob@example.com' }): Promise<string> {
    return this.gateway.cookie(subject, user);
  }

  /** The upstream token that the service behind a path gets with a request of a session. */
  async upstreamToken(cookie: string, path = '/orders'): Promise<string> {
    const response = await this.send('GET', path, [cookie]);
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    return this.upstream.last.values('authorization')[0]?.replace('Bearer ', '') ?? '';
  }

  /** The token of a new session, as the client `orders` receives it. */
  async userToken(subject?: string): Promise<string> {
    return this.upstreamToken(await this.cookie(subject));
  }

  /** The claims of a token, verified with the keys that the gateway publishes. */
  async verified(token: string): Promise<JWTPayload> {
    const jwks = JSON.parse((await this.send('GET', '/.well-known/jwks.json', [])).body.toString());
    const { payload } = await jwtVerify(token, createLocalJWKSet(jwks), {
      issuer: ISSUER,
      currentDate: new Date(this.clocks.wallMs()),
    });
    return payload;
  }

  /** A client assertion of `stock`. @param claims override the usual ones; `undefined` removes one */
  assertion(claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}): Promise<string> {
    const nowSec = Math.floor(this.clocks.wallMs() / 1_000);
    const payload = {
      iss: 'stock',
      sub: 'stock',
      aud: TOKEN_URL,
      iat: nowSec,
      exp: nowSec + 60,
      jti: randomUUID(),
      ...claims,
    };
    return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: 'stock-1', ...header }).sign(this.#key);
  }

  /** Parameters that authenticate `stock`. */
  async asStock(claims: Record<string, unknown> = {}): Promise<Record<string, string>> {
    return { client_assertion_type: JWT_BEARER, client_assertion: await this.assertion(claims) };
  }

  /** The audit events of one kind. */
  events(name: string): Record<string, unknown>[] {
    return this.gateway.audit.records.filter((record) => record['event'] === name);
  }

  async metric(series: string): Promise<number> {
    const line = (await this.gateway.metrics.text()).split('\n').find((text) => text.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1));
  }
}

export const jsonOf = (response: RawResponse): Record<string, unknown> =>
  JSON.parse(response.body.toString()) as Record<string, unknown>;

/** Status and `error` of an answer. */
export const errorOf = (response: RawResponse): unknown[] => [response.status, jsonOf(response)['error']];

export const accessTokenOf = (response: RawResponse): string => {
  const token = jsonOf(response)['access_token'];
  if (typeof token !== 'string') throw new Error(`no token: ${response.body.toString()}`);
  return token;
};
