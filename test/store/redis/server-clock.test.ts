/** Replicas with wrong clocks on one Redis: Redis dates what they share. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SessionSeries } from '../../../src/authentication/session/series.ts';
import { Sessions } from '../../../src/authentication/session/sessions.ts';
import { Denial } from '../../../src/errors.ts';
import { newJti } from '../../../src/jwt/names.ts';
import type { SessionRecord } from '../../../src/store/session-record.ts';
import { MetricRegistry } from '../../../src/telemetry/registry.ts';
import { TestClocks } from '../../support/clocks.ts';
import { RedisServer } from '../../support/redis.ts';
import { type DisposableStore, openStore } from '../../support/redis-store.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** The tolerance of a comparison, and the longest that a test may take. */
const NEARLY_MS = 5 * MINUTE_MS;

const SETTINGS = {
  idleTimeoutMs: 30 * MINUTE_MS,
  absoluteTimeoutMs: 12 * HOUR_MS,
  remembered: null,
  maxPerUser: 50,
  cacheMaxEntries: 100,
  recheckAfterMs: 1_000,
  feedTimeoutMs: 1_000,
  outageGraceMs: 30_000,
};

/** A replica with its own clock. */
class Replica implements AsyncDisposable {
  readonly store: DisposableStore;
  readonly clocks: TestClocks;
  readonly sessions: Sessions;

  private constructor(store: DisposableStore, clocks: TestClocks) {
    this.store = store;
    this.clocks = clocks;
    this.sessions = new Sessions(store, SETTINGS, clocks, new SessionSeries(new MetricRegistry()), () => {});
  }

  static async start(url: string, aheadMs: number): Promise<Replica> {
    const clocks = new TestClocks(Date.now() + aheadMs);
    return new Replica(await openStore(url, { clocks }), clocks);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.sessions.close();
    await this.store.close();
  }

  async open(subject: string): Promise<{ readonly sessionId: string; readonly record: SessionRecord }> {
    const login = { provider: 'id', subject, sid: null, authTimeMs: this.clocks.wallMs(), acr: null, amr: [] };
    return this.sessions.open({ subject, user: {}, method: 'oidc', device: '', login });
  }

  /** `ok`, or why a session is refused. */
  async outcome(sessionId: string): Promise<string> {
    const found = await this.sessions.authenticate(sessionId);
    return found instanceof Denial ? found.reason : 'ok';
  }

  /** How long ago something was, by this replica's clock. */
  ageMs(timeMs: number | null | undefined): number {
    return this.clocks.wallMs() - (timeMs ?? Number.NaN);
  }
}

let redis: RedisServer;
beforeAll(async () => {
  redis = await RedisServer.start();
});
afterAll(() => redis[Symbol.asyncDispose]());

describe.each([
  ['three hours ahead', 3 * HOUR_MS],
  ['three hours behind', -3 * HOUR_MS],
  ['a year ahead', 365 * 24 * HOUR_MS],
  ['at 1970', -Date.now()],
])('SES-08: a replica whose clock is %s', (name, aheadMs) => {
  test('serves the sessions of others, ends none of them, and keeps their times correct', async () => {
    await using right = await Replica.start(redis.url, 0);
    await using wrong = await Replica.start(redis.url, aheadMs);
    const { sessionId, record } = await right.open(name);
    expect(await wrong.outcome(sessionId)).toBe('ok');
    // A use is recorded after a minute.
    wrong.clocks.advance(2 * MINUTE_MS);
    expect(await wrong.outcome(sessionId)).toBe('ok');
    await wrong.sessions.renew(record.handle);
    const seen = await right.store.sessions.read(record.handle);
    expect(seen).toMatchObject({ createdAtMs: record.createdAtMs, expiresAtMs: record.expiresAtMs });
    expect(Math.abs(right.ageMs(seen?.lastSeenAtMs))).toBeLessThan(NEARLY_MS);
    expect(await right.outcome(sessionId)).toBe('ok');
  });

  test('opens sessions that others serve, with correct times', async () => {
    await using right = await Replica.start(redis.url, 0);
    await using wrong = await Replica.start(redis.url, aheadMs);
    const { sessionId, record } = await wrong.open(name);
    expect(await right.outcome(sessionId)).toBe('ok');
    const seen = await right.store.sessions.read(record.handle);
    expect(Math.abs(right.ageMs(seen?.createdAtMs))).toBeLessThan(NEARLY_MS);
    expect(Math.abs(right.ageMs(seen?.login?.authTimeMs))).toBeLessThan(NEARLY_MS);
    expect((seen?.expiresAtMs ?? 0) - (seen?.createdAtMs ?? 0)).toBe(SETTINGS.absoluteTimeoutMs);
    expect((await wrong.store.sessions.read(record.handle))?.createdAtMs).toBe(record.createdAtMs);
    expect(await right.sessions.list(name)).toHaveLength((await wrong.sessions.list(name)).length);
    const changed = await right.sessions.update(record.handle, { user: { a: 1 }, login: record.login }, 1);
    expect(changed.outcome).toBe('updated');
    expect(await wrong.outcome(sessionId)).toBe('ok');
  });

  test('keeps no session that is over', async () => {
    await using wrong = await Replica.start(redis.url, aheadMs);
    const { sessionId } = await wrong.open(name);
    wrong.clocks.advance(SETTINGS.idleTimeoutMs);
    expect(await wrong.outcome(sessionId)).toMatch(/^session_(unknown|expired)$/);
  });

  test('serves the same sessions after its clock is corrected', async () => {
    await using wrong = await Replica.start(redis.url, aheadMs);
    const { sessionId } = await wrong.open(name);
    wrong.clocks.stepWall(-aheadMs);
    wrong.clocks.advance(2_000);
    expect(await wrong.outcome(sessionId)).toBe('ok');
  });

  test('forgets neither the failed attempts nor the revoked tokens of others', async () => {
    await using right = await Replica.start(redis.url, 0);
    await using wrong = await Replica.start(redis.url, aheadMs);
    const rule = { freeAttempts: 3, maxDelayMs: 60_000, windowMs: 10 * MINUTE_MS };
    const begin = ({ store, clocks }: Replica) => {
      for (const replica of [right, wrong]) replica.clocks.advance(100);
      return store.attempts.begin(`account:${name}`, rule, clocks.wallMs());
    };
    for (const replica of [right, wrong, right]) expect(await begin(replica)).toBe(0);
    for (const replica of [wrong, right]) {
      const waitMs = await begin(replica);
      expect([waitMs > 0, waitMs <= rule.maxDelayMs]).toEqual([true, true]);
    }

    const revoke = ({ store, clocks }: Replica, tokenId = newJti()) =>
      store.tokenRevocations
        .revoke({ kind: 'token', tokenId, issuer: null, expiresAtMs: clocks.wallMs() + 10 * MINUTE_MS })
        .then(() => tokenId);
    const revoked = [await revoke(right), await revoke(wrong), await revoke(right)];
    for (const { store, clocks } of [right, wrong]) {
      const all = await store.tokenRevocations.current();
      const current = all.filter((it) => it.kind === 'token' && revoked.includes(it.tokenId));
      expect(current).toHaveLength(revoked.length);
      for (const { expiresAtMs } of current) {
        expect(Math.abs(expiresAtMs - clocks.wallMs() - 10 * MINUTE_MS)).toBeLessThan(NEARLY_MS);
      }
    }
  });
});
