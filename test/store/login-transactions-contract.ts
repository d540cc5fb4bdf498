/** What every store guarantees about login transactions; part of `testStoreContract`. */

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { LoginTransactionLimits, Store } from '../../src/store/store.ts';
import { until } from '../support/until.ts';

const LIMITS: LoginTransactionLimits = { ttlMs: 600_000, maxPerBrowser: 20 };

const random = () => randomBytes(32).toString('base64url');

/** Declares the tests. @param replicas  two views of the store, once it is open */
export function testLoginTransactions(replicas: () => readonly [Store, Store]): void {
  describe('login transactions', () => {
    const pair = () => {
      const [one, other] = replicas();
      return [one.loginTransactions, other.loginTransactions] as const;
    };

    test('OIDC-01: are taken once across replicas, as they were written', async () => {
      const [one, other] = pair();
      const [browser, id, value] = [random(), random(), '{"target":"/a?b=ü#\u0000\u{1f511}","nonce":"|"}'];
      await one.add(browser, id, value, LIMITS);
      expect(await other.take(browser, id)).toBe(value);
      expect(await one.take(browser, id)).toBeNull();
      expect(await other.take(browser, id)).toBeNull();
    });

    test('OIDC-01: are taken once by concurrent requests', async () => {
      const [one, other] = pair();
      for (let round = 0; round < 20; round++) {
        const [browser, id] = [random(), random()];
        await one.add(browser, id, 'value', LIMITS);
        const asked = Array.from({ length: 20 }, (_, at) => (at % 2 === 0 ? one : other).take(browser, id));
        expect((await Promise.all(asked)).filter((value) => value !== null)).toEqual(['value']);
      }
    });

    test('OIDC-02: belong to their browser, and a request from another changes nothing', async () => {
      const [one, other] = pair();
      const [browser, id] = [random(), random()];
      await one.add(browser, id, 'value', LIMITS);
      for (const stranger of [random(), '', id]) expect(await other.take(stranger, id)).toBeNull();
      expect(await other.take(browser, random())).toBeNull();
      expect(await other.take(browser, id)).toBe('value');
    });

    test('OIDC-01: expire', async () => {
      const [one, other] = pair();
      const [browser, id] = [random(), random()];
      await one.add(browser, id, 'value', { ...LIMITS, ttlMs: 30 });
      const endsAtMs = Date.now() + 30;
      await until(() => Date.now() > endsAtMs, 'the time is over');
      expect(await other.take(browser, id)).toBeNull();
    });

    test('OIDC-14: keep only the last of 500 of one browser, and leave other browsers alone', async () => {
      const [one, other] = pair();
      const [browser, neighbour] = [random(), random()];
      await one.add(neighbour, 'its own', 'value', LIMITS);
      const ids = Array.from({ length: 500 }, random);
      for (const [at, id] of ids.entries()) await (at % 2 === 0 ? one : other).add(browser, id, `value ${at}`, LIMITS);
      const taken = await Promise.all(ids.map((id) => other.take(browser, id)));
      expect(taken.slice(0, 480).every((value) => value === null)).toBe(true);
      expect(taken.slice(480)).toEqual(Array.from({ length: 20 }, (_, at) => `value ${480 + at}`));
      expect(await one.take(neighbour, 'its own')).toBe('value');
    });

    test('OIDC-14: keep as many as allowed of 500 concurrent ones of one browser', async () => {
      const [one, other] = pair();
      const browser = random();
      const ids = Array.from({ length: 500 }, random);
      await Promise.all(ids.map((id, at) => (at % 2 === 0 ? one : other).add(browser, id, id, LIMITS)));
      const taken = await Promise.all(ids.map((id) => one.take(browser, id)));
      expect(taken.filter((value) => value !== null)).toHaveLength(20);
    });

    test('OIDC-14: make room when one is taken', async () => {
      const [one] = pair();
      const browser = random();
      const limits = { ...LIMITS, maxPerBrowser: 2 };
      for (const id of ['first', 'second']) await one.add(browser, id, id, limits);
      expect(await one.take(browser, 'second')).toBe('second');
      await one.add(browser, 'third', 'third', limits);
      expect(await one.take(browser, 'first')).toBe('first');
      expect(await one.take(browser, 'third')).toBe('third');
    });
  });
}
