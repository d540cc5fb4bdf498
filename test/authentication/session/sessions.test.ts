import { describe, expect, test, vi } from 'vitest';
import { newSessionId, sessionHandle } from '../../../src/authentication/session/session-id.ts';
import type { UserPrincipal } from '../../../src/principal.ts';
import { MINUTE_MS, Stage, settled } from './stage.ts';

const HOUR_MS = 60 * MINUTE_MS;

describe('a session cookie', () => {
  test('authenticates the user of an open session', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open({ user: { roles: ['customer', 7], name: 'Bob' } });
    expect(await stage.sessions.authenticate(sessionId)).toMatchObject({
      kind: 'user',
      subject: 'bob',
      roles: new Set(['customer']),
      scopes: new Set(),
      session: record,
    });
  });

  test('SES-02: that was never issued is refused and never becomes a session', async () => {
    const stage = new Stage();
    const sessionId = newSessionId();
    expect(await stage.outcome(sessionId)).toBe('session_unknown');
    expect(await stage.elsewhere.read(sessionHandle(sessionId))).toBeNull();
  });

  test('COK-12: that is malformed is refused before any lookup', async () => {
    const stage = new Stage();
    for (const value of ['', 'a', 'A'.repeat(42), 'A'.repeat(44), `${'A'.repeat(42)}+`, `${'A'.repeat(42)}\n`]) {
      expect(await stage.outcome(value)).toBe('session_invalid');
    }
    expect(stage.calls.read).toBe(0);
  });

  test('SES-01: is new at every login, and not stored in the session', async () => {
    const stage = new Stage();
    const [first, second] = [await stage.open(), await stage.open()];
    expect(second.sessionId).not.toBe(first.sessionId);
    expect(second.record.handle).toBe(sessionHandle(second.sessionId));
    expect(JSON.stringify(second.record)).not.toContain(second.sessionId);
  });
});

describe('the session cache', () => {
  test('serves a session that was read from memory, without a promise', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    await stage.outcome(sessionId);
    for (let i = 0; i < 10; i++) expect(stage.sessions.authenticate(sessionId)).not.toBeInstanceOf(Promise);
    expect(stage.calls.read).toBe(1);
    expect(stage.events).toMatchObject({ memory: 10, store: 1 });
  });

  test('refreshes a session in steady use in the background, delaying no request', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    await stage.outcome(sessionId);
    for (let elapsedMs = 0; elapsedMs < 10_000; elapsedMs += 100) {
      stage.clocks.advance(100);
      expect(stage.sessions.authenticate(sessionId)).not.toBeInstanceOf(Promise);
      await settled();
    }
    expect(stage.calls.read).toBeGreaterThanOrEqual(10);
    expect(stage.calls.read).toBeLessThanOrEqual(21);
  });

  test('reads a session unused for recheckAfter before serving it', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    stage.feed.fallSilent();
    await stage.elsewhere.end(record.handle);
    stage.clocks.advance(1_000);
    expect(await stage.outcome(sessionId)).toBe('session_unknown');
  });

  test('serves a session deleted directly in the store for recheckAfter at most', async () => {
    const stage = new Stage({ feedTimeoutMs: 10_000 });
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    stage.feed.fallSilent();
    await stage.elsewhere.end(record.handle);
    let servedMs = 0;
    while ((await stage.outcome(sessionId)) === 'ok') {
      stage.clocks.advance(50);
      servedMs += 50;
      await settled();
    }
    expect(servedMs).toBeLessThanOrEqual(1_000);
  });

  test('refuses a session revoked elsewhere as soon as the feed reports it', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    await stage.elsewhere.end(record.handle);
    expect(await stage.outcome(sessionId)).toBe('session_unknown');
    expect(stage.events.invalidated).toBe(1);
  });

  test('asks the store at every request while the feed is interrupted', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    stage.feed.isCut = true;
    for (let i = 0; i < 5; i++) expect(await stage.outcome(sessionId)).toBe('ok');
    expect(stage.calls.read).toBe(6);
    await stage.elsewhere.end(record.handle);
    expect(await stage.outcome(sessionId)).toBe('session_unknown');
  });

  test('treats a feed silent for longer than feedTimeout as interrupted', async () => {
    const stage = new Stage({ recheckAfterMs: 60_000 });
    const { sessionId } = await stage.open();
    await stage.outcome(sessionId);
    stage.feed.fallSilent();
    stage.clocks.advance(1_000);
    expect(stage.sessions.authenticate(sessionId)).not.toBeInstanceOf(Promise);
    stage.clocks.advance(1);
    expect(stage.sessions.authenticate(sessionId)).toBeInstanceOf(Promise);
  });

  test('reads sessions again after a gap in the feed', async () => {
    const stage = new Stage({ recheckAfterMs: 60_000 });
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    stage.feed.isCut = true;
    await stage.elsewhere.end(record.handle);
    stage.clocks.advance(10);
    stage.feed.mend();
    expect(await stage.outcome(sessionId)).toBe('session_unknown');
  });

  test('shares one read between simultaneous requests', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    const release = stage.holdReads();
    const outcomes = Promise.all(Array.from({ length: 50 }, () => stage.outcome(sessionId)));
    release();
    expect(new Set(await outcomes)).toEqual(new Set(['ok']));
    expect(stage.calls.read).toBe(1);
  });

  test('SES-15: gives 1,000 simultaneous requests of 100 users each their own user', async () => {
    const stage = new Stage();
    const opened = await Promise.all(Array.from({ length: 100 }, (_, i) => stage.open({ subject: `user-${i}` })));
    const results = await Promise.all(
      Array.from({ length: 1_000 }, async (_, i) => {
        const result = (await stage.sessions.authenticate(opened[i % 100]!.sessionId)) as UserPrincipal;
        return [result.subject, result.session.handle];
      }),
    );
    for (const [i, [subject, handle]] of results.entries()) {
      expect([subject, handle]).toEqual([`user-${i % 100}`, opened[i % 100]!.record.handle]);
    }
  });

  test('neither keeps nor serves a session revoked while it is being read', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    const release = stage.holdReads();
    const outcome = stage.outcome(sessionId);
    await settled();
    await stage.elsewhere.end(record.handle);
    release();
    expect(await outcome).toBe('session_unknown');
    expect(await stage.outcome(sessionId)).toBe('session_unknown');
    expect(stage.sessions.cachedCount).toBe(0);
  });

  test('drops a session revoked during a background refresh', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    stage.clocks.advance(600);
    const release = stage.holdReads();
    await stage.outcome(sessionId);
    await stage.elsewhere.end(record.handle);
    release();
    await settled();
    expect(await stage.outcome(sessionId)).toBe('session_unknown');
  });

  test('is bounded, and reads evicted sessions again', async () => {
    const stage = new Stage({ cacheMaxEntries: 10 });
    const opened = await Promise.all(Array.from({ length: 11 }, () => stage.open()));
    for (const { sessionId } of opened) await stage.outcome(sessionId);
    expect(stage.sessions.cachedCount).toBe(10);
    expect(stage.events.evicted).toBe(1);
    expect(await stage.outcome(opened[0]!.sessionId)).toBe('ok');
  });
});

describe('while the store does not answer', () => {
  test('a session verified within outageGrace is served and counted', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    await stage.outcome(sessionId);
    stage.isDown = true;
    stage.clocks.advance(30_000);
    expect(await stage.outcome(sessionId)).toBe('ok');
    expect(stage.events.duringOutage).toBe(1);
  });

  test('a session verified longer ago gets 503, not a denial', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    await stage.outcome(sessionId);
    stage.isDown = true;
    stage.clocks.advance(30_001);
    expect(await stage.outcome(sessionId)).toBe('store_unavailable');
    stage.isDown = false;
    expect(await stage.outcome(sessionId)).toBe('ok');
  });

  test('being served does not extend the grace', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    await stage.outcome(sessionId);
    stage.isDown = true;
    for (let i = 0; i < 30; i++) {
      stage.clocks.advance(1_000);
      expect(await stage.outcome(sessionId)).toBe('ok');
    }
    stage.clocks.advance(1_000);
    expect(await stage.outcome(sessionId)).toBe('store_unavailable');
  });

  test('a session that is not cached gets 503', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    stage.isDown = true;
    expect(await stage.outcome(sessionId)).toBe('store_unavailable');
  });

  test('a revocation that the feed still delivers ends the grace', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    stage.isDown = true;
    stage.clocks.advance(2_000);
    await stage.elsewhere.end(record.handle);
    expect(await stage.outcome(sessionId)).toBe('store_unavailable');
  });

  test('an idle or absolute timeout ends the grace', async () => {
    const stage = new Stage({ absoluteTimeoutMs: 10_000, outageGraceMs: 60_000 });
    const { sessionId } = await stage.open();
    await stage.outcome(sessionId);
    stage.isDown = true;
    stage.clocks.advance(9_999);
    expect(await stage.outcome(sessionId)).toBe('ok');
    stage.clocks.advance(1);
    expect(await stage.outcome(sessionId)).toBe('store_unavailable');
  });

  test('SES-07: no session is opened or reported as ended', async () => {
    const stage = new Stage();
    const { record } = await stage.open();
    stage.isDown = true;
    await expect(stage.open()).rejects.toMatchObject({ reason: 'store_unavailable' });
    await expect(stage.sessions.end(record.handle, 'operator')).rejects.toMatchObject({ reason: 'store_unavailable' });
    await expect(stage.sessions.endAll('bob', 'operator')).rejects.toMatchObject({ reason: 'store_unavailable' });
    await expect(stage.sessions.list('bob')).rejects.toMatchObject({ reason: 'store_unavailable' });
  });

  test('a revocation during a failed read does not affect the next read', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    const release = stage.holdReads();
    const failing = stage.outcome(sessionId);
    await settled();
    await stage.elsewhere.end(record.handle);
    stage.isDown = true;
    release();
    expect(await failing).toBe('store_unavailable');
    stage.isDown = false;
    const readsBefore = stage.calls.read;
    expect(await stage.outcome(sessionId)).toBe('session_unknown');
    expect(stage.calls.read).toBe(readsBefore + 1);
  });
});

describe('timeouts', () => {
  test('SES-08: an unused session ends after the idle timeout', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    stage.clocks.advance(30 * MINUTE_MS - 1);
    expect(await stage.outcome(sessionId)).toBe('ok');
    stage.clocks.advance(30 * MINUTE_MS);
    expect(await stage.outcome(sessionId)).toMatch(/^session_(unknown|expired)$/);
  });

  test('SES-08: a session in use ends after the absolute timeout', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    for (let elapsedMs = 0; elapsedMs < 12 * HOUR_MS; elapsedMs += 10 * MINUTE_MS) {
      expect(await stage.outcome(sessionId)).toBe('ok');
      await settled();
      stage.clocks.advance(10 * MINUTE_MS);
    }
    expect(await stage.outcome(sessionId)).toMatch(/^session_(unknown|expired)$/);
  });

  test.each([
    ['idle', 30 * MINUTE_MS],
    ['absolute', 12 * HOUR_MS],
  ])('SES-09: the %s timeout ends the session even if the store has lost its time to live', async (_, ms) => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.elsewhere.touch(record.handle, record.lastSeenAtMs, 1_000 * HOUR_MS);
    stage.clocks.advance(ms - 1);
    if (ms > 30 * MINUTE_MS) await stage.elsewhere.touch(record.handle, stage.clocks.wallMs(), 1_000 * HOUR_MS);
    stage.clocks.advance(1);
    expect(await stage.outcome(sessionId)).toBe('session_expired');
    await settled();
    expect(await stage.elsewhere.read(record.handle)).toBeNull();
  });

  test('a login can shorten its session’s lifetime but not extend it', async () => {
    const stage = new Stage();
    const sooner = await stage.open({ lifetimeMs: 1_000 });
    const later = await stage.open({ lifetimeMs: 1_000 * HOUR_MS });
    expect(sooner.record.expiresAtMs - sooner.record.createdAtMs).toBe(1_000);
    expect(later.record.expiresAtMs - later.record.createdAtMs).toBe(12 * HOUR_MS);
  });

  test('a session used on another replica does not end here as idle', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    for (let i = 0; i < 4; i++) {
      stage.clocks.advance(10 * MINUTE_MS);
      await stage.elsewhere.touch(record.handle, stage.clocks.wallMs(), 30 * MINUTE_MS);
    }
    expect(await stage.outcome(sessionId)).toBe('ok');
  });

  test('SES-08: a clock set forward by an hour ends sessions sooner, never later', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    await stage.outcome(sessionId);
    stage.clocks.stepWall(HOUR_MS);
    expect(await stage.outcome(sessionId)).toMatch(/^session_(unknown|expired)$/);
  });

  test('SES-08: a clock set back by an hour neither ends a used session nor keeps an unused one', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    stage.clocks.stepWall(-HOUR_MS);
    expect(await stage.outcome(sessionId)).toBe('ok');
    await settled();
    expect((await stage.elsewhere.read(record.handle))?.lastSeenAtMs).toBe(stage.clocks.wallMs());
    stage.clocks.advance(30 * MINUTE_MS);
    expect(await stage.outcome(sessionId)).toMatch(/^session_(unknown|expired)$/);
  });

  test('SES-08: a clock step does not change how long the cache is trusted', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    await stage.outcome(sessionId);
    stage.clocks.stepWall(-HOUR_MS);
    expect(stage.sessions.authenticate(sessionId)).not.toBeInstanceOf(Promise);
    stage.clocks.advance(1_000);
    expect(stage.sessions.authenticate(sessionId)).toBeInstanceOf(Promise);
  });
});

describe('recording the use of a session', () => {
  test('writes once a minute, regardless of the number of requests', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    for (let elapsedMs = 0; elapsedMs < 10 * MINUTE_MS; elapsedMs += 250) {
      await stage.outcome(sessionId);
      await settled();
      stage.clocks.advance(250);
    }
    expect(stage.calls.touch).toBe(9);
  });

  test('writes once for simultaneous requests', async () => {
    const stage = new Stage();
    const { sessionId } = await stage.open();
    await stage.outcome(sessionId);
    stage.clocks.advance(30_000);
    await stage.outcome(sessionId);
    stage.clocks.advance(30_000);
    // No request waits for a write that another one began.
    await Promise.all(Array.from({ length: 100 }, () => stage.outcome(sessionId)));
    await settled();
    expect(stage.calls.touch).toBe(1);
  });

  test('writes ten times per idle timeout if that is shorter than ten minutes', async () => {
    const stage = new Stage({ idleTimeoutMs: 10_000 });
    const { sessionId } = await stage.open();
    for (let elapsedMs = 0; elapsedMs < 60_000; elapsedMs += 100) {
      expect(await stage.outcome(sessionId)).toBe('ok');
      await settled();
      stage.clocks.advance(100);
    }
    expect(stage.calls.touch).toBeLessThanOrEqual(60);
  });

  test('forgets a session that the store no longer has, and ends its streams', async () => {
    const stage = new Stage({ recheckAfterMs: HOUR_MS, feedTimeoutMs: HOUR_MS });
    const { sessionId, record } = await stage.open();
    const principal = (await stage.sessions.authenticate(sessionId)) as UserPrincipal;
    const onEnd = vi.fn<() => void>();
    stage.sessions.watch(principal, onEnd);
    stage.feed.fallSilent();
    await stage.elsewhere.end(record.handle);
    stage.clocks.advance(MINUTE_MS);
    expect(await stage.outcome(sessionId)).toBe('ok');
    await settled();
    expect(onEnd).toHaveBeenCalledOnce();
    expect(await stage.outcome(sessionId)).toBe('session_unknown');
  });

  test('retries a failed write at the next request, and fails no request', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    stage.clocks.advance(2 * MINUTE_MS);
    expect(await stage.outcome(sessionId)).toBe('ok');
    await settled();
    const usedAtMs = stage.clocks.wallMs();
    expect((await stage.elsewhere.read(record.handle))?.lastSeenAtMs).toBe(usedAtMs);
    stage.isDown = true;
    stage.clocks.advance(20_000);
    await stage.outcome(sessionId);
    stage.isDown = false;
    stage.clocks.advance(MINUTE_MS);
    expect(await stage.outcome(sessionId)).toBe('ok');
    await settled();
    expect((await stage.elsewhere.read(record.handle))?.lastSeenAtMs).toBe(stage.clocks.wallMs());
  });
});

describe('the limit of sessions per user', () => {
  test('ends the oldest session when a login exceeds it', async () => {
    const stage = new Stage({ maxPerUser: 3 });
    const opened: Awaited<ReturnType<Stage['open']>>[] = [];
    for (let i = 0; i < 5; i++) {
      opened.push(await stage.open());
      stage.clocks.advance(1_000);
    }
    const stranger = await stage.open({ subject: 'carol' });
    const outcomes = await Promise.all([...opened, stranger].map(({ sessionId }) => stage.outcome(sessionId)));
    expect(outcomes).toEqual(['session_unknown', 'session_unknown', 'ok', 'ok', 'ok', 'ok']);
  });
});

describe('log out everywhere', () => {
  test('ends every session of the user on every replica', async () => {
    const stage = new Stage();
    const opened = [await stage.open(), await stage.open()];
    for (const { sessionId } of opened) await stage.outcome(sessionId);
    await stage.elsewhere.endAll('bob');
    for (const { sessionId } of opened) expect(await stage.outcome(sessionId)).toBe('session_unknown');
  });
});

describe('an open stream', () => {
  async function withStream(settings: ConstructorParameters<typeof Stage>[0] = {}) {
    const stage = new Stage(settings);
    const { sessionId, record } = await stage.open();
    const principal = (await stage.sessions.authenticate(sessionId)) as UserPrincipal;
    const onEnd = vi.fn<() => void>();
    const stop = stage.sessions.watch(principal, onEnd);
    const sweep = async () => {
      stage.sessions.sweepStreams();
      await settled();
    };
    return { stage, sessionId, record, principal, onEnd, stop, sweep };
  }

  test('SES-17: ends at once when its session is revoked', async () => {
    const { stage, record, onEnd } = await withStream();
    await stage.elsewhere.end(record.handle);
    expect(onEnd).toHaveBeenCalledOnce();
    stage.sessions.close();
  });

  test('is not ended after it was closed', async () => {
    const { stage, record, onEnd, stop } = await withStream();
    stop();
    await stage.elsewhere.end(record.handle);
    expect(onEnd).not.toHaveBeenCalled();
  });

  test('ends when its session expires', async () => {
    const { stage, onEnd, sweep } = await withStream();
    for (let i = 0; i < 29; i++) {
      stage.clocks.advance(MINUTE_MS);
      await sweep();
    }
    expect(onEnd).not.toHaveBeenCalled();
    stage.clocks.advance(MINUTE_MS);
    await sweep();
    expect(onEnd).toHaveBeenCalledOnce();
  });

  test('P2: keeps its session alive while it is used, up to the absolute timeout', async () => {
    const { stage, principal, onEnd: unusedEnded, sweep } = await withStream();
    const onEnd = vi.fn<() => void>();
    let use = 0;
    stage.sessions.watch(principal, onEnd, () => use);
    for (let elapsedMs = 0; elapsedMs < 12 * HOUR_MS; elapsedMs += 10 * MINUTE_MS) {
      expect(onEnd).not.toHaveBeenCalled();
      use += 1;
      await sweep();
      stage.clocks.advance(10 * MINUTE_MS);
    }
    await sweep();
    expect([onEnd.mock.calls.length, unusedEnded.mock.calls.length]).toEqual([1, 1]);
  });

  test('P2: is checked once a sweep, and records use no more often than requests do', async () => {
    const { stage, principal, sweep } = await withStream();
    let use = 0;
    const streams = Array.from({ length: 100 }, () =>
      stage.sessions.watch(
        principal,
        () => {},
        () => use,
      ),
    );
    const before = stage.calls.touch;
    for (let second = 0; second < 600; second += 1) {
      use += 1_000;
      stage.clocks.advance(1_000);
      await sweep();
    }
    expect(stage.calls.touch - before).toBeLessThanOrEqual(10);
    for (const stop of streams) stop();
    stage.sessions.close();
  });

  test('continues while its session is used on another replica', async () => {
    const { stage, record, onEnd, sweep } = await withStream();
    for (let i = 0; i < 12; i++) {
      stage.clocks.advance(10 * MINUTE_MS);
      await stage.elsewhere.touch(record.handle, stage.clocks.wallMs(), 30 * MINUTE_MS);
      await sweep();
    }
    expect(onEnd).not.toHaveBeenCalled();
    stage.sessions.close();
  });

  test('ends within a sweep when its session ends while the feed is interrupted', async () => {
    const { stage, record, onEnd, sweep } = await withStream();
    stage.feed.isCut = true;
    await stage.elsewhere.end(record.handle);
    await sweep();
    expect(onEnd).toHaveBeenCalledOnce();
  });

  test('ends within a sweep when its session was revoked before it was watched', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    const principal = (await stage.sessions.authenticate(sessionId)) as UserPrincipal;
    await stage.elsewhere.end(record.handle);
    const onEnd = vi.fn<() => void>();
    stage.sessions.watch(principal, onEnd);
    stage.sessions.sweepStreams();
    await settled();
    expect(onEnd).toHaveBeenCalledOnce();
  });

  test('continues for outageGrace during an outage, then ends', async () => {
    const { stage, onEnd, sweep } = await withStream();
    stage.isDown = true;
    for (let i = 0; i < 30; i++) {
      stage.clocks.advance(1_000);
      await sweep();
    }
    expect(onEnd).not.toHaveBeenCalled();
    stage.clocks.advance(1_000);
    await sweep();
    expect(onEnd).toHaveBeenCalledOnce();
  });

  test('continues when its session is evicted from the cache and read again', async () => {
    const { stage, sessionId, onEnd, sweep } = await withStream({ cacheMaxEntries: 1 });
    const other = await stage.open({ subject: 'carol' });
    for (let i = 0; i < 8; i++) {
      await stage.outcome(other.sessionId);
      await stage.outcome(sessionId);
      await settled();
      stage.clocks.advance(10 * MINUTE_MS);
      await stage.outcome(sessionId);
      await sweep();
    }
    expect(onEnd).not.toHaveBeenCalled();
    stage.sessions.close();
  });

  test('ends together with other streams of its session', async () => {
    const { stage, record, principal, onEnd } = await withStream();
    const second = vi.fn<() => void>();
    stage.sessions.watch(principal, second);
    await stage.elsewhere.end(record.handle);
    expect([onEnd.mock.calls.length, second.mock.calls.length]).toEqual([1, 1]);
  });
});

describe('a session that is renewed without its cookie', () => {
  test('is read from the store even if cached, and its use is recorded before the answer', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    stage.clocks.advance(10);
    const { read, touch } = stage.calls;
    const renewed = await stage.sessions.renew(record.handle);
    const lastSeenAtMs = stage.clocks.wallMs();
    expect(renewed).toMatchObject({ subject: 'bob', session: { ...record, lastSeenAtMs } });
    expect([stage.calls.read, stage.calls.touch]).toEqual([read + 1, touch + 1]);
    expect(await stage.elsewhere.read(record.handle)).toMatchObject({ lastSeenAtMs });
  });

  test('lives for another idle timeout, but never past the absolute one', async () => {
    const stage = new Stage({ idleTimeoutMs: 30 * MINUTE_MS, absoluteTimeoutMs: HOUR_MS });
    const { record } = await stage.open();
    for (const minutes of [29, 29]) {
      stage.clocks.advance(minutes * MINUTE_MS);
      expect(await stage.sessions.renew(record.handle)).toMatchObject({ kind: 'user' });
    }
    stage.clocks.advance(2 * MINUTE_MS);
    expect(await stage.sessions.renew(record.handle)).toMatchObject({ reason: expect.stringMatching(/^session_/) });
  });

  test('is not revived if it ended elsewhere or was idle too long', async () => {
    const stage = new Stage();
    const [ended, idle] = [await stage.open(), await stage.open()];
    await stage.outcome(ended.sessionId);
    stage.feed.fallSilent();
    await stage.elsewhere.end(ended.record.handle);
    expect(await stage.sessions.renew(ended.record.handle)).toMatchObject({ reason: 'session_unknown' });
    stage.clocks.advance(30 * MINUTE_MS);
    expect(await stage.sessions.renew(idle.record.handle)).toMatchObject({
      reason: expect.stringMatching(/^session_/),
    });
    for (const { record } of [ended, idle]) expect(await stage.elsewhere.read(record.handle)).toBeNull();
  });

  test('is not served from the cache while the store does not answer', async () => {
    const stage = new Stage();
    const { sessionId, record } = await stage.open();
    await stage.outcome(sessionId);
    stage.isDown = true;
    await expect(stage.sessions.renew(record.handle)).rejects.toMatchObject({ reason: 'store_unavailable' });
    expect(await stage.outcome(sessionId)).toBe('ok');
  });
});
