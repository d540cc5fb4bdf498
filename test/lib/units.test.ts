import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatDuration,
  formatSize,
  parseDurationMs,
  parseSizeBytes,
  roughDuration,
} from '../../src/lib/text/units.ts';

test('a formatted size is the shortest exact one and parses to the same bytes', () => {
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

test('a formatted duration parses to the same milliseconds', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (ms) => {
      expect(parseDurationMs(formatDuration(ms))).toBe(ms);
    }),
  );
});

test.each([
  [0, '0s'],
  [0.4, '0s'],
  [250.9, '250ms'],
  [59_999, '59s'],
  [60_500, '1m'],
  [90_500, '1m 30s'],
  [3_600_000, '1h'],
  [7_260_500, '2h 1m'],
  [273_600_001, '3d 4h'],
])('%d ms are shown to people as %s', (durationMs, text) => {
  expect(roughDuration(durationMs)).toBe(text);
});
