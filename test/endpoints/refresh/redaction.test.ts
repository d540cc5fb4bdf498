/** No token, and no part of one, appears where it does not belong. */

import { describe, expect, test, vi } from 'vitest';
import { unavailable } from '../../../src/store/redis/connection/faults.ts';
import { HOST } from '../../support/gateway.ts';
import { rawRequest, requestHead } from '../../support/raw-client.ts';
import { RecordingUpstream } from '../../support/recording-upstream.ts';
import { FORM, FROM_OUR_PAGE, jsonOf } from '../login/fixture.ts';
import { FROM_OUR_SCRIPT, RefreshStage, refreshCookieIn } from './fixture.ts';

describe('LOG-01: refresh and access tokens', () => {
  test('are in no log, audit event or metric, whatever happens to them', async () => {
    await using stage = await RefreshStage.start({ config: { log: { level: 'debug' } } });
    const { families } = stage.login.gateway.gateway.store;
    const native = await stage.native();
    const browser = await stage.browser();
    const secrets = [native['refresh_token'], native['access_token'], browser.refreshToken, browser.sessionId];

    // Rotated, replayed, kept.
    const rotated = jsonOf(await stage.refresh(native['refresh_token']));
    secrets.push(rotated['refresh_token'], rotated['access_token']);
    await stage.refresh(native['refresh_token']);
    await stage.refresh(rotated['refresh_token']);
    secrets.push(refreshCookieIn(await stage.refreshInBrowser(browser)));
    // Unknown, malformed, misplaced, doubled, from elsewhere, in a URL, and with a store that fails.
    const unknown = `${'canaryFamily'.padEnd(43, 'x')}.7.${'canarySecret'.padEnd(43, 'y')}`;
    secrets.push(unknown, 'canary-malformed-token');
    await stage.refresh(unknown);
    await stage.refresh('canary-malformed-token');
    await stage.refresh(browser.refreshToken);
    await stage.refreshInBrowser(browser, ['Origin: https://evil.example']);
    await stage.login.send('POST', `/auth/refresh?refresh_token=${unknown}`, [FORM], '');
    vi.spyOn(families, 'rotate').mockRejectedValueOnce(unavailable('down'));
    await stage.refreshInBrowser(await stage.browser('bob'));
    // Reused, logged out.
    stage.passGrace();
    await stage.refresh(native['refresh_token']);
    await stage.login.send('POST', '/auth/logout', [`Cookie: __Host-sid=${browser.sessionId}`, ...FROM_OUR_PAGE]);
    await stage.refreshInBrowser(browser, FROM_OUR_SCRIPT);

    const { log, audit, metrics } = stage.login.gateway;
    const written = [log.text, audit.text, await metrics.text()].join('\n');
    const pieces = secrets.flatMap((secret) => String(secret).split('.')).filter((piece) => piece.length > 9);
    expect(pieces.length).toBeGreaterThan(15);
    expect(pieces.filter((piece) => written.includes(piece))).toEqual([]);
    expect(written).toContain('refresh_reuse_detected');
  });

  test('HDR-24: in an upstream’s cookie reach the browser only if the route relays it', async () => {
    const line = '__Secure-refresh=of-the-upstream; Path=/auth/refresh';
    await using upstream = await RecordingUpstream.start();
    upstream.answer = (_request, socket) => {
      socket.write(`HTTP/1.1 200 OK\r\nSet-Cookie: ${line}\r\nSet-Cookie: other=1\r\nContent-Length: 0\r\n\r\n`);
    };
    const route = (id: string, relaySessionCookie: boolean) => ({
      id,
      match: { path: `/${id}` },
      credential: 'none',
      relaySessionCookie,
    });
    await using stage = await RefreshStage.start({
      upstream: upstream.origin,
      routes: [route('app', false), route('login', true)],
    });
    const cookiesAt = async (path: string) =>
      (await rawRequest(stage.login.gateway.port, requestHead('GET', path, [HOST]))).headers.get('set-cookie');
    expect(await cookiesAt('/app')).toBe('other=1');
    expect(await cookiesAt('/login')).toBe(`${line}\nother=1`);
  });
});
