/** A gateway with an authorizer, asked by a proxy over raw TCP. */

import { expect } from 'vitest';
import { type GatewayOptions, PUBLIC_ORIGIN, startGateway, type TestGateway } from '../support/gateway.ts';
import { type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { attributesOf, CheckClient, headersOf, type Response } from './grpc/client.ts';

/** The request that a question is about. */
export interface Asked {
  readonly method?: string;
  readonly host?: string;
  /** Path and query. */
  readonly target?: string;
  /** Header lines of the client. */
  readonly lines?: readonly string[];
}

/** The forms in which a whole question can be asked about any request. */
export const HTTP_FORMS = ['forward-auth', 'auth-request', 'ext-authz'] as const;
/** The same, and gRPC. */
export const ALL_FORMS = [...HTTP_FORMS, 'ext-authz-grpc'] as const;
type HttpForm = (typeof HTTP_FORMS)[number] | 'refusal';
export type AskedForm = HttpForm | 'ext-authz-grpc';

const ROUTES: NonNullable<GatewayOptions['routes']> = [
  { id: 'public', match: { path: '/public' }, credential: 'none' },
  { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { roles: ['admin'] } },
  { id: 'echo', match: { path: '/echo' }, credential: 'session', passAuthorization: true, tokenHeader: 'X-Token' },
  { id: 'optional', match: { path: '/optional' }, credential: { session: 'optional' } },
  { id: 'socket', match: { path: '/socket' }, credential: 'session', webSocket: true },
  { id: 'read', match: { path: '/read', methods: ['GET'] }, credential: 'session', webSocket: false },
  { id: 'shared', match: { path: '/shared' }, credential: 'session', cors: { origins: ['https://app.example.com'] } },
  {
    id: 'app',
    match: { path: '/' },
    credential: 'session',
    identityHeaders: { 'X-User-Id': 'subject', 'X-User-Email': 'user.email' },
    requestHeaders: { set: { 'X-Edge': 'yes' }, remove: ['X-Debug'] },
  },
];

/** The head of a question. */
export function question(form: HttpForm, asked: Asked = {}): string {
  const { method = 'GET', host = 'shop.example.com', target = '/orders?a=1', lines = [] } = asked;
  if (form === 'ext-authz') return requestHead(method, `/ext-authz${target}`, [`Host: ${host}`, ...lines]);
  const own =
    form === 'forward-auth'
      ? [`X-Forwarded-Method: ${method}`, `X-Forwarded-Host: ${host}`, `X-Forwarded-Uri: ${target}`]
      : [`X-Original-Method: ${method}`, `X-Original-URL: https://${host}${target}`];
  const path = form === 'refusal' ? '/auth-request/refusal' : `/${form}`;
  return requestHead('GET', path, ['Host: 127.0.0.1', ...own, ...lines]);
}

export class AuthorizerStage implements AsyncDisposable {
  readonly gateway: TestGateway;
  readonly #clients = new Map<number, CheckClient>();

  private constructor(gateway: TestGateway) {
    this.gateway = gateway;
  }

  static async start(
    { config = {}, grpc = {}, ...options }: GatewayOptions & { readonly grpc?: Record<string, unknown> } = {},
    peers = ['127.0.0.0/8'],
  ): Promise<AuthorizerStage> {
    const listeners = {
      public: { address: '127.0.0.1:0' },
      admin: { address: '127.0.0.1:0' },
      authorizer: { address: '127.0.0.1:0', peers },
      grpcAuthorizer: { address: '127.0.0.1:0', peers, ...grpc },
    };
    return new AuthorizerStage(await startGateway({ routes: ROUTES, ...options, config: { listeners, ...config } }));
  }

  get port(): number {
    return this.gateway.portOf('authorizer');
  }

  /** Asks, over HTTP on a new connection. */
  async ask(form: AskedForm, asked: Asked = {}): Promise<RawResponse> {
    if (form !== 'ext-authz-grpc') return this.send(question(form, asked));
    const { target: path = '/orders?a=1', lines = [], ...others } = asked;
    return asHttp(await this.grpc.ask(attributesOf(lines, { path, ...others }), { from: '198.51.100.1' }));
  }

  /** Asks over gRPC. */
  get grpc(): CheckClient {
    const port = this.gateway.portOf('grpcAuthorizer');
    const client = this.#clients.get(port) ?? new CheckClient(port);
    this.#clients.set(port, client);
    return client;
  }

  send(bytes: string): Promise<RawResponse> {
    return rawRequest(this.port, bytes);
  }

  /** The last line of the access log. */
  get logged(): Record<string, unknown> {
    return this.gateway.log.records.filter(({ msg }) => msg === 'request').at(-1) ?? {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients.values()) client[Symbol.dispose]();
    await this.gateway[Symbol.asyncDispose]();
  }
}

/** A gRPC answer as the equivalent HTTP answer. Only a permit is 200. */
export function asHttp(response: Response): RawResponse {
  const { okResponse, deniedResponse } = response;
  const isAllowed = response.status.code === 0;
  expect([isAllowed, response.httpResponse]).toEqual([isAllowed, isAllowed ? 'okResponse' : 'deniedResponse']);
  const headers = new Map(
    [...headersOf((okResponse ?? deniedResponse)?.headers)].map(([name, values]) => [name, values.join('\n')]),
  );
  if (okResponse !== undefined) headers.set('x-envoy-auth-headers-to-remove', okResponse.headersToRemove.join(','));
  return {
    status: isAllowed ? 200 : (deniedResponse?.status.code ?? 0),
    headers,
    head: JSON.stringify(response),
    body: Buffer.from(deniedResponse?.body ?? ''),
  };
}

/** The reason in a problem document. */
export function reasonOf(answer: RawResponse): string | null {
  if (answer.headers.get('content-type') !== 'application/problem+json' || answer.body.length === 0) return null;
  return (JSON.parse(answer.body.toString()) as { reason: string }).reason;
}

/** The token in an answer. */
export function bearerOf(answer: RawResponse): string {
  const [, token = ''] = /^Bearer (\S+)$/.exec(answer.headers.get('authorization') ?? '') ?? [];
  expect(token).not.toBe('');
  return token;
}

/** The names in a list header. */
export const namesIn = (answer: RawResponse, header: string): string[] =>
  (answer.headers.get(header) ?? '').split(',').filter((name) => name !== '');

export { PUBLIC_ORIGIN };
