/**
 * The recipes for other proxies, run with the programs themselves: `examples/nginx`, `examples/haproxy`,
 * `examples/caddy`, `examples/apache`. A program that is not installed is skipped, and the run reports that.
 */

import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FORM, FROM_OUR_PAGE, NAVIGATION, PASSWORD, sessionIdIn } from '../../endpoints/login/fixture.ts';
import { HOST, PUBLIC_ORIGIN } from '../../support/gateway.ts';
import { findProgram } from '../../support/programs.ts';
import { RawConnection } from '../../support/raw-client.ts';
import { WebSocketClient } from '../../support/websocket.ts';
import { reasonOf } from '../stage.ts';
import { type Program, RecipeStage } from './stage.ts';

const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

const PROGRAMS: Readonly<Record<string, Program>> = {
  nginx: {
    recipe: 'nginx',
    listens: ['listen 80;', (port) => `listen 127.0.0.1:${port};`],
    places: ['http {', `http { access_log off; ${TEMPORARY.map((kind) => `${kind}_temp_path ${kind};`).join(' ')}`],
    command: (directory) => [
      'nginx',
      ...['-p', directory, '-c', 'nginx.conf', '-e', 'stderr'],
      ...['-g', `daemon off; master_process off; pid ${directory}/pid;`],
    ],
  },
  haproxy: {
    recipe: 'haproxy',
    listens: ['bind :80', (port) => `bind 127.0.0.1:${port}`],
    command: () => ['haproxy', '-f', 'haproxy.cfg'],
  },
  caddy: {
    recipe: 'caddy',
    listens: ['http://shop.example.com:80', (port) => `http://shop.example.com:${port}`],
    command: () => ['caddy', 'run', '--adapter', 'caddyfile', '--config', 'Caddyfile'],
  },
  apache2: {
    recipe: 'apache',
    listens: ['Listen 80', (port) => `Listen 127.0.0.1:${port}`],
    command: (directory) => ['apache2', '-DFOREGROUND', '-d', directory, '-f', join(directory, 'apache.conf')],
  },
};

const OURS = `Origin: ${PUBLIC_ORIGIN}`;

describe.each(Object.entries(PROGRAMS))('%s', (name, program) => {
  const isInstalled = findProgram([name]) !== null;
  let stage: RecipeStage;
  /** The cookie of alice, who has logged in through the proxy. */
  let cookie: string;
  beforeAll(async () => {
    if (!isInstalled) return;
    stage = await RecipeStage.start(program);
    cookie = await logIn();
  });
  afterAll(() => stage?.[Symbol.asyncDispose]());

  async function logIn(): Promise<string> {
    const fields = new URLSearchParams({
      username: 'alice',
      password: PASSWORD,
      return_to: '/orders/7?a=1',
    }).toString();
    const answer = await stage.send('POST', '/auth/login', [...FROM_OUR_PAGE, FORM], fields);
    expect(answer.status).toBe(303);
    expect(new URL(answer.headers.get('location') ?? '', PUBLIC_ORIGIN).href).toBe(`${PUBLIC_ORIGIN}/orders/7?a=1`);
    return `Cookie: __Host-sid=${sessionIdIn(answer)}`;
  }

  const check = (title: string, run: () => Promise<void>) =>
    test(title, async ({ skip }) => {
      if (!isInstalled) return skip(`${name} is not installed: apt-get install ${name}`);
      await run();
    });

  check('redirects a navigation without a session to the login, and back with its query', async () => {
    const answer = await stage.get('/orders/7?a=1', ...NAVIGATION);
    expect(answer.status).toBe(302);
    expect(answer.headers.get('location')).toBe(`${PUBLIC_ORIGIN}/auth/login?return_to=%2Forders%2F7%3Fa%3D1`);
    const page = await stage.get('/auth/login?return_to=%2Forders%2F7%3Fa%3D1', ...NAVIGATION);
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  });

  check('gives the service the token and the identity, never the session cookie', async () => {
    const answer = await stage.get('/orders/7?a=1&b=%C3%A9', `${cookie}; theme=dark`);
    expect([answer.status, answer.body.toString()]).toEqual([200, 'the service']);
    const { last } = stage.service;
    expect([last.method, last.target]).toEqual(['GET', '/orders/7?a=1&b=%C3%A9']);
    const [bearer = '', ...more] = last.values('authorization');
    expect(more).toEqual([]);
    expect(decodeJwt(bearer.replace('Bearer ', ''))).toMatchObject({ sub: 'alice', aud: 'app' });
    expect(last.values('x-user-id')).toEqual(['alice']);
    expect(last.values('cookie').join('; ').trim()).toBe('theme=dark');
    expect(last.head).not.toContain(cookie.slice('Cookie: __Host-sid='.length));
    expect(answer.head).not.toContain(bearer);
  });

  check('forwards application cookies as large as the gateway allows', async () => {
    const large = `data=${'x'.repeat(7_000)}`;
    expect((await stage.get('/orders', `${cookie}; ${large}`)).status).toBe(200);
    expect(stage.service.last.values('cookie').join('; ').trim()).toBe(large);
  });

  check('gives a program the problem document with a challenge, and a forbidden user the reason', async () => {
    const program401 = await stage.get('/orders');
    expect([program401.status, reasonOf(program401)]).toEqual([401, 'credential_missing']);
    expect(program401.headers.get('www-authenticate')).toContain('Session');
    const forbidden = await stage.get('/admin', cookie);
    expect([forbidden.status, reasonOf(forbidden)]).toEqual([403, 'route_forbidden']);
    const page = await stage.get('/admin', cookie, ...NAVIGATION);
    expect([page.status, page.headers.get('content-type')]).toEqual([403, 'text/html; charset=utf-8']);
  });

  check('HDR-07: identity headers of the client never reach the service, even on a public route', async () => {
    const spoofed = ['X-User-Id: admin', 'X_User_Id: admin', 'X.User.Id: admin', 'Remote-User: admin'];
    for (const [target, own] of [
      ['/public/a', []],
      ['/orders', ['alice']],
    ] as const) {
      const answer = await stage.get(
        target,
        ...spoofed,
        ...(own.length > 0 ? [cookie] : ['Authorization: Bearer mallory']),
      );
      expect(answer.status).toBe(200);
      const { last } = stage.service;
      expect(last.values('x-user-id').filter((value) => value !== '')).toEqual(own);
      expect(last.head).not.toMatch(/admin|mallory/);
    }
  });

  check(
    'HDR-14: the client’s headers about its request change neither the decision nor what is forwarded',
    async () => {
      const lies = [
        ...['X-Forwarded-Uri: /public', 'X-Forwarded-Method: GET', 'X-Forwarded-Host: other.example'],
        ...['X-Original-URL: https://shop.example.com/public', 'X-Original-Method: GET', 'X-HTTP-Method-Override: GET'],
      ];
      const before = stage.service.received.length;
      for (const line of lies) {
        const answer = await stage.get('/admin', cookie, line);
        expect([line, answer.status]).toEqual([line, expect.toSatisfy((status) => status === 403 || status === 400)]);
        expect([line, (await stage.send('DELETE', '/orders', [cookie, line])).status]).toEqual([
          line,
          expect.toSatisfy((status) => status === 403 || status === 400),
        ]);
      }
      expect(stage.service.received.length).toBe(before);
    },
  );

  check('PTH-05: refuses a path that can be read two ways', async () => {
    const before = stage.service.received.length;
    for (const target of [
      '/public/..%2fadmin',
      '/public/../admin',
      '/public//admin',
      '/%61dmin',
      '/public/%2e%2e/admin',
      '/auth/../admin',
      '/public;/../admin',
    ]) {
      const { status } = await stage.get(target, cookie);
      // Behind Apache the gateway itself forwards, by the path that it has read.
      const isForwarded = name === 'apache2' && target === '/%61dmin';
      expect([target, status]).toEqual([target, isForwarded ? 403 : 400]);
    }
    expect(stage.service.received.length).toBe(before);
  });

  check('forwards a complete body, but (CSRF-01) not one from another origin', async () => {
    const body = 'x'.repeat(20_000);
    const answer = await stage.send('POST', '/orders', [cookie, OURS], body);
    expect([answer.status, stage.service.last.method, stage.service.last.body]).toEqual([200, 'POST', body]);
    const before = stage.service.received.length;
    const foreign = await stage.send('POST', '/orders', [cookie, 'Origin: https://evil.example'], body);
    expect([foreign.status, reasonOf(foreign)]).toEqual([403, 'origin_forbidden']);
    expect(stage.service.received.length).toBe(before);
  });

  check('opens a WebSocket for a session, but (WS-02) not from a page of another origin', async () => {
    const { port } = stage;
    await using socket = await WebSocketClient.open(port, '/orders/live', [cookie]);
    socket.send('hello');
    expect(await socket.text()).toBe('hello');
    expect(stage.service.last.values('x-user-id')).toEqual(['alice']);
    await using foreign = await RawConnection.open(port);
    foreign.write(
      [
        'GET /orders/live HTTP/1.1',
        ...[HOST, cookie, 'Origin: https://evil.example', 'Connection: Upgrade', 'Upgrade: websocket'],
        ...['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '', ''],
      ].join('\r\n'),
    );
    expect((await foreign.response()).status).toBe(403);
  });

  check('refuses a revoked session at the next request, and deletes its cookie', async () => {
    const other = `Cookie: __Host-sid=${await stage.gateway.sessionId('zoe')}`;
    expect((await stage.get('/orders', other)).status).toBe(200);
    await stage.gateway.gateway.sessions.endAll('zoe', 'operator');
    const answer = await stage.get('/orders', other);
    expect([answer.status, reasonOf(answer)]).toEqual([401, 'session_unknown']);
    expect(answer.headers.get('set-cookie')).toContain('__Host-sid=;');
  });

  check('ends the session at a logout through the proxy', async () => {
    const own = await logIn();
    expect((await stage.get('/orders', own)).status).toBe(200);
    const answer = await stage.send('POST', '/auth/logout', [own, ...FROM_OUR_PAGE]);
    expect(answer.status).toBeLessThan(400);
    expect((await stage.get('/orders', own)).status).toBe(401);
  });

  check('forwards nothing while the gateway does not answer', async () => {
    const before = stage.service.received.length;
    await stage.endGateway();
    for (const target of ['/orders', '/public']) {
      expect((await stage.get(target, cookie)).status).toBeGreaterThanOrEqual(500);
    }
    expect(stage.service.received.length).toBe(before);
  });
});
