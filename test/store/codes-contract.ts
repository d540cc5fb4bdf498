/** What every store guarantees about codes; part of `testStoreContract`. */

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Store } from '../../src/store/store.ts';
import { until } from '../support/until.ts';

const HOUR_MS = 3_600_000;

/** Declares the tests. @param replicas  two views of the store, once it is open */
export function testCodes(replicas: () => readonly [Store, Store]): void {
  const pair = () => {
    const [one, other] = replicas();
    return [one.codes, other.codes] as const;
  };

  describe('codes', () => {
    const newCode = () => `code:${randomBytes(16).toString('hex')}`;

    test('are read by every replica as they were added, and expire', async () => {
      const [one, other] = pair();
      const [code, short] = [newCode(), newCode()];
      expect(await one.add(code, '{"ü":"\\u0000"}', HOUR_MS)).toBe(true);
      expect(await other.read(code)).toBe('{"ü":"\\u0000"}');
      expect(await one.read(newCode())).toBeNull();
      await one.add(short, 'x', 30);
      await until(async () => (await other.read(short)) === null, 'the code is gone');
    });

    test('do not overwrite another value', async () => {
      const [one, other] = pair();
      const code = newCode();
      await one.add(code, 'one', HOUR_MS);
      expect(await other.add(code, 'two', HOUR_MS)).toBe(false);
      expect(await one.add(code, 'one', HOUR_MS)).toBe(true);
      expect(await one.read(code)).toBe('one');
    });

    test('RFC 6749 §4.1.2: are claimed once, even by concurrent requests', async () => {
      const [one, other] = pair();
      for (let round = 0; round < 20; round++) {
        const code = newCode();
        await one.add(code, 'free', HOUR_MS);
        const claims = Array.from({ length: 20 }, (_, n) =>
          (n % 2 === 0 ? one : other).replace(code, 'free', `claimed by ${n}`, HOUR_MS),
        );
        expect((await Promise.all(claims)).filter((isFirst) => isFirst)).toHaveLength(1);
      }
    });

    test('are replaced with a new time to live, and repeating the same replacement succeeds', async () => {
      const [one, other] = pair();
      const code = newCode();
      await one.add(code, 'one', HOUR_MS);
      expect(await one.replace(code, 'one', 'two', HOUR_MS)).toBe(true);
      expect(await other.replace(code, 'one', 'two', HOUR_MS)).toBe(true);
      expect(await other.replace(code, 'one', 'three', HOUR_MS)).toBe(false);
      expect(await other.replace(code, 'two', 'last', 30)).toBe(true);
      await until(async () => (await one.read(code)) === null, 'the code is gone');
    });

    test('are not restored by a replacement', async () => {
      const [one, other] = pair();
      const code = newCode();
      await one.add(code, 'one', HOUR_MS);
      await other.end(code);
      expect(await one.replace(code, 'one', 'two', HOUR_MS)).toBe(false);
      expect(await one.read(code)).toBeNull();
    });
  });
}
