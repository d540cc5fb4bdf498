/**
 * The recipes for proxies that are not run here, `examples/traefik`, `examples/envoy` and `examples/gateway-api`: the
 * tests do with a request and an answer what the proxy's documentation and source say, configured by the recipe.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import type { RawResponse } from '../../support/raw-client.ts';
import { attributesOf } from '../grpc/client.ts';
import { AuthorizerStage, asHttp, question } from '../stage.ts';

type Headers = Map<string, string>;
const example = (path: string) =>
  parse(readFileSync(join(import.meta.dirname, '../../../examples', path), 'utf8'), { merge: true });

let stage: AuthorizerStage;
let bob: string;
beforeAll(async () => {
  stage = await AuthorizerStage.start();
  bob = (await stage.gateway.cookie('bob', { roles: ['customer'] })).replace('Cookie: ', '');
});
afterAll(() => stage[Symbol.asyncDispose]());

interface Sent {
  readonly method: string;
  readonly target: string;
  /** Lower-case names. */
  readonly headers: Headers;
}

/** A proxy: what it asks, and what it forwards when the answer is 200. */
interface Proxy {
  readonly asks: (request: Sent) => string | Promise<RawResponse>;
  readonly forwards: (request: Sent, answer: RawResponse) => Headers;
}

const lines = (headers: Headers) => [...headers].map(([name, value]) => `${name}: ${value}`);
const without = (headers: Headers, names: Iterable<string>): Headers => {
  const left = new Map(headers);
  for (const name of names) left.delete(name.toLowerCase());
  return left;
};
const picked = (headers: Headers, isPicked: (name: string) => boolean): Headers =>
  new Map([...headers].filter(([name]) => isPicked(name)));

/** traefik v3.7, pkg/middlewares/auth/forward.go: `writeHeader` with `trustForwardHeader: false`, and `ServeHTTP`. */
function traefik(): Proxy {
  const { clean, sallyport } = example('traefik/dynamic.yaml').http.middlewares;
  const removed = Object.entries(clean.headers.customRequestHeaders).flatMap(([name, value]) =>
    value === '' ? [name] : [],
  );
  const { authResponseHeaders, trustForwardHeader, address } = sallyport.forwardAuth;
  expect([trustForwardHeader, new URL(address).pathname]).toEqual([false, '/forward-auth']);
  return {
    asks: ({ method, target, headers }) => {
      const hopByHop = [
        'connection',
        'upgrade',
        'x-forwarded-uri',
        'x-forwarded-method',
        'x-forwarded-host',
        'x-forwarded-for',
      ];
      const left = without(headers, [...removed, ...hopByHop, 'content-length']);
      return question('forward-auth', {
        method,
        target,
        lines: [...lines(left), 'X-Forwarded-For: 203.0.113.7', 'X-Forwarded-Proto: https'],
      });
    },
    forwards: ({ headers }, answer) => {
      const forwarded = without(headers, [...removed, ...authResponseHeaders]);
      for (const name of authResponseHeaders.map((it: string) => it.toLowerCase())) {
        const value = answer.headers.get(name);
        if (value !== undefined) forwarded.set(name, value);
      }
      return forwarded;
    },
  };
}

/**
 * Envoy, by the comments of ext_authz.proto: `allowed_headers`, `disallowed_headers`, `allowed_upstream_headers`,
 * removal.
 */
function envoy(): Proxy {
  const [listener] = example('envoy/envoy.yaml').static_resources.listeners;
  const { http_filters: filters, route_config: routes } = listener.filter_chains[0].filters[0].typed_config;
  const config = filters[0].typed_config;
  expect([config.failure_mode_allow, config.http_service.path_prefix]).toEqual([false, '/ext-authz']);
  const exact = ({ patterns }: { patterns: { exact: string }[] }) => new Set(patterns.map((it) => it.exact));
  const [disallowed, overridden] = [
    exact(config.disallowed_headers),
    exact(config.http_service.authorization_response.allowed_upstream_headers),
  ];
  return {
    asks: ({ method, target, headers }) => {
      const sent = picked(
        without(headers, ['connection', 'upgrade', 'content-length']),
        (name) => !disallowed.has(name),
      );
      return question('ext-authz', {
        method,
        target,
        lines: [...lines(sent), 'x-forwarded-for: 203.0.113.7', 'x-forwarded-proto: https', 'content-length: 0'],
      });
    },
    forwards: ({ headers }, answer) => {
      const forwarded = new Map(headers);
      for (const [name, value] of answer.headers) if (overridden.has(name)) forwarded.set(name, value);
      const removed = (answer.headers.get('x-envoy-auth-headers-to-remove') ?? '').split(',');
      return without(forwarded, [...removed, ...routes.virtual_hosts[0].request_headers_to_remove]);
    },
  };
}

/**
 * Envoy over gRPC, by ext_authz.proto and source/extensions/filters/http/ext_authz: without `allowed_headers` the
 * question has all headers; Envoy sets the answer's headers, then removes those it lists, except Host.
 */
const overGrpc: Proxy = {
  asks: async ({ method, target, headers }) => {
    const own = ['x-forwarded-for: 203.0.113.7', 'x-forwarded-proto: https'];
    return asHttp(await stage.grpc.ask(attributesOf([...lines(headers), ...own], { method, path: target })));
  },
  forwards: ({ headers }, answer) => {
    const removed = new Set((answer.headers.get(REMOVED) ?? '').split(','));
    const written = without(answer.headers as Headers, [REMOVED]);
    return without(new Map([...headers, ...written]), removed);
  },
};
const REMOVED = 'x-envoy-auth-headers-to-remove';

function envoyOverGrpc(): Proxy {
  const { listeners, clusters } = example('envoy/envoy-grpc.yaml').static_resources;
  const { http_filters: filters, route_config: routes } = listeners[0].filter_chains[0].filters[0].typed_config;
  const { grpc_service: service, failure_mode_allow, status_on_error, ...others } = filters[0].typed_config;
  expect([failure_mode_allow, status_on_error.code, service.timeout]).toEqual([false, 'ServiceUnavailable', '5s']);
  // Neither lists of headers nor raw headers.
  expect(Object.keys(others)).toEqual(['@type', 'transport_api_version']);
  const unasked = routes.virtual_hosts[0].routes.filter((it: object) => 'typed_per_filter_config' in it);
  expect(unasked.map(({ match }: { match: object }) => match)).toEqual([
    { prefix: '/auth/' },
    { path: '/.well-known/jwks.json' },
  ]);
  const cluster = clusters.find(({ name }: { name: string }) => name === service.envoy_grpc.cluster_name);
  const [protocol] = Object.values<{ explicit_http_config: object }>(cluster.typed_extension_protocol_options);
  expect(protocol?.explicit_http_config).toEqual({ http2_protocol_options: {} });
  expect(cluster.health_checks[0].grpc_health_check.service_name).toBe('envoy.service.auth.v3.Authorization');
  return overGrpc;
}

function gatewayApiOverGrpc(): Proxy {
  const { protocol, backendRef, ...lists } = example('gateway-api/http-route-grpc.yaml').spec.rules[1].filters[0]
    .externalAuth;
  // An empty list of allowed headers means all of them.
  expect([protocol, backendRef.port, lists]).toEqual(['GRPC', 4181, {}]);
  return overGrpc;
}

/**
 * GEP-1494: sends Host, method, path, Content-Length, Authorization and listed headers; an answer's headers replace.
 */
function gatewayApi(): Proxy {
  const { http } = example('gateway-api/http-route.yaml').spec.rules[1].filters[0].externalAuth;
  const asked = new Set([...http.allowedHeaders, 'authorization']);
  return {
    asks: ({ method, target, headers }) => {
      const sent = picked(headers, (name) => asked.has(name) && !name.startsWith('x-forwarded-'));
      return question('ext-authz', { method, target, lines: [...lines(sent), 'x-forwarded-for: 203.0.113.7'] });
    },
    forwards: ({ headers }, answer) => {
      const forwarded = new Map(headers);
      for (const name of http.allowedResponseHeaders) {
        const value = answer.headers.get(name);
        if (value !== undefined) forwarded.set(name, value);
      }
      return forwarded;
    },
  };
}

const PROXIES = {
  traefik,
  envoy,
  'gateway-api': gatewayApi,
  'envoy over gRPC': envoyOverGrpc,
  'gateway-api over gRPC': gatewayApiOverGrpc,
};

describe.each(Object.entries(PROXIES))('%s', (name, proxyOf) => {
  const proxy = proxyOf();
  const ask = async (target: string, headers: Readonly<Record<string, string>>, method = 'GET') => {
    const request = { method, target, headers: new Map(Object.entries({ accept: '*/*', ...headers })) };
    const asked = proxy.asks(request);
    const answer = await (typeof asked === 'string' ? stage.send(asked) : asked);
    return { answer, forwarded: () => proxy.forwards(request, answer) };
  };

  test('for a session, replaces identity and token of the client and removes the session cookie', async () => {
    const { answer, forwarded } = await ask('/orders?a=1', { cookie: `${bob}; theme=dark`, 'x-user-id': 'admin' });
    expect(answer.status).toBe(200);
    const headers = forwarded();
    expect(headers.get('authorization')).toMatch(/^Bearer ey/);
    expect([headers.get('x-user-id'), headers.get('cookie')]).toEqual(['bob', 'theme=dark']);
    const only = (await ask('/orders', { cookie: bob })).forwarded();
    expect(only.get('cookie') ?? '').toBe('');
  });

  test('on a public route, removes all identity headers of the client', async () => {
    const { answer, forwarded } = await ask('/public', {
      authorization: 'Bearer mallory',
      cookie: bob,
      'x-user-id': 'admin',
    });
    expect(answer.status).toBe(200);
    for (const header of ['authorization', 'cookie', 'x-user-id']) expect(forwarded().get(header) ?? '').toBe('');
  });

  // The Gateway API has no way to remove headers.
  test.each(name === 'gateway-api' ? [] : [name])(
    '%s removes other spellings and other proxies’ identity headers',
    async () => {
      const spoofed = {
        x_user_id: 'admin',
        'x.user.id': 'admin',
        'remote-user': 'admin',
        'x-http-method-override': 'DELETE',
      };
      const { answer, forwarded } = await ask('/public', spoofed);
      expect(answer.status).toBe(200);
      for (const header of Object.keys(spoofed)) expect([header, forwarded().get(header)]).toEqual([header, undefined]);
    },
  );

  test('ignores the client’s headers that describe its request', async () => {
    const lies = {
      'x-forwarded-uri': '/public',
      'x-original-url': 'https://shop.example.com/public',
      'x-forwarded-method': 'GET',
    };
    const { answer } = await ask('/admin', { cookie: bob, ...lies });
    expect(answer.status).toBe(403);
    const unsafe = await ask('/orders', { cookie: bob, origin: 'https://evil.example', ...lies }, 'DELETE');
    expect(unsafe.answer.status).toBe(403);
  });

  test('redirects a navigation to the login, answers a program with 401, and checks a handshake’s origin', async () => {
    expect((await ask('/orders', { 'sec-fetch-mode': 'navigate', accept: 'text/html' })).answer.status).toBe(302);
    expect((await ask('/orders', {})).answer.status).toBe(401);
    const handshake = {
      ...{ cookie: bob, connection: 'Upgrade', upgrade: 'websocket' },
      ...{ 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' },
    };
    const from = (origin: string) => ask('/socket', { ...handshake, origin });
    expect((await from('https://shop.example.com')).answer.status).toBe(200);
    expect((await from('https://evil.example')).answer.status).toBe(403);
  });
});

test('the guide’s manifests fail closed within seconds, and exempt the gateway’s endpoints', () => {
  const guide = readFileSync(join(import.meta.dirname, '../../../docs/how-to/authorize-for-envoy.md'), 'utf8');
  const blocks = [...guide.matchAll(/^```yaml.*\n([\s\S]*?)^```/gm)].flatMap(([, text = '']) =>
    parseAllDocuments(text).map((document) => document.toJS()),
  );
  const providers = blocks.flatMap(({ extensionProviders = [] }) => extensionProviders);
  const settings = providers.map(({ envoyExtAuthzGrpc, envoyExtAuthzHttp }) => envoyExtAuthzGrpc ?? envoyExtAuthzHttp);
  expect(
    settings.map(({ port, failOpen, timeout, statusOnError }) => [port, failOpen, timeout, statusOnError]),
  ).toEqual([
    [4181, false, '5s', '503'],
    [4180, false, '5s', '503'],
  ]);
  const extAuth = blocks.flatMap(({ spec, ...block }) => spec?.extAuth ?? block.extAuth ?? []);
  expect(
    extAuth.map(({ failOpen, statusOnError, grpc, http }) => [
      failOpen,
      statusOnError,
      (grpc ?? http).backendRefs[0].port,
    ]),
  ).toEqual([
    [false, 503, 4181],
    [false, 503, 4180],
  ]);
  const policy = blocks.find(({ kind }) => kind === 'AuthorizationPolicy');
  expect(policy.spec.rules[0].to[0].operation.notPaths).toEqual(['/auth/*', '/.well-known/jwks.json']);
});
