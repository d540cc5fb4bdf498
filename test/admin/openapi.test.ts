/** Compares the OpenAPI document of the admin listener with the listener: every operation, with every documented answer. */

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { ENDPOINTS } from '../../src/admin/endpoints.ts';
import { ADMIN_TOKEN, startInstance, type TestInstance } from '../support/instance.ts';
import { type RawResponse, rawRequest, requestHead } from '../support/raw-client.ts';
import { RedisServer } from '../support/redis.ts';
import { RedisProxy } from '../support/redis-proxy.ts';
import { until } from '../support/until.ts';

type Json = Record<string, unknown>;
type Content = Readonly<Record<string, { readonly schema: Json }>>;

interface Operation {
  readonly security: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly required: boolean }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content: Content }>>;
}

const FILE = new URL('../../docs/reference/admin-api.openapi.yaml', import.meta.url);
const document = parse(readFileSync(FILE, 'utf8')) as {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> };
};
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);

/** Forbids members that the schema does not name, so that everything that the gateway answers is documented. */
function exact(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(exact);
  if (typeof schema !== 'object' || schema === null) return schema;
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, exact(value)]));
  return inner['type'] === 'object' ? { additionalProperties: false, ...inner } : inner;
}

function validator(schema: Json): z.ZodType {
  const { $ref } = schema as { $ref?: string };
  const named = $ref === undefined ? schema : document.components.schemas[$ref.slice('#/components/schemas/'.length)];
  return z.fromJSONSchema(exact(named) as Parameters<typeof z.fromJSONSchema>[0]);
}

function expectDocumented(operation: Operation, status: number, response: RawResponse) {
  expect(response.status).toBe(status);
  const content = operation.responses[status]?.content ?? {};
  const mediaType = response.headers.get('content-type') ?? '';
  expect(Object.keys(content)).toContain(mediaType);
  const text = response.body.toString();
  const value: unknown = /^text\/|openmetrics/.test(mediaType) ? text : JSON.parse(text);
  expect(validator(content[mediaType]!.schema).safeParse(value).error?.issues ?? []).toEqual([]);
  if (mediaType !== 'application/problem+json') return;
  expect(operation.responses[status]?.description).toContain(`\`${(value as { reason: string }).reason}\`: `);
}

const HANDLE = '7PhQ6unHYLMf49FT9ZCzI-_tlKDgcQC9O4nPrUxZOfY';
const LOCAL = 'Host: 127.0.0.1:9090';
const BEARER = `Authorization: Bearer ${ADMIN_TOKEN}`;

interface Change {
  readonly handle?: string;
  readonly query?: string;
  readonly headers?: readonly string[];
  readonly type?: string;
  readonly body?: string;
}

/** Calls an operation as documented, apart from the change. */
function call(instance: TestInstance, { method, path, operation }: (typeof operations)[number], change: Change = {}) {
  const { headers = [LOCAL, ...(operation.security.length > 0 ? [BEARER] : [])], type = 'application/json' } = change;
  const needed = operation.parameters?.find(({ in: place, required }) => place === 'query' && required);
  const { query = needed === undefined ? '' : `?${needed.name}=bob`, body = '{"subject":"bob"}' } = change;
  const sent = operation.requestBody === undefined ? [] : [`Content-Type: ${type}`, `Content-Length: ${body.length}`];
  const head = requestHead(method, path.replace('{handle}', change.handle ?? HANDLE) + query, [...headers, ...sent]);
  return rawRequest(instance.adminPort, operation.requestBody === undefined ? head : head + body);
}

/** How to provoke each refusal that depends on the request alone. */
const CHANGES: Readonly<Record<string, (operation: Operation) => Change>> = {
  400: ({ requestBody }) => (requestBody === undefined ? { query: '' } : { body: '{}' }),
  401: () => ({ headers: [LOCAL] }),
  403: () => ({ headers: [LOCAL, BEARER, 'Origin: http://127.0.0.1:9090'] }),
  404: () => ({ query: '?other=1' }),
  413: () => ({ body: ' '.repeat(33 * 1024) }),
  415: () => ({ type: 'text/plain' }),
  421: () => ({ headers: ['Host: evil.test', 'Accept-Encoding: gzip, deflate', BEARER] }),
};

/** Provoked by separate tests; `/startupz` answers 503 before the public listener is open (`startup.test.ts`). */
const BY_OTHER_MEANS = ['200', '422', '503', 'default'];

test('A6: the document lists exactly the methods and paths of the endpoint table, with their guards', () => {
  const rows = ENDPOINTS.map(({ method, path, takesSegment, guard, parameter, takesBody }) => ({
    name: `${method} ${path}${takesSegment === true ? '{handle}' : ''}`,
    needsToken: guard === 'token',
    query: parameter?.name,
    hasBody: takesBody === true,
  }));
  const documented = operations.map(({ method, path, operation }) => ({
    name: `${method} ${path}`,
    needsToken: operation.security.length > 0,
    query: operation.parameters?.find(({ in: place }) => place === 'query')?.name,
    hasBody: operation.requestBody !== undefined,
  }));
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  expect(documented.toSorted(byName)).toEqual(rows.toSorted(byName));
});

describe.each(operations)('A6: $method $path', (asked) => {
  const { operation } = asked;
  let instance: TestInstance;
  beforeAll(async () => {
    instance = await startInstance();
  });
  afterAll(() => instance[Symbol.asyncDispose]());

  test('succeeds as documented', async () => {
    const { sessions } = instance.instance.localGateway!;
    const { record } = await sessions.open({
      subject: 'bob',
      user: {},
      method: 'password',
      device: 'Firefox on Linux',
    });
    const response = await call(instance, asked, { handle: record.handle });
    expectDocumented(operation, 200, response);
    if (asked.path.startsWith('/api/sessions')) expect(response.body.toString()).toContain(record.handle);
  });

  const refusals = Object.keys(operation.responses).filter((status) => !BY_OTHER_MEANS.includes(status));
  test.each(refusals)('is refused with %s as documented', async (status) => {
    const change = CHANGES[status];
    expect(change).toBeDefined();
    expectDocumented(operation, Number(status), await call(instance, asked, change!(operation)));
  });
});

test('A6: without an admin token, guarded operations are refused as documented', async () => {
  await using instance = await startInstance({ hasNoToken: true });
  for (const asked of operations.filter(({ operation }) => operation.security.length > 0)) {
    expectDocumented(asked.operation, 403, await call(instance, asked));
  }
});

test('A6: a rejected reload is answered as documented', async () => {
  await using instance = await startInstance();
  instance.file.text('sallyport.yaml', 'publicOrigin: 7\n');
  const asked = operations.find(({ path }) => path === '/-/reload')!;
  expectDocumented(asked.operation, 422, await call(instance, asked));
});

test('A6: while Redis is away, operations that need it are answered as documented', async () => {
  await using redis = await RedisServer.start();
  await using proxy = await RedisProxy.start(redis.port);
  await using instance = await startInstance({
    config: {
      store: { redis: { url: proxy.url, connectTimeout: '200ms', commandTimeout: '200ms' } },
      listeners: {
        public: { address: '127.0.0.1:0' },
        admin: { address: '127.0.0.1:0', readyRequires: ['upstreams'] },
      },
    },
  });
  proxy.block();
  const failing = operations.filter(({ path, operation }) => '503' in operation.responses && path.startsWith('/api/'));
  expect(failing).toHaveLength(4);
  for (const asked of failing) expectDocumented(asked.operation, 503, await call(instance, asked));
  // The upstream of the route is away as well.
  const ready = operations.find(({ path }) => path === '/readyz')!;
  await until(async () => (await call(instance, ready)).status === 503, 'it is not ready');
  expectDocumented(ready.operation, 503, await call(instance, ready));
});

test('A6: token revocations accept exactly the bodies that the document allows', async () => {
  await using instance = await startInstance();
  const asked = operations.find(({ path }) => path === '/api/token-revocations')!;
  const schema = validator(asked.operation.requestBody!.content['application/json']!.schema);
  const bodies = [
    { jti: 'one' },
    { jti: 'one', issuer: 'https://a', exp: 2_000_000_000 },
    { jti: 'one', lifetimeSec: 60 },
    { session: HANDLE },
    { subject: 'bob', issuer: 'https://a', lifetimeSec: 60 },
    {},
    { jti: '' },
    { jti: 'one', exp: 2_000_000_000_000 },
    { jti: 'one', exp: 2_000_000_000, lifetimeSec: 60 },
    { session: 'bob' },
    { session: HANDLE, issuer: 'https://a' },
    { jti: 'one', subject: 'bob' },
  ];
  const answers = new Set<number>();
  for (const body of bodies) {
    const { status } = await call(instance, asked, { body: JSON.stringify(body) });
    expect([body, status]).toEqual([body, schema.safeParse(body).success ? 200 : 400]);
    answers.add(status);
  }
  expect([...answers]).toEqual([200, 400]);
});
