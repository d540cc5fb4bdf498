import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openText, sealText } from '../../src/lib/crypto/sealed-text.ts';

const SECRET = randomBytes(32).toString('base64url');

test('sealed text opens with the same secret and purpose, and differs each time', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const sealed = sealText(text, SECRET, 'test');
      expect(sealed).toMatch(/^[A-Za-z0-9_-]+$/);
      expect(openText(sealed, SECRET, 'test')).toBe(text);
      expect(sealText(text, SECRET, 'test')).not.toBe(sealed);
    }),
    { numRuns: 50 },
  );
});

test('sealed text does not open with another secret or purpose, or after tampering', () => {
  const sealed = sealText('a session id', SECRET, 'test');
  expect(openText(sealed, `${SECRET}x`, 'test')).toBeNull();
  expect(openText(sealed, SECRET, 'another test')).toBeNull();
  const bytes = Buffer.from(sealed, 'base64url');
  for (let at = 0; at < bytes.byteLength; at += 1) {
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] as number) ^ 1;
    expect(openText(changed.toString('base64url'), SECRET, 'test')).toBeNull();
    expect(openText(bytes.subarray(0, at).toString('base64url'), SECRET, 'test')).toBeNull();
  }
  for (const text of ['', 'x', '%%%', 'A'.repeat(1_000)]) expect(openText(text, SECRET, 'test')).toBeNull();
});
