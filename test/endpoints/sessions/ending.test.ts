/** The page that says when a session ends: only its button prolongs the session. */

import { describe, expect, test, vi } from 'vitest';
import { DependencyFault } from '../../../src/errors.ts';
import { TestClocks } from '../../support/clocks.ts';
import { PUBLIC_ORIGIN } from '../../support/gateway.ts';
import { DELETED_COOKIE, FROM_OUR_PAGE, jsonOf, LoginStage, NAVIGATION, reasonOf } from '../login/fixture.ts';

const MINUTE = 60_000;
const PAGE = '/auth/session/ending?return_to=%2Forders%3Fpage%3D2';
const SESSION = { idleTimeout: '30m', absoluteTimeout: '2h' };

async function opened(session: Record<string, unknown> = SESSION) {
  const clocks = new TestClocks();
  const stage = await LoginStage.start({ clocks, config: { session } });
  const cookie = await stage.cookieOf('alice');
  return { clocks, stage, cookie };
}

describe('the page', () => {
  test('says when the session ends, and offers to stay and to log out', async () => {
    const { clocks, stage, cookie } = await opened();
    await using _stage = stage;
    clocks.advance(26 * MINUTE);
    const response = await stage.get(PAGE, cookie, ...NAVIGATION);
    const body = response.body.toString();
    expect(response.status).toBe(200);
    expect(body).toContain('<h1>Your session is about to end</h1>');
    expect(body).toMatch(
      /Your session ends in 4 minutes, at <time datetime="2027-01-15T08:30:00.000Z">15 Jan 2027, 08:30 UTC<\/time>, unless you use it before then\./,
    );
    expect(body).toContain(
      '<form method="post" action="/auth/session/ending?return_to=%2Forders%3Fpage%3D2"><button class="full">Stay logged in</button>',
    );
    expect(body).toContain('<form method="post" action="/auth/logout">');
    expect(response.headers.has('set-cookie')).toBe(false);
    expect(response.headers.get('refresh')).toBe('60');
  });

  test('does not prolong the session, however often it refreshes', async () => {
    const { clocks, stage, cookie } = await opened();
    await using _stage = stage;
    for (let minute = 1; minute < 30; minute += 1) {
      clocks.advance(MINUTE);
      const body = (await stage.get(PAGE, cookie, ...NAVIGATION)).body.toString();
      expect(body).toContain('datetime="2027-01-15T08:30:00.000Z"');
      expect(body).toContain(minute < 25 ? '<h1>Your session</h1>' : '<h1>Your session is about to end</h1>');
    }
    clocks.advance(MINUTE);
    const after = await stage.get(PAGE, cookie, ...NAVIGATION);
    expect([after.status, after.headers.get('location')]).toEqual([
      303,
      '/auth/login?return_to=%2Forders%3Fpage%3D2&ended=1',
    ]);
    expect(after.headers.get('set-cookie')).toBe(DELETED_COOKIE);
  });

  test('refreshes when the session has ended, unless told not to', async () => {
    const { clocks, stage, cookie } = await opened();
    await using _stage = stage;
    clocks.advance(29 * MINUTE + 30_000);
    expect((await stage.get(PAGE, cookie, ...NAVIGATION)).headers.get('refresh')).toBe('31');
    const still = await stage.get(`${PAGE}&refresh=no`, cookie, ...NAVIGATION);
    expect(still.headers.has('refresh')).toBe(false);
    expect(still.body.toString()).not.toContain('updates itself');
  });

  test('offers a new login when the session can no longer be prolonged', async () => {
    const { clocks, stage, cookie } = await opened({ idleTimeout: '30m', absoluteTimeout: '40m' });
    await using _stage = stage;
    clocks.advance(20 * MINUTE);
    await stage.get('/auth/session', cookie);
    clocks.advance(18 * MINUTE);
    const body = (await stage.get(PAGE, cookie, ...NAVIGATION)).body.toString();
    expect(body).toContain('Your session ends in 2 minutes, at <time datetime="2027-01-15T08:40:00.000Z">');
    expect(body).toContain(
      '<a class="button full" href="/auth/login?return_to=%2Forders%3Fpage%3D2&amp;switch=1">Log in again now</a>',
    );
    expect(body).not.toContain('Stay logged in');
  });

  test('is JSON for a program, without prolonging the session', async () => {
    const { clocks, stage, cookie } = await opened();
    await using _stage = stage;
    clocks.advance(10 * MINUTE);
    expect(jsonOf(await stage.get(PAGE, cookie))).toMatchObject({
      subject: 'alice',
      idleExpiresAt: '2027-01-15T08:30:00.000Z',
    });
    expect(reasonOf(await stage.get(PAGE))).toBe('credential_missing');
  });

  test('RED-01: leads back to our own origin only', async () => {
    const { stage, cookie } = await opened();
    await using _stage = stage;
    for (const target of [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      '/auth/session/ending',
      '/auth/logout',
    ]) {
      const path = `/auth/session/ending?return_to=${encodeURIComponent(target)}`;
      expect((await stage.get(path, cookie, ...NAVIGATION)).body.toString()).toContain(
        'action="/auth/session/ending?return_to=%2F"',
      );
      expect((await stage.send('POST', path, [cookie, ...FROM_OUR_PAGE])).headers.get('location')).toBe('/');
    }
  });

  test('without a session leads to the login, with the same return target', async () => {
    await using stage = await LoginStage.start();
    const response = await stage.get(PAGE, ...NAVIGATION);
    expect(response.headers.get('location')).toBe('/auth/login?return_to=%2Forders%3Fpage%3D2');
    expect(response.headers.has('set-cookie')).toBe(false);
  });
});

describe('its button', () => {
  test('prolongs the session, and leads back', async () => {
    const { clocks, stage, cookie } = await opened();
    await using _stage = stage;
    clocks.advance(29 * MINUTE);
    const stayed = await stage.send('POST', PAGE, [cookie, ...FROM_OUR_PAGE]);
    expect([stayed.status, stayed.headers.get('location')]).toEqual([303, '/orders?page=2']);
    const [record] = await stage.gateway.gateway.store.sessions.list('alice');
    expect(record?.lastSeenAtMs).toBe(clocks.wallMs());
    clocks.advance(29 * MINUTE);
    expect((await stage.get('/auth/session', cookie)).status).toBe(200);
  });

  test('CSRF-12: cannot be pressed by another site', async () => {
    const { clocks, stage, cookie } = await opened();
    await using _stage = stage;
    clocks.advance(29 * MINUTE);
    const foreign = ['Origin: https://evil.example', 'Sec-Fetch-Site: cross-site', ...NAVIGATION];
    expect((await stage.send('POST', PAGE, [cookie, ...foreign])).status).toBe(403);
    expect((await stage.send('POST', PAGE, [cookie, ...NAVIGATION])).status).toBe(403);
    clocks.advance(MINUTE);
    expect((await stage.get('/auth/session', cookie)).status).toBe(401);
  });

  test('leads to the login when it is pressed too late', async () => {
    const { clocks, stage, cookie } = await opened();
    await using _stage = stage;
    clocks.advance(30 * MINUTE);
    const late = await stage.send('POST', PAGE, [cookie, ...FROM_OUR_PAGE]);
    expect(late.headers.get('location')).toBe('/auth/login?return_to=%2Forders%3Fpage%3D2&ended=1');
  });

  test('gets 503 while the store does not answer, and keeps the cookie', async () => {
    const { stage, cookie } = await opened();
    await using _stage = stage;
    vi.spyOn(stage.gateway.gateway.store.sessions, 'touch').mockRejectedValue(
      new DependencyFault('store_unavailable', 'down'),
    );
    const response = await stage.send('POST', PAGE, [cookie, ...FROM_OUR_PAGE, `Referer: ${PUBLIC_ORIGIN}${PAGE}`]);
    expect([response.status, response.headers.has('set-cookie')]).toEqual([503, false]);
    expect(response.body.toString()).toContain(`href="${PAGE}">Go back</a>`);
  });
});
