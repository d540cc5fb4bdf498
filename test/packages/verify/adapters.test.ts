import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import {
  createVerifier,
  expressVerify,
  fastifyVerify,
  type GuardOptions,
  type Verifier,
  type VerifyError,
  verifiedTokenOf,
} from '../../../packages/verify/src/index.ts';
import { rawRequest, requestHead } from '../../support/raw-client.ts';
import { AUDIENCE, ISSUER, TestIssuer } from './test-issuer.ts';

let issuer: TestIssuer;
let verifier: Verifier;
beforeAll(async () => {
  issuer = await TestIssuer.start();
  verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, jwksUrl: issuer.jwksUrl, clocks: issuer.clocks });
});
afterAll(() => issuer[Symbol.asyncDispose]());

/** Answers `/orders` with the subject and actor of a valid token, and resolves with the port. */
type Serve = (options: GuardOptions) => Promise<number>;

const serveWithExpress: Serve = async (options) => {
  const app = express();
  app.get('/health', (_request, response) => void response.send('ok'));
  app.use(expressVerify(options));
  app.post('/orders', (request, response) => {
    const { subject, actor } = verifiedTokenOf(request);
    response.json({ subject, actor });
  });
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
};

const serveWithFastify: Serve = async (options) => {
  const app = fastify();
  await app.register((guarded, _options, done) => {
    guarded.register(fastifyVerify, options);
    guarded.post('/orders', async (request) => {
      const { subject, actor } = verifiedTokenOf(request);
      return { subject, actor };
    });
    done();
  });
  app.get('/health', async () => 'ok');
  await app.listen({ port: 0, host: '127.0.0.1' });
  onTestFinished(() => app.close());
  return (app.server.address() as AddressInfo).port;
};

/** Express-style middleware without Express. */
const serveWithNode: Serve = async (options) => {
  const guard = expressVerify(options);
  const server = createServer((request, response) => {
    if (request.url === '/health') return void response.end('ok');
    guard(request, response, (error) => {
      if (error !== undefined) return void response.writeHead(500).end();
      const { subject, actor } = verifiedTokenOf(request);
      response.end(JSON.stringify({ subject, actor }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
};

const post = (port: number, headers: readonly string[], target = '/orders') =>
  rawRequest(port, requestHead('POST', target, ['Host: orders', 'Content-Length: 0', ...headers]));

describe.each([
  ['Express', serveWithExpress],
  ['Fastify', serveWithFastify],
  ['node:http', serveWithNode],
])('with %s', (_name, serve) => {
  test('a handler gets the token of its own request', async () => {
    const port = await serve({ verifier });
    const users = Array.from({ length: 10 }, (_, index) => `user-${index}`);
    const answers = await Promise.all(
      users.map(async (sub) =>
        post(port, [`Authorization: Bearer ${await issuer.token({ sub, act: { sub: `for-${sub}` } })}`]),
      ),
    );
    expect(answers.map(({ body }) => JSON.parse(body.toString()))).toEqual(
      users.map((subject) => ({ subject, actor: `for-${subject}` })),
    );
  });

  test('a request outside the guard needs no token', async () => {
    const port = await serve({ verifier });
    expect((await rawRequest(port, requestHead('GET', '/health', ['Host: orders']))).status).toBe(200);
  });

  test('RFC 6750 §3: a request without a token gets 401 and a challenge without error; onRefused gets the reason', async () => {
    const refused: VerifyError[] = [];
    const port = await serve({ verifier, onRefused: (error) => refused.push(error) });
    const { status, headers, body } = await post(port, []);
    expect(status).toBe(401);
    expect(headers.get('www-authenticate')).toBe('Bearer');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(JSON.parse(body.toString())).toEqual({ type: 'about:blank', title: 'Authentication required', status: 401 });
    expect(refused.map(({ reason }) => reason)).toEqual(['missing']);
  });

  test('every bad token gets the same answer', async () => {
    const refused: VerifyError[] = [];
    const port = await serve({ verifier, onRefused: (error) => refused.push(error) });
    const tokens = [
      await issuer.token({ aud: 'cart' }),
      await issuer.token({ iat: 1_799_990_000, exp: 1_799_990_100 }),
      await issuer.token({}, { kid: 'k9' }),
      'nonsense',
    ];
    const answers = await Promise.all(tokens.map((token) => post(port, [`Authorization: Bearer ${token}`])));
    const bodies = new Set(
      answers.map(({ status, body, headers }) => `${status} ${headers.get('www-authenticate')} ${body}`),
    );
    expect([...bodies]).toEqual([
      '401 Bearer error="invalid_token" {"type":"about:blank","title":"Authentication required","status":401}',
    ]);
    expect(refused.map(({ reason }) => reason).toSorted()).toEqual(['audience', 'expired', 'key', 'malformed']);
  });

  test('two Authorization headers are refused, even when the first is good', async () => {
    const port = await serve({ verifier });
    const line = `Authorization: Bearer ${await issuer.token()}`;
    expect((await post(port, [line, 'Authorization: Bearer other'])).status).toBe(401);
    expect((await post(port, [line])).status).toBe(200);
  });

  test('RFC 6750 §3.1: a good token without a required scope gets 403 with the scope', async () => {
    const port = await serve({ verifier, scopes: ['orders:read', 'orders:write'] });
    const withScopes = async (scope: string) => post(port, [`Authorization: Bearer ${await issuer.token({ scope })}`]);
    const { status, headers } = await withScopes('orders:read orders:writer');
    expect(status).toBe(403);
    expect(headers.get('www-authenticate')).toBe('Bearer error="insufficient_scope", scope="orders:read orders:write"');
    expect((await withScopes('orders:write other orders:read')).status).toBe(200);
  });

  test('unavailable keys give 503 with Retry-After and no challenge', async () => {
    await using down = await TestIssuer.start();
    down.status = 500;
    const lost = createVerifier({ issuer: ISSUER, audience: AUDIENCE, jwksUrl: down.jwksUrl, clocks: down.clocks });
    onTestFinished(() => lost.close());
    const port = await serve({ verifier: lost });
    const { status, headers } = await post(port, [`Authorization: Bearer ${await down.token()}`]);
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('2');
    expect(headers.has('www-authenticate')).toBe(false);
  });

  test('a fault of the verifier gives 500 and lets nobody in', async () => {
    const broken = { ...verifier, verify: () => Promise.reject(new Error('broken')) };
    const port = await serve({ verifier: broken });
    expect((await post(port, [`Authorization: Bearer ${await issuer.token()}`])).status).toBe(500);
  });
});

test('a handler throws if its guard did not run', () => {
  expect(() => verifiedTokenOf({})).toThrow('did not run');
});
