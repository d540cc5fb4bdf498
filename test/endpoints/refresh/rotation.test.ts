/**
 * Rotation and reuse (attack-cases REF, RFC 9700 §4.14.2): on the embedded store with stopped clocks. Several
 * processes with a real Redis: test/e2e/refresh-races.test.ts; a Redis that fails: faults.test.ts.
 */

import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { parseRefreshToken, successorOf } from '../../../src/endpoints/refresh/refresh-token.ts';
import { DependencyFault } from '../../../src/errors.ts';
import { HOST } from '../../support/gateway.ts';
import { RawConnection, type RawResponse, requestHead } from '../../support/raw-client.ts';
import { until } from '../../support/until.ts';
import { events, FORM, jsonOf, metricValue } from '../login/fixture.ts';
import { CLEARED, GRACE_MS, RefreshStage, refreshCookieIn } from './fixture.ts';

const refreshes = (stage: RefreshStage, result: string) =>
  metricValue(stage.login, `sallyport_refreshes_total{result="${result}"}`);
const statusAndError = (response: RawResponse) => [response.status, jsonOf(response)['error']];
const REFUSED = [400, 'invalid_grant'];

/** A native app's first two tokens. */
async function rotatedOnce(stage: RefreshStage) {
  const first = await stage.native();
  const second = jsonOf(await stage.refresh(first['refresh_token']));
  return { first: first['refresh_token'], second: second['refresh_token'], accessToken: second['access_token'] };
}

describe('a replaced token', () => {
  test('REF-08: gets the same successor within the grace, and the family rotates once', async () => {
    await using stage = await RefreshStage.start();
    const { first, second, accessToken } = await rotatedOnce(stage);
    stage.clocks.advance(GRACE_MS);
    const again = jsonOf(await stage.refresh(first));
    expect(again['refresh_token']).toBe(second);
    expect(again['access_token']).not.toBe(accessToken);
    expect([await refreshes(stage, 'rotated'), await refreshes(stage, 'replayed')]).toEqual([1, 1]);
    stage.passGrace();
    expect((await stage.refresh(second)).status).toBe(200);
  });

  test('REF-07: ends the family and the session after the grace, and is in the audit log', async () => {
    await using stage = await RefreshStage.start();
    const { first, second, accessToken } = await rotatedOnce(stage);
    const told: string[] = [];
    stage.login.gateway.gateway.store.feed.subscribe((handle) => told.push(handle));
    stage.passGrace();
    expect(statusAndError(await stage.refresh(first))).toEqual(REFUSED);
    expect(await stage.isAlive(accessToken)).toBe(false);
    expect(told).toHaveLength(1);
    expect(events(stage.login, 'refresh_reuse_detected')).toEqual([
      expect.objectContaining({
        subject: 'alice',
        handle: told[0],
        family: expect.stringMatching(/^[\w-]{43}$/),
        kind: 'native',
        generation: 0,
        presentGeneration: 1,
        client: '127.0.0.1',
      }),
    ]);
    expect(await metricValue(stage.login, 'sallyport_sessions_ended_total{cause="refresh_reuse"}')).toBe(1);
    expect(statusAndError(await stage.refresh(second))).toEqual(REFUSED);
    expect(events(stage.login, 'refresh_reuse_detected')).toHaveLength(1);
  });

  test('REF-07: is detected once; if ending the session fails, the family’s next token ends it', async () => {
    await using stage = await RefreshStage.start();
    const { first, second, accessToken } = await rotatedOnce(stage);
    stage.passGrace();
    const { sessions } = stage.login.gateway.gateway.store;
    const end = vi.spyOn(sessions, 'end').mockRejectedValueOnce(new DependencyFault('store_unavailable', 'down'));
    expect((await stage.refresh(first)).status).toBe(503);
    expect(await stage.isAlive(accessToken)).toBe(true);
    expect(statusAndError(await stage.refresh(second))).toEqual(REFUSED);
    expect(await stage.isAlive(accessToken)).toBe(false);
    expect(end).toHaveBeenCalledTimes(2);
    expect(events(stage.login, 'refresh_reuse_detected')).toHaveLength(1);
  });

  test('REF-07: ends the session of a browser and clears its refresh cookie', async () => {
    await using stage = await RefreshStage.start();
    const browser = await stage.browser();
    await stage.refreshInBrowser(browser);
    stage.passGrace();
    const reused = await stage.refreshInBrowser(browser);
    expect([...statusAndError(reused), reused.headers.get('set-cookie')]).toEqual([...REFUSED, CLEARED]);
    const session = await stage.login.get('/auth/session', `Cookie: __Host-sid=${browser.sessionId}`);
    expect(session.status).toBe(401);
  });

  test('REF-09: from two generations ago ends the family, even within the grace of its successor', async () => {
    await using stage = await RefreshStage.start();
    const { first, second, accessToken } = await rotatedOnce(stage);
    stage.passGrace();
    expect((await stage.refresh(second)).status).toBe(200);
    expect(statusAndError(await stage.refresh(first))).toEqual(REFUSED);
    expect(await stage.isAlive(accessToken)).toBe(false);
    expect(events(stage.login, 'refresh_reuse_detected')).toMatchObject([{ generation: 0, presentGeneration: 2 }]);
  });

  test('cannot be shared by two programs: the slower one ends it for both', async () => {
    await using stage = await RefreshStage.start();
    const { refresh_token: shared } = await stage.native();
    const faster = jsonOf(await stage.refresh(shared));
    stage.passGrace();
    const next = jsonOf(await stage.refresh(faster['refresh_token']));
    expect(statusAndError(await stage.refresh(shared))).toEqual(REFUSED);
    expect(statusAndError(await stage.refresh(next['refresh_token']))).toEqual(REFUSED);
  });

  test('is stored only as a digest, with a seed that is useless alone', async () => {
    await using stage = await RefreshStage.start();
    const { first, second } = await rotatedOnce(stage);
    const handle = parseRefreshToken(String(first))?.familyHandle ?? '';
    const family = (await stage.login.gateway.gateway.store.families.read(handle))?.family;
    const held = JSON.stringify(family);
    for (const token of [first, second]) {
      for (const part of String(token)
        .split('.')
        .filter((piece) => piece.length > 9))
        expect(held).not.toContain(part);
      expect(held).toContain(createHash('sha256').update(String(token)).digest('base64url'));
    }
    const token = parseRefreshToken(String(first));
    if (token === null || family?.seed == null) throw new Error('no token, or no seed');
    expect(successorOf(token, family.seed).text).toBe(second);
  });
});

describe('concurrent requests', () => {
  test('REF-01: fifty with one token cause one rotation and get the same successor', async () => {
    await using stage = await RefreshStage.start();
    const { refresh_token, access_token } = await stage.native();
    const answers = await Promise.all(Array.from({ length: 50 }, () => stage.refresh(refresh_token)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(answers.map((answer) => jsonOf(answer)['refresh_token'])).size).toBe(1);
    expect([await refreshes(stage, 'rotated'), await refreshes(stage, 'replayed')]).toEqual([1, 49]);
    expect(await stage.isAlive(access_token)).toBe(true);
  });

  test('REF-05: the loser of a race gets the winner’s token, and nobody is logged out', async () => {
    await using stage = await RefreshStage.start();
    const browser = await stage.browser();
    const [one, other] = await Promise.all([stage.refreshInBrowser(browser), stage.refreshInBrowser(browser)]);
    expect([one.status, other.status]).toEqual([200, 200]);
    expect(refreshCookieIn(one)).toBe(refreshCookieIn(other));
    expect(events(stage.login, 'refresh_reuse_detected')).toEqual([]);
  });

  test('REF-13: a logout that races a refresh wins, whichever is first', async () => {
    await using stage = await RefreshStage.start();
    const { families, sessions } = stage.login.gateway.gateway.store;
    // The logout comes after the session was found alive and before the token is replaced.
    const rotate = families.rotate.bind(families);
    const { refresh_token, access_token } = await stage.native();
    families.rotate = async (reading, ...rest) => {
      await sessions.end(reading.family.session);
      return rotate(reading, ...rest);
    };
    const late = await stage.refresh(refresh_token);
    families.rotate = rotate;
    expect(await stage.isAlive(access_token)).toBe(false);
    for (const token of [refresh_token, jsonOf(late)['refresh_token']]) {
      expect((await stage.refresh(token)).status).toBe(400);
    }

    // The logout comes before the use of the session is recorded.
    const touch = sessions.touch.bind(sessions);
    const second = await stage.native();
    sessions.touch = async (handle, ...rest) => {
      await sessions.end(handle);
      return touch(handle, ...rest);
    };
    expect(statusAndError(await stage.refresh(second['refresh_token']))).toEqual(REFUSED);
    expect(await stage.isAlive(second['access_token'])).toBe(false);
    expect(events(stage.login, 'refresh_reuse_detected')).toEqual([]);
  });

  test('a client that leaves before the rotation does not use up its token', async () => {
    await using stage = await RefreshStage.start();
    const { families, sessions } = stage.login.gateway.gateway.store;
    const [{ refresh_token }, another] = [await stage.native(), await stage.native('bob')];
    const touch = sessions.touch.bind(sessions);
    const reached = Promise.withResolvers<void>();
    const mayGoOn = Promise.withResolvers<void>();
    sessions.touch = async (...args) => {
      reached.resolve();
      await mayGoOn.promise;
      return touch(...args);
    };
    const body = `refresh_token=${String(refresh_token)}`;
    const headers = [HOST, FORM, `Content-Length: ${body.length}`];
    const connection = await RawConnection.open(stage.login.gateway.port);
    connection.write(requestHead('POST', '/auth/refresh', headers) + body);
    await reached.promise;
    connection.close();
    await until(() => stage.login.gateway.gateway.requestsInFlight === 0, 'the client is gone');
    sessions.touch = touch;
    mayGoOn.resolve();
    // Later requests are done by now, and so is the one that the client left behind.
    for (let i = 0; i < 5; i++) expect((await stage.refresh(another['refresh_token'])).status).toBe(200);
    const handle = parseRefreshToken(String(refresh_token))?.familyHandle ?? '';
    expect((await families.read(handle))?.family.generation).toBe(0);
  });
});

describe('a client', () => {
  test('REF-12: may refresh as often as it likes; its token is replaced once per grace', async () => {
    await using stage = await RefreshStage.start({ refresh: { accessToken: { lifetime: '5s' } } });
    const { refresh_token } = await stage.native();
    let token = jsonOf(await stage.refresh(refresh_token))['refresh_token'];
    const seen = new Set([token]);
    for (let second = 0; second < 20; second++) {
      stage.clocks.advance(1_000);
      const answer = jsonOf(await stage.refresh(token));
      expect(answer['expires_in']).toBe(5);
      token = answer['refresh_token'];
      seen.add(token);
    }
    expect(seen.size).toBe(3);
    expect(await refreshes(stage, 'kept')).toBe(18);
  });

  test('REF-12: is not taken for a thief when the clock goes back', async () => {
    await using stage = await RefreshStage.start();
    const { first, second } = await rotatedOnce(stage);
    stage.clocks.stepWall(-3_600_000);
    expect(jsonOf(await stage.refresh(first))['refresh_token']).toBe(second);
    expect((await stage.refresh(second)).status).toBe(200);
  });

  test('REF-14: gets a refresh token in every answer, new or unchanged', async () => {
    await using stage = await RefreshStage.start();
    const { second } = await rotatedOnce(stage);
    const kept = jsonOf(await stage.refresh(second));
    expect(kept['refresh_token']).toBe(second);
    const browser = await stage.browser();
    const replaced = refreshCookieIn(await stage.refreshInBrowser(browser));
    expect(refreshCookieIn(await stage.refreshInBrowser({ ...browser, refreshToken: replaced }))).toBe(replaced);
    stage.passGrace();
    expect(jsonOf(await stage.refresh(second))['refresh_token']).not.toBe(second);
  });
});

describe('the format of a token', () => {
  const bytes = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((array) => Buffer.from(array).toString('base64url'));
  const token = fc.tuple(bytes, fc.nat(999_999_998), bytes).map((parts) => parts.join('.'));

  test('round-trips, and changing any character gives another token or none', () => {
    fc.assert(
      fc.property(token, fc.nat(), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), (text, at, character) => {
        const read = parseRefreshToken(text);
        expect(read?.text).toBe(text);
        const position = at % text.length;
        const changed = text.slice(0, position) + character + text.slice(position + 1);
        if (changed === text) return;
        expect(parseRefreshToken(changed)?.digest).not.toBe(read?.digest);
      }),
    );
  });

  test('gives a successor in the same family, one generation on, determined by the seed', () => {
    fc.assert(
      fc.property(token, bytes, bytes, (text, seed, other) => {
        const parent = parseRefreshToken(text);
        if (parent === null) throw new Error('not read');
        const child = successorOf(parent, seed);
        expect(parseRefreshToken(child.text)).toEqual(child);
        expect(child).toMatchObject({ familyHandle: parent.familyHandle, generation: parent.generation + 1 });
        expect(successorOf(parent, seed)).toEqual(child);
        if (seed !== other) expect(successorOf(parent, other).digest).not.toBe(child.digest);
      }),
    );
  });
});
