/**
 * What every store guarantees, whatever is behind it: run on memory, on a single Redis, behind Sentinel and on a
 * Cluster.
 */

import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MAX_SESSION_TOKEN_MS } from '../../src/lib/token-limits.ts';
import type { SessionRecord } from '../../src/store/session-record.ts';
import type { Store, ThrottleRule, TokenRevocation } from '../../src/store/store.ts';
import { throttleDelayMs } from '../../src/store/throttle.ts';
import { encodeTokenRevocation } from '../../src/store/token-revocation.ts';
import { asJti, someHandle } from '../support/names.ts';
import { until } from '../support/until.ts';
import { testCodes } from './codes-contract.ts';
import { testLoginTransactions } from './login-transactions-contract.ts';
import { testProviderSessions } from './provider-sessions-contract.ts';
import { testSealedTokens } from './sealed-tokens-contract.ts';

/** A store under test. */
export interface StoreUnderTest extends AsyncDisposable {
  /** Two gateways' views of one store; the same one twice when it is for one process. */
  readonly replicas: readonly [Store, Store];
}

const HOUR_MS = 3_600_000;

/** A record of a session that has just been opened. */
export function newRecord(overrides: Partial<SessionRecord> = {}): SessionRecord {
  const nowMs = Date.now();
  return {
    handle: someHandle(),
    subject: `user-${randomBytes(6).toString('hex')}`,
    user: { email: 'alice@example.com', roles: ['customer'], nested: { a: [1, null, true] } },
    method: 'password',
    version: 1,
    createdAtMs: nowMs,
    expiresAtMs: nowMs + HOUR_MS,
    lastSeenAtMs: nowMs,
    device: 'Firefox on Linux · 203.0.113.7',
    remembered: false,
    login: null,
    ...overrides,
  };
}

/** Declares the contract's tests for one store. */
export function testStoreContract(name: string, start: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    let underTest: StoreUnderTest;
    let store: Store;
    let other: Store;

    beforeAll(async () => {
      underTest = await start();
      [store, other] = underTest.replicas;
    });
    afterAll(() => underTest[Symbol.asyncDispose]());

    async function created(overrides: Partial<SessionRecord> = {}, ttlMs = HOUR_MS): Promise<SessionRecord> {
      const record = newRecord(overrides);
      await store.sessions.create(record, ttlMs);
      return record;
    }

    describe('a session', () => {
      test('is read by every replica as it was written', async () => {
        const record = await created();
        expect(await store.sessions.read(record.handle)).toEqual(record);
        expect(await other.sessions.read(record.handle)).toEqual(record);
      });

      test('keeps any text in a name, an attribute and a device', async () => {
        const record = await created({
          subject: '{Zoë} | "x"\n\u0000 \u{1f511} \ud800 ../*?[a]',
          user: { 'a b': 'ü', '': [], long: 'x'.repeat(4_000), '|': { constructor: 'no' } },
          device: '|1800000000000|\r\n',
        });
        expect(await other.sessions.read(record.handle)).toEqual(record);
        expect(await other.sessions.list(record.subject)).toEqual([record]);
      });

      test('keeps through use whether its user asked to stay logged in', async () => {
        const record = await created({ remembered: true });
        expect(await other.sessions.read(record.handle)).toEqual(record);
        await store.sessions.touch(record.handle, record.lastSeenAtMs + 1, HOUR_MS);
        expect((await other.sessions.read(record.handle))?.remembered).toBe(true);
      });

      test('keeps through use what the identity provider said', async () => {
        const login = {
          provider: 'corporate',
          subject: 'ü|{x}',
          sid: '08a5019c-17e1-4977-8f42-65a12843ea02',
          authTimeMs: 1_800_000_000_000,
          acr: 'urn:mace:incommon:iap:silver',
          amr: ['pwd', 'otp'],
        };
        const bare = { ...login, sid: null, authTimeMs: null, acr: null, amr: [] };
        for (const said of [login, bare, { ...login, provider: 'another', subject: 'someone else' }]) {
          const record = await created({ subject: 'corporate|ü|{x}', method: 'oidc', login: said });
          expect(await other.sessions.read(record.handle)).toEqual(record);
          const lastSeenAtMs = record.lastSeenAtMs + 1;
          await other.sessions.touch(record.handle, lastSeenAtMs, HOUR_MS);
          expect(await store.sessions.read(record.handle)).toEqual({ ...record, lastSeenAtMs });
        }
      });

      test('that was never opened does not exist', async () => {
        expect(await store.sessions.read(newRecord().handle)).toBeNull();
      });

      test('expires after its time to live', async () => {
        const record = await created({}, 30);
        await until(async () => (await store.sessions.read(record.handle)) === null, 'the session is gone');
        expect(await store.sessions.list(record.subject)).toEqual([]);
      });
    });

    describe('touch', () => {
      test('changes only the time of last use', async () => {
        const record = await created();
        const lastSeenAtMs = record.lastSeenAtMs + 61_000;
        expect(await store.sessions.touch(record.handle, lastSeenAtMs, HOUR_MS)).toBe(true);
        expect(await other.sessions.read(record.handle)).toEqual({ ...record, lastSeenAtMs });
      });

      test('resets the time to live', async () => {
        const record = await created();
        await store.sessions.touch(record.handle, record.lastSeenAtMs, 30);
        await until(async () => (await store.sessions.read(record.handle)) === null, 'the session is gone');
      });

      test('does not restore a session that was ended', async () => {
        const record = await created();
        await other.sessions.end(record.handle);
        expect(await store.sessions.touch(record.handle, Date.now(), HOUR_MS)).toBe(false);
        expect(await store.sessions.read(record.handle)).toBeNull();
      });

      test('does not restore a session that is ended at the same moment', async () => {
        for (let i = 0; i < 50; i++) {
          const record = await created();
          const touches = [store, other, store].map((replica) =>
            replica.sessions.touch(record.handle, Date.now(), HOUR_MS),
          );
          await Promise.all([
            ...touches,
            other.sessions.end(record.handle),
            store.sessions.touch(record.handle, 1, HOUR_MS),
          ]);
          expect(await store.sessions.read(record.handle)).toBeNull();
          expect(await store.sessions.list(record.subject)).toEqual([]);
        }
      });
    });

    describe('end', () => {
      test('ends the session on every replica and returns its record', async () => {
        const record = await created();
        expect(await other.sessions.end(record.handle)).toEqual(record);
        expect(await store.sessions.read(record.handle)).toBeNull();
        expect(await store.sessions.list(record.subject)).toEqual([]);
      });

      test('returns null for a session that does not exist', async () => {
        expect(await store.sessions.end(newRecord().handle)).toBeNull();
      });

      test('reaches the feed of every replica, even if the session did not exist', async () => {
        const present = await created();
        const absent = newRecord();
        const heard = [store, other].map((replica) => {
          const handles: string[] = [];
          return { handles, stop: replica.feed.subscribe((handle) => handles.push(handle)) };
        });
        await store.sessions.end(present.handle);
        await store.sessions.end(absent.handle);
        for (const { handles, stop } of heard) {
          await until(
            () => handles.includes(present.handle) && handles.includes(absent.handle),
            'the news has arrived',
          );
          stop();
        }
      });

      test('has reached the feed of its own replica once it is done', async () => {
        const record = await created();
        const handles: string[] = [];
        const stop = store.feed.subscribe((handle) => handles.push(handle));
        await store.sessions.end(record.handle);
        expect(handles).toContain(record.handle);
        stop();
      });
    });

    describe('log out everywhere', () => {
      test('ends every session of the subject and no other', async () => {
        const { subject, handle } = await created();
        const others = [await created({ subject }), await created({ subject })];
        const stranger = await created();
        const ended = await other.sessions.endAll(subject);
        expect([...ended].sort()).toEqual([handle, ...others.map((record) => record.handle)].sort());
        for (const gone of [handle, ...ended]) expect(await store.sessions.read(gone)).toBeNull();
        expect(await store.sessions.list(subject)).toEqual([]);
        expect(await store.sessions.read(stranger.handle)).toEqual(stranger);
      });

      test('sends each session to the feed', async () => {
        const { subject, handle } = await created();
        const second = await created({ subject });
        const handles: string[] = [];
        const stop = other.feed.subscribe((told) => handles.push(told));
        await store.sessions.endAll(subject);
        await until(() => handles.includes(handle) && handles.includes(second.handle), 'the news has arrived');
        stop();
      });

      test('ends nothing for a subject without sessions', async () => {
        expect(await store.sessions.endAll('nobody')).toEqual([]);
        const { subject, handle } = await created();
        await store.sessions.end(handle);
        expect(await store.sessions.endAll(subject)).toEqual([]);
      });

      test('leaves no session of a concurrent login outside the index', async () => {
        for (let i = 0; i < 100; i++) {
          const { subject, handle } = await created();
          const atOnce = [newRecord({ subject }), newRecord({ subject })];
          const logins = atOnce.map(async (record, n) => {
            for (let turn = 0; turn < (i * (n + 1)) % 7; turn++) await other.sessions.read(record.handle);
            await (n === 0 ? store : other).sessions.create(record, HOUR_MS);
          });
          await Promise.all([...logins, store.sessions.endAll(subject)]);
          expect(await store.sessions.read(handle)).toBeNull();
          const listed = (await other.sessions.list(subject)).map((record) => record.handle);
          for (const record of atOnce) {
            const isAlive = (await other.sessions.read(record.handle)) !== null;
            expect(listed.includes(record.handle)).toBe(isAlive);
          }
          await other.sessions.endAll(subject);
          for (const record of atOnce) expect(await store.sessions.read(record.handle)).toBeNull();
        }
      });
    });

    describe('list', () => {
      test('returns the live sessions of a subject, oldest first', async () => {
        const { subject, ...first } = await created({ createdAtMs: Date.now() - 1_000 });
        const third = await created({ subject, createdAtMs: Date.now() + 1_000 });
        const second = await created({ subject });
        const ended = await created({ subject });
        await store.sessions.end(ended.handle);
        expect(await other.sessions.list(subject)).toEqual([{ subject, ...first }, second, third]);
      });

      test('is empty for a subject without sessions', async () => {
        expect(await store.sessions.list('nobody')).toEqual([]);
      });
    });

    describe('attempts', () => {
      const rule: ThrottleRule = { freeAttempts: 3, maxDelayMs: 10_000, windowMs: 60_000 };
      const newKey = () => `account:${randomBytes(8).toString('hex')}`;

      test('wait as the rule says, and attempts during the wait do not count', async () => {
        const key = newKey();
        let nowMs = 1_800_000_000_000;
        for (let failures = 1; failures <= 9; failures++) {
          expect(await store.attempts.begin(key, rule, nowMs)).toBe(0);
          const delayMs = throttleDelayMs(failures, rule);
          if (delayMs > 0) expect(await other.attempts.begin(key, rule, nowMs)).toBe(delayMs);
          if (delayMs > 1) expect(await store.attempts.begin(key, rule, nowMs + delayMs - 1)).toBe(1);
          nowMs += delayMs;
        }
        expect(nowMs).toBe(1_800_000_000_000 + 1_000 + 2_000 + 4_000 + 8_000 + 3 * 10_000);
      });

      test('are forgotten after a window without another attempt', async () => {
        const key = newKey();
        const nowMs = 1_800_000_000_000;
        for (let i = 0; i < 3; i++) await store.attempts.begin(key, rule, nowMs);
        expect(await store.attempts.begin(key, rule, nowMs + 999)).toBe(1);
        const forgottenMs = nowMs + 1_000 + rule.windowMs;
        for (let i = 0; i < 3; i++) expect(await store.attempts.begin(key, rule, forgottenMs)).toBe(0);
        expect(await store.attempts.begin(key, rule, forgottenMs)).toBe(1_000);
      });

      test('gain nothing in parallel', async () => {
        const key = newKey();
        const waits = await Promise.all(
          Array.from({ length: 40 }, (_, i) =>
            (i % 2 === 0 ? store : other).attempts.begin(key, rule, 1_800_000_000_000),
          ),
        );
        expect(waits.filter((wait) => wait === 0)).toHaveLength(3);
        expect(waits.filter((wait) => wait === 1_000)).toHaveLength(37);
      });

      test('are forgotten after a success', async () => {
        const key = newKey();
        for (let i = 0; i < 3; i++) await store.attempts.begin(key, rule, 1_800_000_000_000);
        await other.attempts.succeeded(key);
        for (let i = 0; i < 3; i++) expect(await store.attempts.begin(key, rule, 1_800_000_000_000)).toBe(0);
      });

      test('can be taken back, one at a time', async () => {
        const key = newKey();
        const nowMs = 1_800_000_000_000;
        for (let i = 0; i < 3; i++) await store.attempts.begin(key, rule, nowMs);
        await other.attempts.takeBack(key);
        expect(await store.attempts.begin(key, rule, nowMs)).toBe(0);
        expect(await store.attempts.begin(key, rule, nowMs)).toBe(1_000);
        for (let i = 0; i < 5; i++) await store.attempts.takeBack(key);
        for (let i = 0; i < 3; i++) expect(await store.attempts.begin(key, rule, nowMs)).toBe(0);
        expect(await store.attempts.begin(key, rule, nowMs)).toBe(1_000);
      });

      test('are counted for each key separately', async () => {
        const [key, another] = [newKey(), newKey()];
        for (let i = 0; i < 3; i++) await store.attempts.begin(key, rule, 1_800_000_000_000);
        expect(await store.attempts.begin(another, rule, 1_800_000_000_000)).toBe(0);
      });
    });

    describe('one-time use of a key', () => {
      const newKey = () => `jti:${randomBytes(8).toString('hex')}`;

      test('JWT-44: succeeds once across replicas', async () => {
        const key = newKey();
        expect(await store.once.use(key, HOUR_MS)).toBe(true);
        expect(await store.once.use(key, HOUR_MS)).toBe(false);
        expect(await other.once.use(key, HOUR_MS)).toBe(false);
        expect(await other.once.use(newKey(), HOUR_MS)).toBe(true);
      });

      test('JWT-44: succeeds once among concurrent attempts', async () => {
        for (let i = 0; i < 20; i++) {
          const key = newKey();
          const asked = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? store : other).once.use(key, HOUR_MS));
          expect((await Promise.all(asked)).filter((isFirst) => isFirst)).toHaveLength(1);
        }
      });

      test('is possible again after its time', async () => {
        const key = newKey();
        expect(await store.once.use(key, 30)).toBe(true);
        await until(() => other.once.use(key, 30), 'it is possible again');
      });
    });

    testProviderSessions(() => [store, other], created);

    testLoginTransactions(() => [store, other]);
    testCodes(() => [store, other]);

    testSealedTokens(() => [store, other], created);

    describe('revocations of tokens', () => {
      const newId = () => randomBytes(16).toString('base64url');
      const aToken = (overrides: Partial<TokenRevocation & { kind: 'token' }> = {}) =>
        ({
          kind: 'token',
          tokenId: asJti(newId()),
          issuer: null,
          expiresAtMs: Date.now() + HOUR_MS,
          ...overrides,
        }) as const;
      const aSubject = (overrides: Partial<TokenRevocation & { kind: 'subject' }> = {}) => {
        const times = { notBeforeMs: Date.now(), expiresAtMs: Date.now() + HOUR_MS };
        return { kind: 'subject', subject: newId(), issuer: null, ...times, ...overrides } as const;
      };
      const isOnRecord = async (revocation: TokenRevocation) => {
        const form = encodeTokenRevocation(revocation);
        return (await other.tokenRevocations.current()).find((held) => encodeTokenRevocation(held) === form);
      };
      /** Collects what each replica hears from now on. */
      const following = () =>
        [store, other].map((replica) => {
          const heard: TokenRevocation[] = [];
          let resumed = 0;
          const stop = replica.tokenRevocations.follow({
            onRevoked: (revocation) => heard.push(revocation),
            onResumed: () => {
              resumed += 1;
            },
          });
          return { heard, stop, resumed: () => resumed };
        });

      test('are read by every replica as they were written', async () => {
        const revocations = [
          aToken(),
          aToken({ issuer: 'https://id.example.com' }),
          aToken({ tokenId: asJti('{ü}\n"\u0000 \u{1f511} \ud800 ["x"]'), issuer: '' }),
          aSubject(),
          aSubject({ subject: 'system:serviceaccount:ns:a', issuer: 'https://kubernetes.default.svc' }),
          { kind: 'session', handle: newRecord().handle, expiresAtMs: Date.now() + HOUR_MS } as const,
        ];
        for (const revocation of revocations) await store.tokenRevocations.revoke(revocation);
        for (const revocation of revocations) expect(await isOnRecord(revocation)).toEqual(revocation);
      });

      test('reach every following replica, and their own before they are done', async () => {
        const [own, others] = following() as [ReturnType<typeof following>[0], ReturnType<typeof following>[0]];
        const revocation = aToken();
        await store.tokenRevocations.revoke(revocation);
        expect(own.heard).toContainEqual(revocation);
        await until(() => others.heard.some((heard) => isDeepStrictEqual(heard, revocation)), 'the news has arrived');
        own.stop();
        others.stop();
        const [ownCount, othersCount] = [own.heard.length, others.heard.length];
        await store.tokenRevocations.revoke(aToken());
        const [, later] = following() as [ReturnType<typeof following>[0], ReturnType<typeof following>[0]];
        const last = aToken();
        await store.tokenRevocations.revoke(last);
        await until(() => later.heard.some((heard) => isDeepStrictEqual(heard, last)), 'the news has arrived');
        expect([own.heard.length, others.heard.length]).toEqual([ownCount, othersCount]);
      });

      test('a new follower is told at once that the feed delivers', () => {
        for (const { resumed, stop } of following()) {
          expect(resumed()).toBe(1);
          stop();
        }
      });

      test('made twice are recorded once, for the longer time', async () => {
        const revocation = aToken();
        await store.tokenRevocations.revoke(revocation);
        await other.tokenRevocations.revoke({ ...revocation, expiresAtMs: revocation.expiresAtMs - 60_000 });
        expect(await isOnRecord(revocation)).toEqual(revocation);
        const longer = { ...revocation, expiresAtMs: revocation.expiresAtMs + 60_000 };
        await other.tokenRevocations.revoke(longer);
        expect(await isOnRecord(revocation)).toEqual(longer);
        const all = await store.tokenRevocations.current();
        expect(all.filter((held) => held.kind === 'token' && held.tokenId === revocation.tokenId)).toEqual([longer]);
      });

      test('expire once no such token can be valid', async () => {
        // With increasing lifetimes, until one lives long enough to be seen.
        for (let lifetimeMs = 200; ; lifetimeMs *= 2) {
          const revocation = aToken({ expiresAtMs: Date.now() + lifetimeMs });
          await store.tokenRevocations.revoke(revocation);
          const seen = await isOnRecord(revocation);
          await until(async () => (await isOnRecord(revocation)) === undefined, 'it is gone');
          if (seen === undefined) continue;
          expect(seen).toEqual(revocation);
          return;
        }
      });

      test('include the end of a session, whether or not the session existed', async () => {
        const [present, absent] = [await created(), newRecord()];
        const followers = following();
        for (const { handle } of [present, absent]) {
          await store.sessions.end(handle);
          const held = await isOnRecord({ kind: 'session', handle, expiresAtMs: 0 });
          expect(held?.expiresAtMs).toBeGreaterThan(Date.now() + HOUR_MS);
          for (const { heard } of followers) {
            await until(
              () => heard.some((told) => told.kind === 'session' && told.handle === handle),
              'followers hear of it',
            );
          }
        }
        for (const { stop } of followers) stop();
      });

      test('include the end of every session by "log out everywhere"', async () => {
        const { subject, handle } = await created();
        const second = await created({ subject });
        await store.sessions.endAll(subject);
        for (const ended of [handle, second.handle]) {
          expect(await isOnRecord({ kind: 'session', handle: ended, expiresAtMs: 0 })).toBeDefined();
        }
      });

      test('keep the end of a session for as long as configured', async () => {
        store.tokenRevocations.keepEndedSessionsFor(120_000);
        const { handle } = await created();
        const beforeMs = Date.now();
        await store.sessions.end(handle);
        const afterMs = Date.now();
        const endsAtMs = (await isOnRecord({ kind: 'session', handle, expiresAtMs: 0 }))?.expiresAtMs;
        store.tokenRevocations.keepEndedSessionsFor(MAX_SESSION_TOKEN_MS);
        expect(endsAtMs).toBeGreaterThanOrEqual(beforeMs + 120_000);
        expect(endsAtMs).toBeLessThanOrEqual(afterMs + 120_000);
      });

      test('are all read when there is more than a page of them, even with the same expiry', async () => {
        const expiresAtMs = Date.now() + HOUR_MS;
        const sameMoment = Array.from({ length: 2_100 }, () => aToken({ expiresAtMs }));
        const others = Array.from({ length: 2_100 }, (_, i) => aToken({ expiresAtMs: expiresAtMs + 1 + i }));
        await Promise.all([...sameMoment, ...others].map((revocation) => store.tokenRevocations.revoke(revocation)));
        const all = new Set((await other.tokenRevocations.current()).map(encodeTokenRevocation));
        const missing = [...sameMoment, ...others].filter((revocation) => !all.has(encodeTokenRevocation(revocation)));
        expect(missing).toEqual([]);
      });
    });

    describe('the feed', () => {
      test('is proven repeatedly', async () => {
        await until(() => store.feed.provenAtMs() !== null, 'the feed is proven');
        const firstMs = store.feed.provenAtMs() ?? 0;
        await until(() => (store.feed.provenAtMs() ?? 0) > firstMs, 'it is proven again');
      });

      test('has been unbroken since an earlier time', () => {
        expect(store.feed.unbrokenSinceMs()).toBeLessThan(performance.now());
      });

      test('stops calling a subscriber that has unsubscribed', async () => {
        const handles: string[] = [];
        store.feed.subscribe((handle) => handles.push(handle))();
        await store.sessions.end(newRecord().handle);
        expect(handles).toEqual([]);
      });
    });

    test('describes itself and reports that it is available', () => {
      expect(store.description).toMatch(/^(memory|redis|redis sentinel|redis cluster) \(.+\)$/);
      expect(store.isAvailable()).toBe(true);
    });
  });
}
