import { describe, expect, test, vi } from 'vitest';
import { DependencyFault } from '../../../src/errors.ts';
import { rawRequest } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { DELETED_COOKIE, FROM_OUR_PAGE, LoginStage, NAVIGATION, PASSWORD, reasonOf, sessionIdIn } from './fixture.ts';

describe('the login page', () => {
  test('is a form without scripts, under a CSP that allows none, with the return target', async () => {
    await using stage = await LoginStage.start();
    const response = await stage.get('/auth/login?return_to=%2Forders%3Fpage%3D2', ...NAVIGATION);
    const body = response.body.toString();
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('referrer-policy')).toBe('same-origin');
    expect(response.headers.get('cross-origin-opener-policy')).toBe('same-origin');
    expect(response.headers.get('content-security-policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/=]+'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    );
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(body).toContain('<form method="post">');
    expect(body).toContain('<input type="hidden" name="return_to" value="/orders?page=2">');
    expect(body).not.toMatch(/<script|https?:|javascript:|onload|style="/i);
  });

  test('has the configured title', async () => {
    await using stage = await LoginStage.start({ login: { title: 'Welcome to <Acme>' } });
    const body = (await stage.get('/auth/login')).body.toString();
    expect(body).toContain('<title>Welcome to &lt;Acme&gt;</title>');
    expect(body).toContain('<h1>Welcome to &lt;Acme&gt;</h1>');
  });

  test.each([
    ['unknown', 'A'.repeat(43)],
    ['malformed', 'x'],
  ])('SES-04: deletes a session cookie that is %s', async (_what, value) => {
    await using stage = await LoginStage.start();
    const response = await stage.get('/auth/login', `Cookie: __Host-sid=${value}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('set-cookie')).toBe(DELETED_COOKIE);
    expect(response.body.toString()).toContain('autocomplete="current-password"');
  });

  test('lets a logged-in user continue or switch users, and keeps the cookie', async () => {
    await using stage = await LoginStage.start();
    const cookie = await stage.cookieOf('alice');
    const response = await stage.get('/auth/login?return_to=/orders', cookie);
    const body = response.body.toString();
    expect(response.status).toBe(200);
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(body).toContain('You are logged in as <strong>alice</strong>');
    expect(body).toContain('href="/orders"');
    expect(body).toContain('href="/auth/login?return_to=%2Forders&amp;switch=1"');
    const other = await stage.get('/auth/login?switch=1&return_to=%2Forders', cookie);
    expect(other.body.toString()).toContain('<input type="hidden" name="return_to" value="/orders">');
  });

  test('is linked from a 403 page, and leads back to that page', async () => {
    const admin = { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { subjects: ['u-bob'] } };
    await using upstream = await RecordingUpstream.start();
    await using stage = await LoginStage.start({ routes: [admin], upstream: upstream.origin });
    const cookie = await stage.cookieOf('alice');
    const forbidden = await stage.get('/admin/users?page=2&sort=a', cookie, ...NAVIGATION);
    expect(forbidden.status).toBe(403);
    const [, href = ''] =
      /<a class="button full" href="([^"]+)">Log in as someone else</.exec(forbidden.body.toString()) ?? [];
    const page = await stage.get(href.replaceAll('&amp;', '&'), cookie, ...NAVIGATION);
    const [, returnTo = ''] = /name="return_to" value="([^"]+)"/.exec(page.body.toString()) ?? [];
    const fields = { username: 'bob', password: PASSWORD, return_to: returnTo.replaceAll('&amp;', '&') };
    const login = await stage.submit(fields, cookie);
    expect([login.status, login.headers.get('location')]).toEqual([303, '/admin/users?page=2&sort=a']);
    expect(await stage.gateway.gateway.sessions.list('alice')).toEqual([]);
    const back = await stage.get('/admin/users?page=2&sort=a', `Cookie: __Host-sid=${sessionIdIn(login)}`);
    expect(back.status).toBe(200);
  });

  test('is linked from the 403 page for a form, but does not lead back to the form', async () => {
    const admin = { id: 'admin', match: { path: '/admin' }, credential: 'session', allow: { subjects: ['u-bob'] } };
    await using stage = await LoginStage.start({ routes: [admin] });
    const cookie = await stage.cookieOf('alice');
    const forbidden = await stage.send('POST', '/admin/delete', [cookie, ...FROM_OUR_PAGE]);
    expect(forbidden.status).toBe(403);
    expect(forbidden.body.toString()).toContain(
      '<a class="button full" href="/auth/login?switch=1">Log in as someone else</a>',
    );
  });

  test('gets 503 while the store does not answer, and keeps the cookie', async () => {
    await using stage = await LoginStage.start();
    const id = 'B'.repeat(43);
    vi.spyOn(stage.gateway.gateway.store.sessions, 'read').mockRejectedValue(
      new DependencyFault('store_unavailable', 'down'),
    );
    const response = await stage.get('/auth/login', `Cookie: __Host-sid=${id}`);
    expect(response.status).toBe(503);
    expect(response.headers.has('set-cookie')).toBe(false);
  });

  test('says that there is no way to log in, as HTML and as JSON', async () => {
    await using stage = await LoginStage.start({ login: { password: undefined } });
    const page = await stage.get('/auth/login', ...NAVIGATION);
    expect(page.status).toBe(404);
    expect(page.body.toString()).toContain('<h1>No login here</h1>');
    expect(reasonOf(await stage.get('/auth/login'))).toBe('login_unavailable');
  });

  test('redirects to a custom page with the validated return target', async () => {
    await using stage = await LoginStage.start({ login: { page: '/welcome' } });
    const response = await stage.get('/auth/login?return_to=%2Forders%3Fa%3D1%26b%3D2', ...NAVIGATION);
    expect(response.status).toBe(302);
    expect(response.headers.get('location')).toBe('/welcome?return_to=%2Forders%3Fa%3D1%26b%3D2');
    const foreign = await stage.get('/auth/login?return_to=%2F%2Fevil.example', ...NAVIGATION);
    expect(foreign.headers.get('location')).toBe('/welcome?return_to=%2F');
  });

  test('is served on a public origin only', async () => {
    await using stage = await LoginStage.start();
    const elsewhere = await rawRequest(stage.gateway.port, 'GET /auth/login HTTP/1.1\r\nHost: internal\r\n\r\n');
    expect([elsewhere.status, reasonOf(elsewhere)]).toEqual([421, 'host_not_served']);
  });

  test('answers HEAD with the headers of GET and no body', async () => {
    await using stage = await LoginStage.start();
    const response = await stage.send('HEAD', '/auth/login', []);
    expect([response.status, response.body.length]).toEqual([200, 0]);
    expect(Number(response.headers.get('content-length'))).toBeGreaterThan(500);
  });
});

describe('a person without a session', () => {
  test('is sent from a protected page to the login page and back', async () => {
    await using stage = await LoginStage.start();
    const protectedPage = await stage.get('/orders?page=2', ...NAVIGATION);
    expect(protectedPage.status).toBe(302);
    const location = protectedPage.headers.get('location') ?? '';
    expect(location).toBe('https://shop.example.com/auth/login?return_to=%2Forders%3Fpage%3D2');
    const page = (await stage.get(location.slice('https://shop.example.com'.length))).body.toString();
    const returnTo = /name="return_to" value="([^"]*)"/.exec(page)?.[1] ?? '';
    const done = await stage.submit({ username: 'alice', password: PASSWORD, return_to: returnTo });
    expect(done.headers.get('location')).toBe('/orders?page=2');
    expect(sessionIdIn(done)).toHaveLength(43);
  });

  test('is sent from "your sessions" to the login page and back', async () => {
    await using stage = await LoginStage.start();
    const response = await stage.get('/auth/sessions', ...NAVIGATION);
    expect(response.status).toBe(302);
    expect(response.headers.get('location')).toBe('https://shop.example.com/auth/login?return_to=%2Fauth%2Fsessions');
    const done = await stage.submit({ username: 'alice', password: PASSWORD, return_to: '/auth/sessions' });
    expect(done.headers.get('location')).toBe('/auth/sessions');
  });
});
