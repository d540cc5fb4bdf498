/** The authorizer's answers to each proxy: which headers to write and remove, and how it refuses in each form. */

import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RawConnection, rawRequest, requestHead } from '../support/raw-client.ts';
import {
  ALL_FORMS,
  type Asked,
  AuthorizerStage,
  bearerOf,
  HTTP_FORMS,
  namesIn,
  PUBLIC_ORIGIN,
  question,
  reasonOf,
} from './stage.ts';

let stage: AuthorizerStage;
let bob: string;
beforeAll(async () => {
  stage = await AuthorizerStage.start();
  bob = await stage.gateway.cookie('bob', { roles: ['customer'], email: 'bob@example.com' });
});
afterAll(() => stage[Symbol.asyncDispose]());

const NAVIGATION = ['Sec-Fetch-Mode: navigate', 'Sec-Fetch-Dest: document', 'Accept: text/html'];

describe.each(ALL_FORMS)('%s', (form) => {
  test('answers a permitted request with exactly 200, no body, no-store, token and identity', async () => {
    const answer = await stage.ask(form, { lines: [bob] });
    expect(answer.status).toBe(200);
    expect(answer.body.length).toBe(0);
    // Envoy caches no answer, and over gRPC would write this header into the request.
    expect(answer.headers.get('cache-control')).toBe(form === 'ext-authz-grpc' ? undefined : 'no-store');
    expect(decodeJwt(bearerOf(answer))).toMatchObject({ sub: 'bob', aud: 'app' });
    expect(answer.headers.get('x-user-id')).toBe('bob');
    expect(answer.headers.get('x-user-email')).toBe('bob@example.com');
    expect(answer.headers.get('x-edge')).toBe('yes');
    expect(answer.headers.get('set-cookie')).toBeUndefined();
  });

  test('never answers a refused gRPC call with gRPC’s 200', async () => {
    const answer = await stage.ask(form, { method: 'POST', lines: ['Content-Type: application/grpc', 'TE: trailers'] });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('grpc-status')).toBeUndefined();
  });

  test('promise 1: leaves the upstream all cookies but the session cookie', async () => {
    const id = bob.split('=')[1] as string;
    const answer = await stage.ask(form, { lines: [`${bob}; theme=dark`] });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('cookie')).toBe('theme=dark');
    expect(answer.head).not.toContain(id);
  });

  test('answers 200 without identity or token on a public route', async () => {
    const answer = await stage.ask(form, { target: '/public/a', lines: [bob, 'X-User-Id: mallory'] });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('authorization') ?? '').toBe('');
    expect(answer.headers.get('x-user-id') ?? '').toBe('');
    expect(answer.headers.get('cookie') ?? '').toBe('');
  });

  test('keeps an application’s own Authorization, and puts the token in another header', async () => {
    const answer = await stage.ask(form, { target: '/echo', lines: [bob, 'Authorization: Basic YTpi'] });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('authorization')).toBe('Basic YTpi');
    expect(decodeJwt(answer.headers.get('x-token') ?? '')).toMatchObject({ sub: 'bob' });
  });

  test('redirects a navigation without a session to the login, with its address to return to', async () => {
    const answer = await stage.ask(form, { target: '/orders/7?a=1&b=%C3%A9', lines: NAVIGATION });
    expect(answer.status).toBe(form === 'auth-request' ? 401 : 302);
    const to = new URL(answer.headers.get('location') ?? '');
    expect(to.origin + to.pathname).toBe(`${PUBLIC_ORIGIN}/auth/login`);
    expect(to.searchParams.get('return_to')).toBe('/orders/7?a=1&b=%C3%A9');
  });

  test('answers a program without a session with 401 and a challenge', async () => {
    const answer = await stage.ask(form);
    expect(answer).toMatchObject({ status: 401 });
    expect(reasonOf(answer)).toBe('credential_missing');
    expect(answer.headers.get('www-authenticate')).toContain('Session');
    expect(answer.headers.get('location')).toBeUndefined();
  });

  test('answers a user without the role with 403 and the reason', async () => {
    const answer = await stage.ask(form, { target: '/admin', lines: [bob] });
    expect(answer.status).toBe(403);
    expect(reasonOf(answer)).toBe('route_forbidden');
    expect(answer.headers.get('authorization')).toBeUndefined();
  });

  test('CSRF-01: answers 403 to an unsafe request from another origin, 200 to one from its own', async () => {
    const post = (origin: string): Asked => ({ method: 'POST', lines: [bob, `Origin: ${origin}`] });
    expect(reasonOf(await stage.ask(form, post('https://evil.example')))).toBe('origin_forbidden');
    expect((await stage.ask(form, post(PUBLIC_ORIGIN))).status).toBe(200);
  });

  test('CSRF-17: treats HEAD like GET, and refuses a method that the route does not have', async () => {
    expect((await stage.ask(form, { method: 'HEAD', target: '/read', lines: [bob] })).status).toBe(200);
    const answer = await stage.ask(form, {
      method: 'DELETE',
      target: '/read',
      lines: [bob, `Origin: ${PUBLIC_ORIGIN}`],
    });
    expect(answer.status).toBe(form === 'auth-request' ? 403 : 405);
  });

  test('does not serve the gateway’s endpoints, and the log names the listener that does', async () => {
    const answer = await stage.ask(form, { target: '/auth/session', lines: [bob] });
    expect(answer.status).toBe(form === 'auth-request' ? 403 : 404);
    expect(stage.logged).toMatchObject({ reason: 'route_not_found' });
    expect(stage.logged['note']).toContain('public listener');
  });

  test('never answers a CORS preflight with 2xx, which a proxy would take for a permit', async () => {
    const answer = await stage.ask(form, {
      method: 'OPTIONS',
      target: '/shared',
      lines: ['Origin: https://app.example.com', 'Access-Control-Request-Method: GET'],
    });
    expect(answer.status).toBe(401);
  });

  test('answers 401 from the next question once a session has ended', async () => {
    const id = await stage.gateway.sessionId('zoe');
    const cookie = `Cookie: __Host-sid=${id}`;
    expect((await stage.ask(form, { lines: [cookie] })).status).toBe(200);
    await stage.gateway.gateway.sessions.endAll('zoe', 'operator');
    const answer = await stage.ask(form, { lines: [cookie] });
    expect(answer.status).toBe(401);
    expect(reasonOf(answer)).toBe('session_unknown');
    expect(answer.headers.get('set-cookie')).toContain('__Host-sid=;');
  });

  test('logs the described request and the listener', async () => {
    await stage.ask(form, {
      method: 'POST',
      target: '/orders/7?secret=1',
      lines: [bob, `Origin: ${PUBLIC_ORIGIN}`, 'X-Forwarded-For: 203.0.113.7'],
    });
    expect(stage.logged).toMatchObject({
      authorizer: true,
      route: 'app',
      method: 'POST',
      host: 'shop.example.com',
      path: '/orders/7',
      client: '203.0.113.7',
      status: 200,
      subject: 'bob',
    });
    expect(await stage.gateway.metrics.text()).toMatch(
      /http_requests_total\{route="app",method="POST",code_class="2xx"\} [1-9]/,
    );
  });
});

test.each(HTTP_FORMS)('%s answers several questions on one connection in turn', async (form) => {
  await using connection = await RawConnection.open(stage.port);
  for (const target of ['/public', '/orders', '/public']) {
    connection.write(question(form, { target }));
    expect((await connection.response()).status).toBe(target === '/public' ? 200 : 401);
  }
});

describe('headers to remove', () => {
  const SPOOFED = [
    'X-User-Id: mallory',
    'X_User_Id: mallory',
    'Remote-User: mallory',
    'X-Debug: 1',
    'X-Real-IP: 6.6.6.6',
  ];

  const ENVOY = ['ext-authz', 'ext-authz-grpc'] as const;

  test.each(ENVOY)(
    '%s names headers that the gateway would not forward, and identity headers without a value',
    async (form) => {
      const answer = await stage.ask(form, {
        target: '/public',
        lines: [...SPOOFED, 'Accept: */*', 'X-Request-Id: abc', 'X-Forwarded-For: 203.0.113.7', 'X-Envoy-Peer: a'],
      });
      const names = namesIn(answer, 'x-envoy-auth-headers-to-remove');
      expect(names).toEqual(
        expect.arrayContaining([
          'cookie',
          'authorization',
          'x-user-id',
          'x_user_id',
          'remote-user',
          'x-real-ip',
          'x-token',
        ]),
      );
      for (const kept of ['accept', 'x-request-id', 'x-forwarded-for', 'x-envoy-peer', 'host'])
        expect(names).not.toContain(kept);
      // Over HTTP Envoy replaces only headers that the answer contains.
      for (const name of ['x-user-id', 'authorization', 'cookie'])
        expect(answer.headers.get(name)).toBe(form === 'ext-authz' ? '' : undefined);
    },
  );

  test.each(ENVOY)(
    '%s does not name headers that are written, but names those that the route removes',
    async (form) => {
      const answer = await stage.ask(form, { lines: [bob, ...SPOOFED] });
      const names = namesIn(answer, 'x-envoy-auth-headers-to-remove');
      expect(answer.headers.get('x-user-id')).toBe('bob');
      expect(names).toEqual(expect.arrayContaining(['cookie', 'x-debug', 'x_user_id']));
      for (const written of ['authorization', 'x-user-id', 'x-edge']) expect(names).not.toContain(written);
    },
  );

  test('forward-auth names the same headers in x-sallyport-remove', async () => {
    const answer = await stage.ask('forward-auth', { target: '/public', lines: SPOOFED });
    expect(namesIn(answer, 'x-sallyport-remove')).toEqual(
      expect.arrayContaining(['cookie', 'authorization', 'x-user-id', 'x_user_id', 'remote-user', 'x-real-ip']),
    );
    expect(answer.headers.get('x-user-id')).toBe('');
  });
});

describe('the refusal for nginx', () => {
  test('has the redirect, the document or the page that the gateway itself would send', async () => {
    const navigation = await stage.ask('refusal', { target: '/orders', lines: NAVIGATION });
    expect(navigation.status).toBe(302);
    expect(navigation.headers.get('location')).toBe(`${PUBLIC_ORIGIN}/auth/login?return_to=%2Forders`);
    expect(reasonOf(await stage.ask('refusal'))).toBe('credential_missing');
    const page = await stage.ask('refusal', { target: '/admin', lines: [bob, ...NAVIGATION] });
    expect(page.status).toBe(403);
    expect(page.headers.get('content-type')).toContain('text/html');
    expect((await stage.ask('refusal', { target: '/a//b' })).status).toBe(400);
  });

  test('promise 1: redirects a request that is permitted by now, and discloses no token', async () => {
    const answer = await stage.ask('refusal', { target: '/orders?a=1', lines: [bob] });
    expect(answer.status).toBe(307);
    expect(answer.headers.get('location')).toBe('/orders?a=1');
    expect(answer.headers.get('authorization')).toBeUndefined();
    expect(answer.headers.get('x-user-id')).toBeUndefined();
  });
});

test('auth-request answers 403 to every refusal that nginx does not know', async () => {
  expect((await stage.ask('auth-request', { target: '/a//b' })).status).toBe(403);
  expect((await stage.ask('auth-request', { host: 'other.example' })).status).toBe(403);
  expect((await stage.send(requestHead('GET', '/auth-request', ['Host: x']))).status).toBe(403);
});

test('the public listener does not answer questions', async () => {
  const answer = await rawRequest(stage.gateway.port, question('forward-auth', { lines: [bob] }));
  expect(answer.status).not.toBe(200);
});
