import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TokenBucket } from '../../src/lib/concurrency/token-bucket.ts';

test('over any period, at most the burst plus the refill is taken', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 1, maxLength: 100 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 50 }), steps, (perSecond, burst, pauses) => {
      const bucket = new TokenBucket(perSecond, burst, 0);
      const takenAtMs: number[] = [];
      let nowMs = 0;
      for (const pause of pauses) {
        nowMs += pause;
        if (bucket.take(nowMs) === 0) takenAtMs.push(nowMs);
      }
      for (const [from, fromMs] of takenAtMs.entries()) {
        for (let to = from; to < takenAtMs.length; to++) {
          const atMost = burst + ((takenAtMs[to]! - fromMs) / 1_000) * perSecond;
          expect(to - from + 1).toBeLessThanOrEqual(atMost + 1e-6);
        }
      }
    }),
  );
});

test('a caller gets a token after the stated wait and no sooner', () => {
  const rates = fc.record({ perSecond: fc.integer({ min: 1, max: 2_000 }), burst: fc.integer({ min: 1, max: 20 }) });
  fc.assert(
    fc.property(rates, fc.integer({ min: 0, max: 100_000 }), ({ perSecond, burst }, startMs) => {
      const bucket = new TokenBucket(perSecond, burst, startMs);
      for (let i = 0; i < burst; i++) expect(bucket.take(startMs)).toBe(0);
      const waitMs = bucket.take(startMs);
      expect(waitMs).toBeGreaterThan(0);
      if (waitMs > 1) expect(bucket.take(startMs + waitMs - 1)).toBeGreaterThan(0);
      expect(bucket.take(startMs + waitMs)).toBe(0);
    }),
    // 9 ms and 1 ms at 100 a second fill the bucket to 0.9999999999999999.
    { numRuns: 2_000, examples: [[{ perSecond: 100, burst: 1 }, 0]] },
  );
});

test('a clock that goes backwards yields no tokens', () => {
  const bucket = new TokenBucket(1, 1, 10_000);
  expect(bucket.take(10_000)).toBe(0);
  expect(bucket.take(0)).toBeGreaterThan(0);
  expect(bucket.take(500)).toBeGreaterThan(0);
  expect(bucket.take(10_999)).toBeGreaterThan(0);
  expect(bucket.take(11_000)).toBe(0);
});
