import { describe, expect, test, vi } from 'vitest';
import { DependencyFault } from '../../../src/errors.ts';
import { PUBLIC_ORIGIN } from '../../support/gateway.ts';
import { DELETED_COOKIE, events, FROM_OUR_PAGE, LoginStage, metricValue, reasonOf } from '../login/fixture.ts';

const FROM_OUR_PROGRAM = [`Origin: ${PUBLIC_ORIGIN}`, 'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: cors'];

describe('logging out', () => {
  test('COK-18: ends the session and deletes the cookie with the attributes it was set with', async () => {
    await using stage = await LoginStage.start();
    const cookie = await stage.cookieOf('alice');
    const response = await stage.send('POST', '/auth/logout', [cookie, ...FROM_OUR_PAGE]);
    expect(response.status).toBe(303);
    expect(response.headers.get('location')).toBe('/auth/logged-out');
    expect(response.headers.get('set-cookie')).toBe(DELETED_COOKIE);
    expect((await stage.get('/auth/session', cookie)).status).toBe(401);
  });

  test('answers a program with 204', async () => {
    await using stage = await LoginStage.start();
    const cookie = await stage.cookieOf('alice');
    const response = await stage.send('POST', '/auth/logout', [cookie, ...FROM_OUR_PROGRAM]);
    expect([response.status, response.headers.get('set-cookie')]).toEqual([204, DELETED_COOKIE]);
    expect(await metricValue(stage, 'sallyport_sessions_ended_total{cause="logout"}')).toBe(1);
    expect(events(stage, 'logout')).toMatchObject([{ subject: 'alice', client: '127.0.0.1' }]);
  });

  test('without a live session succeeds and deletes the cookie', async () => {
    await using stage = await LoginStage.start();
    for (const cookies of [[], [`Cookie: __Host-sid=${'A'.repeat(43)}`], ['Cookie: __Host-sid=x']]) {
      const response = await stage.send('POST', '/auth/logout', [...cookies, ...FROM_OUR_PROGRAM]);
      expect([response.status, response.headers.get('set-cookie')]).toEqual([204, DELETED_COOKIE]);
    }
    expect(events(stage, 'logout')).toEqual([]);
  });

  test('SES-07: gets 503 while the store does not answer, and keeps the cookie', async () => {
    await using stage = await LoginStage.start();
    const cookie = await stage.cookieOf('alice');
    vi.spyOn(stage.gateway.gateway.store.sessions, 'end').mockRejectedValue(down());
    vi.spyOn(stage.gateway.gateway.store.sessions, 'endAll').mockRejectedValue(down());
    for (const path of ['/auth/logout', '/auth/logout/all']) {
      const response = await stage.send('POST', path, [cookie, ...FROM_OUR_PROGRAM]);
      expect([response.status, reasonOf(response)]).toEqual([503, 'store_unavailable']);
      expect(response.headers.has('set-cookie')).toBe(false);
      expect(response.headers.get('retry-after')).toBe('2');
    }
    expect(events(stage, 'logout')).toEqual([]);
  });
});

describe('logging out everywhere', () => {
  test('ends all sessions of the user and nobody else’s', async () => {
    await using stage = await LoginStage.start();
    const [first, second] = [await stage.cookieOf('alice'), await stage.cookieOf('alice')];
    const bob = await stage.cookieOf('bob');
    const response = await stage.send('POST', '/auth/logout/all', [first, ...FROM_OUR_PAGE]);
    expect([response.status, response.headers.get('location')]).toEqual([303, '/auth/logged-out']);
    expect(response.headers.get('set-cookie')).toBe(DELETED_COOKIE);
    const statuses = [first, second, bob].map(async (cookie) => (await stage.get('/auth/session', cookie)).status);
    expect(await Promise.all(statuses)).toEqual([401, 401, 200]);
    expect(await metricValue(stage, 'sallyport_sessions_ended_total{cause="logout_all"}')).toBe(2);
    const [event] = events(stage, 'logout_all');
    expect(event).toMatchObject({ subject: 'alice', handles: [expect.any(String), expect.any(String)] });
  });

  test('without a session is refused with 401', async () => {
    await using stage = await LoginStage.start();
    const none = await stage.send('POST', '/auth/logout/all', FROM_OUR_PROGRAM);
    expect([none.status, reasonOf(none)]).toEqual([401, 'credential_missing']);
    const dead = await stage.send('POST', '/auth/logout/all', [
      `Cookie: __Host-sid=${'A'.repeat(43)}`,
      ...FROM_OUR_PROGRAM,
    ]);
    expect([dead.status, reasonOf(dead), dead.headers.get('set-cookie')]).toEqual([
      401,
      'session_unknown',
      DELETED_COOKIE,
    ]);
  });
});

describe('pages', () => {
  test('CSRF-12: GET and HEAD of logout only ask for confirmation', async () => {
    await using stage = await LoginStage.start();
    const cookie = await stage.cookieOf('alice');
    const page = await stage.get('/auth/logout', cookie);
    expect(page.status).toBe(200);
    expect(page.body.toString()).toContain('<form method="post" action="/auth/logout">');
    expect(page.body.toString()).toContain('<form method="post" action="/auth/logout/all">');
    expect((await stage.send('HEAD', '/auth/logout', [cookie])).status).toBe(200);
    expect((await stage.get('/auth/logout/all', cookie)).status).toBe(405);
    expect((await stage.get('/auth/session', cookie)).status).toBe(200);
  });

  test('the logged-out page says so and offers to log in', async () => {
    await using stage = await LoginStage.start();
    const page = (await stage.get('/auth/logged-out')).body.toString();
    expect(page).toContain('<h1>You are logged out</h1>');
    expect(page).toContain('href="/auth/login"');
  });

  test('RED-22: no parameter sends the browser elsewhere after logging out', async () => {
    await using stage = await LoginStage.start();
    const query = '?post_logout_redirect_uri=https://evil.example&return_to=//evil.example&rd=https://evil.example';
    const response = await stage.send('POST', `/auth/logout${query}`, FROM_OUR_PAGE);
    expect(response.headers.get('location')).toBe('/auth/logged-out');
  });
});

const down = () => new DependencyFault('store_unavailable', 'down');
