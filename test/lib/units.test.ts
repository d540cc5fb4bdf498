import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatDuration, formatSize, parseDurationMs, parseSizeBytes } from '../../src/lib/units.ts';

test('a written size is the shortest that is exact, and is read back as the same bytes', () => {
  expect([0, 1, 1536, 2048, 10 * 1024 ** 2, 1024 ** 3].map(formatSize)).toEqual([
    '0B',
    '1B',
    '1536B',
    '2KiB',
    '10MiB',
    '1GiB',
  ]);
  fc.assert(
    fc.property(fc.maxSafeNat(), (bytes) => {
      expect(parseSizeBytes(formatSize(bytes))).toBe(bytes);
    }),
  );
});

test('a written duration is read back as the same milliseconds', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (ms) => {
      expect(parseDurationMs(formatDuration(ms))).toBe(ms);
    }),
  );
});
