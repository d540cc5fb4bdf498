import { describe, expect, test } from 'vitest';
import { TestClocks } from '../../support/clocks.ts';
import { PUBLIC_ORIGIN } from '../../support/gateway.ts';
import {
  DELETED_COOKIE,
  events,
  FROM_OUR_PAGE,
  jsonOf,
  LoginStage,
  metricValue,
  NAVIGATION,
  reasonOf,
} from '../login/fixture.ts';

const FROM_OUR_PROGRAM = [`Origin: ${PUBLIC_ORIGIN}`, 'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: cors'];
const FIREFOX = 'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0';

interface Listed {
  readonly handle: string;
  readonly device: string;
  readonly current: boolean;
}

async function listed(stage: LoginStage, cookie: string): Promise<Listed[]> {
  return jsonOf(await stage.get('/auth/sessions', cookie))['sessions'] as Listed[];
}

const handleOf = async (stage: LoginStage, cookie: string) =>
  (await listed(stage, cookie)).find(({ current }) => current)?.handle ?? '';

describe('who am I', () => {
  test('SES-16: returns the user and expiry, but no session id or token', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({ clocks });
    const cookie = await stage.cookieOf('alice');
    clocks.advance(60_000);
    const response = await stage.get('/auth/session', cookie);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(jsonOf(response)).toEqual({
      subject: 'alice',
      user: { email: 'alice@example.com', displayName: 'Alice', roles: ['customer'], tenant: 'acme' },
      method: 'password',
      createdAt: '2027-01-15T08:00:00.000Z',
      expiresAt: '2027-01-15T20:00:00.000Z',
      idleExpiresAt: expect.stringMatching(/^2027-01-15T08:3[01]:00\.000Z$/),
    });
    expect(response.body.toString()).not.toContain(cookie.slice('Cookie: __Host-sid='.length));
  });

  test('P4: with ?prolong=no returns the end of the session without prolonging it', async () => {
    const clocks = new TestClocks();
    await using stage = await LoginStage.start({ clocks });
    const cookie = await stage.cookieOf('alice');
    const ends = async (path: string) => jsonOf(await stage.get(path, cookie))['idleExpiresAt'];
    for (let minute = 0; minute < 29; minute += 1) {
      expect(await ends('/auth/session?prolong=no')).toBe('2027-01-15T08:30:00.000Z');
      clocks.advance(60_000);
    }
    await stage.get('/auth/session', cookie);
    expect(await ends('/auth/session?prolong=no')).toBe('2027-01-15T08:59:00.000Z');
    clocks.advance(29 * 60_000);
    expect((await stage.get('/auth/session?prolong=no', cookie)).status).toBe(200);
    clocks.advance(60_000);
    expect((await stage.get('/auth/session?prolong=no', cookie)).status).toBe(401);
  });

  test('P4: with ?prolong=no still refuses an invalid session', async () => {
    await using stage = await LoginStage.start();
    for (const value of ['x', 'A'.repeat(43)]) {
      const asked = await stage.get('/auth/session?prolong=no', `Cookie: __Host-sid=${value}`);
      expect([asked.status, asked.headers.get('set-cookie')]).toEqual([401, DELETED_COOKIE]);
    }
  });

  test('without a session is refused with 401 and a challenge', async () => {
    await using stage = await LoginStage.start();
    const response = await stage.get('/auth/session');
    expect([response.status, reasonOf(response)]).toEqual([401, 'credential_missing']);
    expect(response.headers.get('www-authenticate')).toBe('Session realm="sallyport"');
  });

  test('with a cookie and an Authorization header together is refused with 400', async () => {
    await using stage = await LoginStage.start();
    const response = await stage.get('/auth/session', await stage.cookieOf('alice'), 'Authorization: Bearer x');
    expect([response.status, reasonOf(response)]).toEqual([400, 'credential_conflict']);
  });
});

describe('your sessions', () => {
  test('are listed, with the current one marked', async () => {
    await using stage = await LoginStage.start();
    const mine = await stage.cookieOf('alice', FIREFOX);
    await stage.cookieOf('alice');
    await stage.cookieOf('bob');
    const sessions = await listed(stage, mine);
    expect(sessions).toMatchObject([
      { device: 'Firefox on Linux, 127.0.0.1', current: true, method: 'password' },
      { device: 'Unknown program, 127.0.0.1', current: false },
    ]);
    expect(Object.keys(sessions[0] ?? {})).toEqual([
      'handle',
      'device',
      'method',
      'createdAt',
      'lastSeenAt',
      'expiresAt',
      'current',
    ]);
  });

  test('are a page for a person, with a form to end each and this device first', async () => {
    await using stage = await LoginStage.start();
    const other = await stage.cookieOf('alice');
    const mine = await stage.cookieOf('alice', FIREFOX);
    const body = (await stage.get('/auth/sessions', mine, ...NAVIGATION)).body.toString();
    const actions = [...body.matchAll(/<form method="post" action="([^"]*)">/g)].map(([, action]) => action);
    expect(actions).toEqual([
      '/auth/logout',
      `/auth/sessions/${await handleOf(stage, other)}`,
      '/auth/sessions/others',
    ]);
    expect(body).toContain('<strong>Firefox on Linux</strong> <span class="badge">This device</span>');
    expect(body).toMatch(/<time datetime="\d{4}-\d\d-\d\dT[^"]*Z">\d+ [A-Z][a-z]+ \d{4}, \d\d:\d\d UTC<\/time>/);
  });

  test('show a device name with markup as text', async () => {
    await using stage = await LoginStage.start();
    const { sessionId } = await stage.gateway.gateway.sessions.open({
      subject: 'alice',
      user: {},
      method: 'backend',
      device: '<img src=x onerror=alert(1)>',
    });
    const page = await stage.get('/auth/sessions', `Cookie: __Host-sid=${sessionId}`, ...NAVIGATION);
    expect(page.body.toString()).toContain('&lt;img src=x onerror=alert(1)&gt;');
    expect(page.body.toString()).not.toContain('<img');
  });

  test.each([
    ['DELETE by a program', 'DELETE', FROM_OUR_PROGRAM, 204],
    ['POST by a form', 'POST', FROM_OUR_PAGE, 303],
  ] as const)('can be ended one by one with %s', async (_what, method, headers, status) => {
    await using stage = await LoginStage.start();
    const [mine, other] = [await stage.cookieOf('alice'), await stage.cookieOf('alice')];
    const handle = await handleOf(stage, other);
    const response = await stage.send(method, `/auth/sessions/${handle}`, [mine, ...headers]);
    expect(response.status).toBe(status);
    expect(response.headers.has('set-cookie')).toBe(false);
    if (status === 303) expect(response.headers.get('location')).toBe('/auth/sessions');
    expect((await stage.get('/auth/session', other)).status).toBe(401);
    expect((await stage.get('/auth/session', mine)).status).toBe(200);
    expect(events(stage, 'session_revoked')).toMatchObject([{ by: 'user', subject: 'alice', handle }]);
    expect(await metricValue(stage, 'sallyport_sessions_ended_total{cause="user"}')).toBe(1);
  });

  test('include the current one, and ending it logs out', async () => {
    await using stage = await LoginStage.start();
    const mine = await stage.cookieOf('alice');
    const handle = await handleOf(stage, mine);
    const response = await stage.send('DELETE', `/auth/sessions/${handle}`, [mine, ...FROM_OUR_PROGRAM]);
    expect([response.status, response.headers.get('set-cookie')]).toEqual([204, DELETED_COOKIE]);
    expect(events(stage, 'logout')).toHaveLength(1);
  });

  test('can all be ended except the current one', async () => {
    await using stage = await LoginStage.start();
    const mine = await stage.cookieOf('alice');
    const others = [await stage.cookieOf('alice'), await stage.cookieOf('alice')];
    const bob = await stage.cookieOf('bob');
    const response = await stage.send('POST', '/auth/sessions/others', [mine, ...FROM_OUR_PAGE]);
    expect([response.status, response.headers.get('location')]).toEqual([303, '/auth/sessions']);
    const statuses = [mine, ...others, bob].map(async (cookie) => (await stage.get('/auth/session', cookie)).status);
    expect(await Promise.all(statuses)).toEqual([200, 401, 401, 200]);
    expect(events(stage, 'session_revoked')).toHaveLength(2);
  });

  test('of another user, or that do not exist, cannot be ended', async () => {
    await using stage = await LoginStage.start();
    const [mine, bob] = [await stage.cookieOf('alice'), await stage.cookieOf('bob')];
    for (const handle of [await handleOf(stage, bob), 'A'.repeat(43), '', 'x', 'constructor']) {
      const response = await stage.send('DELETE', `/auth/sessions/${handle}`, [mine, ...FROM_OUR_PROGRAM]);
      expect([response.status, reasonOf(response)]).toEqual([404, 'route_not_found']);
    }
    expect((await stage.get('/auth/session', bob)).status).toBe(200);
    expect(events(stage, 'session_revoked')).toEqual([]);
  });

  test('cannot be listed or ended without a session', async () => {
    await using stage = await LoginStage.start();
    const handle = await handleOf(stage, await stage.cookieOf('alice'));
    for (const [method, path] of [
      ['GET', '/auth/sessions'],
      ['POST', '/auth/sessions/others'],
      ['DELETE', `/auth/sessions/${handle}`],
      ['POST', `/auth/sessions/${handle}`],
    ] as const) {
      expect((await stage.send(method, path, FROM_OUR_PROGRAM)).status).toBe(401);
    }
  });
});
