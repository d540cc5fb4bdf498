/** What every store guarantees about sessions from an identity provider; part of `testStoreContract`. */

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { ProviderLogin, SessionRecord } from '../../src/store/session-record.ts';
import type { Store } from '../../src/store/store.ts';
import { someHandle } from '../support/names.ts';
import { until } from '../support/until.ts';

const HOUR_MS = 3_600_000;
const PROVIDER = 'corporate';

const random = () => randomBytes(12).toString('base64url');
const newLogin = (overrides: Partial<ProviderLogin> = {}): ProviderLogin => ({
  provider: PROVIDER,
  subject: random(),
  sid: random(),
  authTimeMs: 1_800_000_000_000,
  acr: null,
  amr: [],
  ...overrides,
});

/**
 * Declares the tests.
 *
 * @param replicas  two views of the store, once it is open
 * @param created   opens a session
 */
export function testProviderSessions(
  replicas: () => readonly [Store, Store],
  created: (overrides?: Partial<SessionRecord>) => Promise<SessionRecord>,
): void {
  /** A session with this login; its subject is derived from the login, unless one is given. */
  const opened = (login: ProviderLogin, subject = `${login.provider}|${login.subject}`) =>
    created({ login, subject, method: 'oidc' });
  const areLive = async (...records: SessionRecord[]) => {
    const [, other] = replicas();
    return Promise.all(records.map(async ({ handle }) => (await other.sessions.read(handle)) !== null));
  };
  const handlesOf = (...records: SessionRecord[]) => records.map(({ handle }) => handle).sort();

  describe('a logout at an identity provider', () => {
    test('by `sid` ends its sessions here and no others', async () => {
      const [one, other] = replicas();
      const login = newLogin();
      const [first, second] = [await opened(login), await opened({ ...login, subject: random() })];
      const others = [
        await opened({ ...login, sid: random() }),
        await opened({ ...login, sid: null }),
        await opened({ ...login, provider: 'another' }),
      ];
      const heard: string[] = [];
      const stop = one.feed.subscribe((handle) => heard.push(handle));
      const ended = await other.sessions.endByProvider(PROVIDER, { sid: login.sid ?? '' });
      expect([...ended].sort()).toEqual(handlesOf(first, second));
      expect(await areLive(first, second, ...others)).toEqual([false, false, true, true, true]);
      for (const { handle, subject } of [first, second]) {
        await until(() => heard.includes(handle), 'every replica hears of it');
        expect((await one.sessions.list(subject)).map((record) => record.handle)).not.toContain(handle);
      }
      stop();
      expect(await one.sessions.endByProvider(PROVIDER, { sid: login.sid ?? '' })).toEqual([]);
    });

    test.each([
      ['names the provider’s user', null],
      ['comes from another claim', 'alice@example.com'],
    ])('by user ends all sessions of the user here, where the subject %s', async (_, subject) => {
      const [one, other] = replicas();
      const login = newLogin();
      const name = subject === null ? undefined : `${PROVIDER}|${random()}${subject}`;
      const own = [await opened(login, name), await opened({ ...login, sid: null }, name)];
      const others = [
        await opened(newLogin(), name),
        await opened({ ...login, provider: 'another' }),
        await created({ subject: login.subject }),
      ];
      const heard: string[] = [];
      const stop = other.feed.subscribe((handle) => heard.push(handle));
      const ended = await one.sessions.endByProvider(PROVIDER, { subject: login.subject });
      expect([...ended].sort()).toEqual(handlesOf(...own));
      expect(await areLive(...own, ...others)).toEqual([false, false, true, true, true]);
      for (const { handle } of own) await until(() => heard.includes(handle), 'every replica hears of it');
      stop();
      expect(await one.sessions.endByProvider(PROVIDER, { subject: login.subject })).toEqual([]);
    });

    test('OIDC-16: by an unknown name ends nothing, even if the name is known in another role', async () => {
      const [one] = replicas();
      const login = newLogin({ sid: 'subject', subject: 'sid' });
      const record = await opened(login);
      for (const which of [{ sid: '' }, { sid: 'sid' }, { subject: 'subject' }, { subject: '' }]) {
        expect(await one.sessions.endByProvider(PROVIDER, which)).toEqual([]);
      }
      expect(await one.sessions.endByProvider('', { sid: 'subject' })).toEqual([]);
      expect(await areLive(record)).toEqual([true]);
      await one.sessions.end(record.handle);
    });

    test('ends a login that it overtakes, but no login of another session there', async () => {
      const [one, other] = replicas();
      const login = newLogin();
      await other.sessions.endByProvider(PROVIDER, { sid: login.sid ?? '' });
      const heard: string[] = [];
      const stop = one.feed.subscribe((handle) => heard.push(handle));
      const [late, next] = [await opened(login), await opened({ ...login, sid: random() })];
      expect(await areLive(late, next)).toEqual([false, true]);
      expect([...new Set(heard)]).toEqual([late.handle]);
      stop();
    });

    test.each(['sid', 'subject'] as const)('by %s can still end the session of a concurrent login', async (by) => {
      const [one, other] = replicas();
      for (let round = 0; round < 50; round++) {
        const login = newLogin();
        const subject = round % 2 === 0 ? undefined : random();
        const which = by === 'sid' ? { sid: login.sid ?? '' } : { subject: login.subject };
        const before = await opened(login, subject);
        const [atOnce] = await Promise.all([opened(login, subject), other.sessions.endByProvider(PROVIDER, which)]);
        expect(await areLive(before)).toEqual([false]);
        await one.sessions.endByProvider(PROVIDER, which);
        expect(await areLive(atOnce)).toEqual([false]);
      }
    });
  });

  describe('an update of a session', () => {
    test('reaches every replica with the next version and unchanged times', async () => {
      const [one, other] = replicas();
      const record = await opened(newLogin());
      await one.sessions.touch(record.handle, record.lastSeenAtMs + 5, HOUR_MS);
      const changes = { user: { roles: ['ü', 'admin'] }, login: { ...newLogin(), sid: null } };
      const expected = { ...record, ...changes, version: 2, lastSeenAtMs: record.lastSeenAtMs + 5 };
      const updated = await other.sessions.update(record.handle, changes, 1);
      expect(updated).toEqual({ outcome: 'updated', record: expected });
      for (const replica of [one, other]) {
        expect(await replica.sessions.read(record.handle)).toEqual(expected);
        expect(await replica.sessions.list(record.subject)).toEqual([expected]);
      }
      const plain = { user: {}, login: null };
      expect(await one.sessions.update(record.handle, plain, 2)).toMatchObject({ record: { ...plain, version: 3 } });
    });

    test('keeps the time to live', async () => {
      const [one] = replicas();
      const record = await created();
      await one.sessions.touch(record.handle, record.lastSeenAtMs, 300);
      await one.sessions.update(record.handle, { user: {}, login: null }, 1);
      await until(async () => (await one.sessions.read(record.handle)) === null, 'the session is gone');
    });

    test('is announced to every replica, and to its own before it is done', async () => {
      const [one, other] = replicas();
      const record = await created();
      const [own, others, ends]: [string[], string[], string[]] = [[], [], []];
      const stops = [
        one.feed.subscribeToUpdates((handle) => own.push(handle)),
        other.feed.subscribeToUpdates((handle) => others.push(handle)),
        other.feed.subscribe((handle) => ends.push(handle)),
      ];
      await one.sessions.update(record.handle, { user: {}, login: null }, 1);
      expect(own).toContain(record.handle);
      await until(() => others.includes(record.handle), 'the news has arrived');
      for (const stop of stops) stop();
      const heard = own.length;
      await one.sessions.update(record.handle, { user: { a: 1 }, login: null }, 2);
      expect(own).toHaveLength(heard);
      expect(ends).toEqual([]);
    });

    test('does nothing if the version is not the expected one or the session has ended', async () => {
      const [one, other] = replicas();
      const record = await created();
      const changes = { user: { roles: ['admin'] }, login: null };
      expect(await one.sessions.update(record.handle, changes, 2)).toEqual({ outcome: 'outdated', record });
      expect(await one.sessions.update(record.handle, changes, 0)).toEqual({ outcome: 'outdated', record });
      expect(await other.sessions.read(record.handle)).toEqual(record);
      await other.sessions.end(record.handle);
      expect(await one.sessions.update(record.handle, changes, 1)).toEqual({ outcome: 'ended' });
      expect(await one.sessions.update(someHandle(), changes, 1)).toEqual({ outcome: 'ended' });
      expect(await other.sessions.read(record.handle)).toBeNull();
    });

    test('succeeds for one of twenty concurrent ones', async () => {
      const [one, other] = replicas();
      for (let round = 0; round < 10; round++) {
        const record = await opened(newLogin());
        const results = await Promise.all(
          Array.from({ length: 20 }, (_, at) =>
            (at % 2 === 0 ? one : other).sessions.update(record.handle, { user: { at }, login: record.login }, 1),
          ),
        );
        const winners = results.filter(({ outcome }) => outcome === 'updated');
        expect(winners).toHaveLength(1);
        expect(results.filter(({ outcome }) => outcome === 'outdated')).toHaveLength(19);
        const [winner] = winners;
        expect(await other.sessions.read(record.handle)).toEqual(winner?.outcome === 'updated' && winner.record);
      }
    });

    test('does not restore a session that ends at the same moment', async () => {
      const [one, other] = replicas();
      for (let round = 0; round < 30; round++) {
        const record = await opened(newLogin());
        await Promise.all([
          one.sessions.update(record.handle, { user: { round }, login: record.login }, 1),
          other.sessions.end(record.handle),
          other.sessions.update(record.handle, { user: { other: round }, login: record.login }, 1),
        ]);
        expect(await areLive(record)).toEqual([false]);
      }
    });

    test('changes the names by which the provider can end the session', async () => {
      const [one, other] = replicas();
      const record = await opened(newLogin(), random());
      const login = newLogin();
      await one.sessions.update(record.handle, { user: {}, login }, 1);
      const { sid, subject } = record.login as ProviderLogin;
      expect(await other.sessions.endByProvider(PROVIDER, { sid: sid ?? '' })).toEqual([]);
      expect(await other.sessions.endByProvider(PROVIDER, { subject })).toEqual([]);
      expect(await areLive(record)).toEqual([true]);
      expect(await other.sessions.endByProvider(PROVIDER, { sid: login.sid ?? '' })).toEqual([record.handle]);
      expect(await one.sessions.endByProvider(PROVIDER, { subject: login.subject })).toEqual([]);
    });

    test('ends the session if its new `sid` has ended at the provider', async () => {
      const [one, other] = replicas();
      const record = await opened(newLogin());
      const login = newLogin({ subject: record.login?.subject ?? '' });
      await other.sessions.endByProvider(PROVIDER, { sid: login.sid ?? '' });
      expect(await one.sessions.update(record.handle, { user: {}, login }, 1)).toEqual({ outcome: 'ended' });
      expect(await areLive(record)).toEqual([false]);
    });
  });
}
