/** What every store guarantees about sealed tokens; part of `testStoreContract`. */

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { SessionHandle } from '../../src/jwt/names.ts';
import type { SealedTokenStore } from '../../src/store/sealed-tokens.ts';
import type { SessionRecord } from '../../src/store/session-record.ts';
import type { Store } from '../../src/store/store.ts';
import { until } from '../support/until.ts';

const HOUR_MS = 3_600_000;
/** Longer than any of these tests takes. */
const LEASE_MS = 60_000;
/** Over after two milliseconds. */
const NO_LEASE_MS = 1;

const random = () => randomBytes(16).toString('base64url');

/**
 * Declares the tests.
 *
 * @param replicas  two views of the store, once it is open
 * @param created   opens a session with this time to live
 */
export function testSealedTokens(
  replicas: () => readonly [Store, Store],
  created: (overrides?: Partial<SessionRecord>, ttlMs?: number) => Promise<SessionRecord>,
): void {
  describe('sealed tokens', () => {
    async function sealed(ttlMs = HOUR_MS) {
      const [{ sealedTokens: one }, { sealedTokens: other }] = replicas();
      const { handle, subject } = await created({}, ttlMs);
      expect(await one.put(handle, 'first')).toBe(true);
      return { one, other, handle, subject };
    }
    const valueIn = async (store: SealedTokenStore, handle: SessionHandle) => (await store.get(handle))?.value ?? null;

    test('are read by every replica as they were written, with their version and age', async () => {
      const { one, other, handle } = await sealed();
      for (const store of [one, other]) {
        const tokens = await store.get(handle);
        expect(tokens).toMatchObject({ value: 'first', version: 1 });
        expect(tokens?.ageMs).toBeGreaterThanOrEqual(0);
      }
      await until(async () => ((await other.get(handle))?.ageMs ?? 0) > 20, 'they age');
      for (const [at, value] of ['', 'AA', 'AB', 'AAA=', '-_-_', randomBytes(99).toString('base64url')].entries()) {
        expect(await one.replace(handle, at + 1, value)).toBe('replaced');
        expect(await other.get(handle)).toMatchObject({ value, version: at + 2 });
      }
      expect(await other.replace(handle, 7, 'ü|\u0000\u{1f511}'.repeat(1_000))).toBe('replaced');
      expect(await one.get(handle)).toMatchObject({ value: 'ü|\u0000\u{1f511}'.repeat(1_000), version: 8 });
    });

    test.each([10, 900, 1_100, 4_000])(
      'do not change a session with %i characters of attributes, nor does it change them',
      async (length) => {
        const [store, other] = replicas();
        const tokens = 'ü\n|'.repeat(length);
        const record = await created({ user: { name: 'ü'.repeat(length) } });
        expect(await store.sealedTokens.put(record.handle, tokens)).toBe(true);
        expect(await other.sessions.read(record.handle)).toEqual(record);
        expect(await other.sessions.touch(record.handle, record.lastSeenAtMs + 1, HOUR_MS)).toBe(true);
        const changes = { user: { name: 'ö\n'.repeat(length) }, login: null };
        const changed = { ...record, ...changes, version: 2, lastSeenAtMs: record.lastSeenAtMs + 1 };
        expect(await other.sessions.update(record.handle, changes, 1)).toEqual({ outcome: 'updated', record: changed });
        expect(await store.sessions.read(record.handle)).toEqual(changed);
        expect(await store.sealedTokens.get(record.handle)).toMatchObject({ value: tokens, version: 1 });
        expect(await other.sealedTokens.replace(record.handle, 1, tokens + tokens)).toBe('replaced');
        expect(await store.sessions.list(record.subject)).toEqual([changed]);
        expect(await other.sealedTokens.get(record.handle)).toMatchObject({ value: tokens + tokens, version: 2 });
        expect(await store.sessions.end(record.handle)).toEqual(changed);
      },
    );

    test('that were never put cannot be read, replaced or leased, with or without a session', async () => {
      const [{ sealedTokens: one }] = replicas();
      const { handle } = await created();
      const absent = random() as SessionHandle;
      for (const each of [handle, absent]) {
        expect(await one.get(each)).toBeNull();
        expect(await one.replace(each, 1, 'value')).toBe('ended');
        expect(await one.replace(each, 0, 'value')).toBe('ended');
        expect(await one.lease(each, 'owner', LEASE_MS)).toBeNull();
        expect(await one.renew(each, 'owner', LEASE_MS)).toBe(false);
        await one.release(each, 'owner', LEASE_MS);
        expect(await one.get(each)).toBeNull();
      }
      expect(await one.put(absent, 'value')).toBe(false);
      expect(await one.get(absent)).toBeNull();
    });

    test.each(['end', 'endAll', 'endByProvider'] as const)('are deleted when their session ends by %s', async (way) => {
      const login = { provider: 'corporate', subject: random(), sid: random(), authTimeMs: null, acr: null, amr: [] };
      const [store, { sealedTokens: other }] = replicas();
      const { handle, subject } = await created({ login });
      await store.sealedTokens.put(handle, 'value');
      await store.sealedTokens.lease(handle, 'owner', LEASE_MS);
      if (way === 'end') await store.sessions.end(handle);
      else if (way === 'endAll') await store.sessions.endAll(subject);
      else await store.sessions.endByProvider('corporate', { sid: login.sid });
      expect(await other.get(handle)).toBeNull();
      expect(await other.replace(handle, 1, 'late')).toBe('ended');
      expect(await other.put(handle, 'late')).toBe(false);
      expect(await other.renew(handle, 'owner', LEASE_MS)).toBe(false);
      expect(await other.get(handle)).toBeNull();
    });

    test('expire and slide with their session', async () => {
      const { other, handle } = await sealed();
      const [store] = replicas();
      await store.sessions.touch(handle, Date.now(), 300);
      await until(async () => (await store.sessions.read(handle)) === null, 'the session is gone');
      await until(async () => (await other.get(handle)) === null, 'the tokens are gone');

      const short = await sealed(2_000);
      await store.sessions.touch(short.handle, Date.now(), HOUR_MS);
      const lapsesAtMs = Date.now() + 2_000;
      await until(() => Date.now() > lapsesAtMs, 'the first time to live is over');
      expect(await valueIn(short.other, short.handle)).toBe('first');
    });

    test('REF-04: a late write of an older version is refused, regardless of who has the lease', async () => {
      const { one, other, handle } = await sealed();
      expect(await one.lease(handle, 'stalled', NO_LEASE_MS)).toMatchObject({
        outcome: 'leased',
        tokens: { version: 1 },
      });
      await until(
        async () => (await other.lease(handle, 'second', LEASE_MS))?.outcome === 'leased',
        'the first lease is over',
      );
      expect(await other.replace(handle, 1, 'of the second')).toBe('replaced');
      expect(await one.replace(handle, 1, 'of the stalled')).toBe('outdated');
      expect(await one.renew(handle, 'stalled', LEASE_MS)).toBe(false);
      await one.release(handle, 'stalled');
      expect(await one.lease(handle, 'third', LEASE_MS)).toMatchObject({ outcome: 'held', version: 2 });
      expect(await one.get(handle)).toMatchObject({ value: 'of the second', version: 2 });
    });

    test('REF-03, REF-05: a stalled owner can still write its tokens if no one else has, and the next one finds them', async () => {
      const { one, other, handle } = await sealed();
      await one.lease(handle, 'stalled', NO_LEASE_MS);
      await until(
        async () => (await other.lease(handle, 'second', LEASE_MS))?.outcome === 'leased',
        'the first lease is over',
      );
      // The provider has answered the second with `invalid_grant`, since the stalled one used the refresh token.
      expect(await one.replace(handle, 1, 'of the stalled')).toBe('replaced');
      expect(await other.get(handle)).toMatchObject({ value: 'of the stalled', version: 2 });
      expect(await other.replace(handle, 1, 'of the second')).toBe('outdated');
    });

    test('a repeated replacement counts once', async () => {
      const { one, other, handle } = await sealed();
      for (const store of [one, one, other]) expect(await store.replace(handle, 1, 'second')).toBe('replaced');
      expect(await one.get(handle)).toMatchObject({ value: 'second', version: 2 });
    });

    test('REF-01, REF-02: one of fifty concurrent requests on two replicas gets the lease, the others its result', async () => {
      for (let round = 0; round < 10; round++) {
        const { one, other, handle } = await sealed();
        const asked = Array.from({ length: 50 }, (_, at) =>
          (at % 2 === 0 ? one : other).lease(handle, `owner ${at}`, LEASE_MS),
        );
        const leases = await Promise.all(asked);
        const winner = leases.findIndex((lease) => lease?.outcome === 'leased');
        expect(leases[winner]).toMatchObject({ outcome: 'leased', tokens: { value: 'first', version: 1 } });
        const losers = leases.filter((_, at) => at !== winner);
        expect(losers).toHaveLength(49);
        for (const lease of losers) {
          expect(lease).toMatchObject({ outcome: 'held', version: 1 });
          expect(lease?.outcome === 'held' && lease.leftMs).toBeGreaterThan(0);
          expect(lease?.outcome === 'held' && lease.leftMs).toBeLessThanOrEqual(LEASE_MS);
        }
        expect(await one.replace(handle, 1, 'result')).toBe('replaced');
        expect(await other.lease(handle, 'loser', LEASE_MS)).toMatchObject({ outcome: 'held', version: 2 });
        await one.release(handle, `owner ${winner}`);
        expect(await valueIn(other, handle)).toBe('result');
        const next = await other.lease(handle, 'loser', LEASE_MS);
        expect(next).toMatchObject({ outcome: 'leased', tokens: { value: 'result', version: 2 } });
      }
    });

    test('only its owner can renew or release a lease', async () => {
      const { one, other, handle } = await sealed();
      await one.lease(handle, 'owner', NO_LEASE_MS);
      expect(await other.renew(handle, 'another', LEASE_MS)).toBe(false);
      expect(await one.renew(handle, 'owner', LEASE_MS)).toBe(true);
      await other.release(handle, 'another');
      expect(await other.lease(handle, 'another', LEASE_MS)).toMatchObject({ outcome: 'held' });
      expect(await one.lease(handle, 'owner', LEASE_MS)).toMatchObject({ outcome: 'leased' });
      await one.release(handle, 'owner');
      expect(await one.renew(handle, 'owner', LEASE_MS)).toBe(false);
      expect(await other.lease(handle, 'another', LEASE_MS)).toMatchObject({ outcome: 'leased' });
    });

    test('an expired lease that no one has taken can still be renewed', async () => {
      const { one, handle } = await sealed();
      await one.lease(handle, 'owner', NO_LEASE_MS);
      const overAtMs = Date.now() + 2;
      await until(() => Date.now() > overAtMs, 'it is over');
      expect(await one.renew(handle, 'owner', LEASE_MS)).toBe(true);
      expect(await one.lease(handle, 'another', LEASE_MS)).toMatchObject({ outcome: 'held' });
    });

    test('REF-06: the lease is free again only after the pause that its owner requested', async () => {
      const { one, other, handle } = await sealed();
      await one.lease(handle, 'owner', LEASE_MS);
      await one.release(handle, 'owner', LEASE_MS);
      for (const owner of ['owner', 'another']) {
        expect(await other.lease(handle, owner, LEASE_MS)).toMatchObject({ outcome: 'held' });
      }
      const again = await sealed();
      await again.one.lease(again.handle, 'owner', LEASE_MS);
      await again.one.release(again.handle, 'owner', NO_LEASE_MS);
      await until(
        async () => (await again.other.lease(again.handle, 'another', LEASE_MS))?.outcome === 'leased',
        'the pause is over',
      );
    });

    test('new tokens of a login end the lease and its pause', async () => {
      const { one, other, handle } = await sealed();
      await one.lease(handle, 'owner', LEASE_MS);
      expect(await other.put(handle, 'of a login')).toBe(true);
      expect(await one.replace(handle, 1, 'late')).toBe('outdated');
      expect(await one.renew(handle, 'owner', LEASE_MS)).toBe(false);
      expect(await one.lease(handle, 'another', LEASE_MS)).toMatchObject({
        outcome: 'leased',
        tokens: { value: 'of a login', version: 2 },
      });
    });
  });
}
