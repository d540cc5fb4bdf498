/**
 * What every store guarantees about refresh families, whatever is behind it: run on memory, on a single Redis, behind
 * Sentinel and on a Cluster. Tokens are digests here, as they are for a store.
 */

import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DependencyFault } from '../../src/errors.ts';
import { systemClocks } from '../../src/lib/clock.ts';
import { createMemoryStore } from '../../src/store/memory/store.ts';
import type {
  NewRefreshFamily,
  PresentedRefreshToken,
  ProposedSuccessor,
  RefreshFamilyReading,
  Rotation,
} from '../../src/store/refresh-family.ts';
import type { RefreshFamilies } from '../../src/store/store.ts';
import { someHandle } from '../support/names.ts';
import { until } from '../support/until.ts';
import type { StoreUnderTest } from './contract.ts';

const HOUR_MS = 3_600_000;
/** Longer than any of these tests takes. */
const GRACE_MS = 60_000;
/** A grace that is over after two milliseconds. */
const NO_GRACE_MS = 1;

const random = () => randomBytes(32).toString('base64url');
const newFamily = (overrides: Partial<NewRefreshFamily>): NewRefreshFamily => ({
  handle: random(),
  session: someHandle(),
  client: 'native',
  current: random(),
  ...overrides,
});
const proposal = (): ProposedSuccessor => ({ seed: random(), digest: random() });

/** Reads and rotates, as a refresh does. Retries if it came too late, since then nothing was done. */
async function rotate(
  families: RefreshFamilies,
  handle: string,
  presented: PresentedRefreshToken,
  proposed: ProposedSuccessor,
  graceMs = GRACE_MS,
): Promise<Rotation> {
  for (;;) {
    const reading = await families.read(handle);
    if (reading === null) return { outcome: 'unknown' };
    try {
      return await families.rotate(reading, presented, proposed, graceMs);
    } catch (fault) {
      if (!(fault instanceof DependencyFault) || graceMs !== NO_GRACE_MS) throw fault;
    }
  }
}

/** Waits until the store's clock has moved on, so that a grace of zero milliseconds is over. */
async function aMoment(families: RefreshFamilies, handle: string): Promise<void> {
  const rotatedAtMs = (await families.read(handle))?.family.rotatedAtMs ?? 0;
  await until(async () => ((await families.read(handle))?.asOfMs ?? 0) > rotatedAtMs + 1, 'the clock moves on');
}

/** Declares the contract's tests for one store. */
export function testRefreshContract(name: string, start: () => Promise<StoreUnderTest>): void {
  describe(name, () => {
    let underTest: StoreUnderTest;
    let families: RefreshFamilies;
    let other: RefreshFamilies;

    beforeAll(async () => {
      underTest = await start();
      [families, other] = underTest.replicas.map((store) => store.families) as [RefreshFamilies, RefreshFamilies];
    });
    afterAll(() => underTest[Symbol.asyncDispose]());

    async function begun(overrides: Partial<NewRefreshFamily> = {}, ttlMs = HOUR_MS): Promise<NewRefreshFamily> {
      const family = newFamily(overrides);
      await families.begin(family, ttlMs);
      return family;
    }

    test.each(['browser', 'native'] as const)(
      'every replica reads the family of a %s client as it was written',
      async (client) => {
        const family = await begun({ client });
        const read = { ...family, generation: 0, previous: null, seed: null, rotatedAtMs: 0, isEnded: false };
        for (const replica of [families, other]) expect((await replica.read(family.handle))?.family).toEqual(read);
      },
    );

    test('a family that was never started does not exist and cannot be rotated', async () => {
      expect(await families.read(random())).toBeNull();
      const { handle, current } = await begun();
      const reading = (await families.read(handle)) as RefreshFamilyReading;
      await other.end(handle);
      expect(await families.read(handle)).toBeNull();
      const presented = { generation: 0, digest: current };
      expect(await families.rotate(reading, presented, proposal(), GRACE_MS)).toEqual({ outcome: 'unknown' });
      expect(await families.read(handle)).toBeNull();
    });

    test('a family expires after its time to live, even if rotated', async () => {
      const { handle, current } = await begun({}, 300);
      await rotate(families, handle, { generation: 0, digest: current }, proposal());
      await until(async () => (await families.read(handle)) === null, 'the family is gone');
    });

    test('the current token is replaced at a time by the store’s clock', async () => {
      const { handle, current, session } = await begun();
      const next = proposal();
      const before = (await other.read(handle))?.asOfMs ?? Number.NaN;
      const rotation = await rotate(families, handle, { generation: 0, digest: current }, next);
      expect(rotation).toEqual({ outcome: 'rotated', seed: next.seed });
      const { family, asOfMs } = (await other.read(handle)) as RefreshFamilyReading;
      expect(family).toMatchObject({
        session,
        generation: 1,
        current: next.digest,
        previous: current,
        seed: next.seed,
      });
      expect(family.rotatedAtMs).toBeGreaterThanOrEqual(before);
      expect(family.rotatedAtMs).toBeLessThanOrEqual(asOfMs);
    });

    test('REF-08: the previous token gets the same successor within the grace, and nothing is written', async () => {
      const { handle, current } = await begun();
      const presented = { generation: 0, digest: current };
      const next = proposal();
      await rotate(families, handle, presented, next);
      const written = (await families.read(handle))?.family;
      for (const replica of [families, other]) {
        const again = await rotate(replica, handle, presented, proposal());
        expect(again).toEqual({ outcome: 'replayed', seed: next.seed });
      }
      expect((await families.read(handle))?.family).toEqual(written);
    });

    test('REF-07: the previous token ends the family after the grace, and only one request reports the reuse', async () => {
      const { handle, current } = await begun();
      const presented = { generation: 0, digest: current };
      await rotate(families, handle, presented, proposal());
      await aMoment(families, handle);
      const [first, second] = [proposal(), proposal()];
      expect(await rotate(families, handle, presented, first, NO_GRACE_MS)).toEqual({ outcome: 'reused' });
      expect((await other.read(handle))?.family.isEnded).toBe(true);
      expect(await rotate(other, handle, presented, second, GRACE_MS)).toEqual({ outcome: 'ended' });
    });

    test('REF-09: a token before the previous one ends the family even within the grace', async () => {
      const { handle, current } = await begun();
      const [second, third] = [proposal(), proposal()];
      await rotate(families, handle, { generation: 0, digest: current }, second);
      await aMoment(families, handle);
      await rotate(families, handle, { generation: 1, digest: second.digest }, third, NO_GRACE_MS);
      const again = await rotate(other, handle, { generation: 0, digest: current }, proposal());
      expect(again).toEqual({ outcome: 'reused' });
    });

    test('REF-12: the current token is not replaced while its predecessor may be replayed', async () => {
      const { handle, current } = await begun();
      const next = proposal();
      await rotate(families, handle, { generation: 0, digest: current }, next);
      for (const replica of [families, other]) {
        const rotation = await rotate(replica, handle, { generation: 1, digest: next.digest }, proposal());
        expect(rotation).toEqual({ outcome: 'kept' });
      }
      expect((await families.read(handle))?.family.generation).toBe(1);
    });

    test('REF-10: a token of a rotation lost in a failover is unknown, not a theft', async () => {
      const { handle, current } = await begun();
      // Before another rotation takes its place, after that, and after the next one.
      expect(await rotate(families, handle, { generation: 1, digest: random() }, proposal())).toEqual({
        outcome: 'unknown',
      });
      const second = proposal();
      await rotate(families, handle, { generation: 0, digest: current }, second);
      expect(await rotate(families, handle, { generation: 1, digest: random() }, proposal())).toEqual({
        outcome: 'unknown',
      });
      await aMoment(families, handle);
      await rotate(families, handle, { generation: 1, digest: second.digest }, proposal(), NO_GRACE_MS);
      expect(await rotate(families, handle, { generation: 1, digest: random() }, proposal())).toEqual({
        outcome: 'unknown',
      });
      expect((await families.read(handle))?.family.isEnded).toBe(false);
    });

    test('REF-15: a repeated proposal is applied once and gets the same answer', async () => {
      const { handle, current } = await begun();
      const reading = (await families.read(handle)) as RefreshFamilyReading;
      const presented = { generation: 0, digest: current };
      const next = proposal();
      for (const replica of [families, families, other]) {
        const rotation = await replica.rotate(reading, presented, next, GRACE_MS);
        expect(rotation).toEqual({ outcome: 'rotated', seed: next.seed });
      }
      expect((await families.read(handle))?.family.generation).toBe(1);
    });

    test('RFC 9700 §4.14.2: exactly one of fifty concurrent requests with one token rotates it', async () => {
      for (let round = 0; round < 20; round++) {
        const { handle, current } = await begun();
        const presented = { generation: 0, digest: current };
        const proposals = Array.from({ length: 50 }, proposal);
        const rotations = await Promise.all(
          proposals.map((proposed, at) => rotate(at % 2 === 0 ? families : other, handle, presented, proposed)),
        );
        const winners = rotations.flatMap((it) => (it.outcome === 'rotated' ? [it.seed] : []));
        expect(winners).toHaveLength(1);
        const rest = rotations.filter((it) => it.outcome !== 'rotated');
        expect(rest).toEqual(Array.from({ length: 49 }, () => ({ outcome: 'replayed', seed: winners[0] })));
      }
    });

    test('exactly one of fifty concurrent reuses ends the family', async () => {
      const { handle, current } = await begun();
      const presented = { generation: 0, digest: current };
      await rotate(families, handle, presented, proposal());
      await aMoment(families, handle);
      const told = await Promise.all(
        Array.from({ length: 50 }, async (_, at) => {
          const replica = at % 2 === 0 ? families : other;
          return (await rotate(replica, handle, presented, proposal(), NO_GRACE_MS)).outcome;
        }),
      );
      expect(told.toSorted()).toEqual([...Array.from({ length: 49 }, () => 'ended'), 'reused']);
    });

    test('any sequence of tokens gets the same results from memory and from this store', async () => {
      const step = fc.record({
        /** Which token, counted back from the current one; -1 is a future one. */
        back: fc.integer({ min: -1, max: 4 }),
        /** Whether it is the real token of that generation. */
        isReal: fc.boolean(),
        isGraceOver: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
          const model = createMemoryStore(10, systemClocks).families;
          const family = await begun();
          await model.begin(family, HOUR_MS);
          const tokens = [family.current];
          for (const { back, isReal, isGraceOver } of steps) {
            const generation = Math.max(0, tokens.length - 1 - back);
            const digest = (isReal ? tokens[generation] : undefined) ?? random();
            const proposed = proposal();
            if (isGraceOver) await Promise.all([families, model].map((each) => aMoment(each, family.handle)));
            const graceMs = isGraceOver ? NO_GRACE_MS : GRACE_MS;
            const expected = await rotate(model, family.handle, { generation, digest }, proposed, graceMs);
            const actual = await rotate(families, family.handle, { generation, digest }, proposed, graceMs);
            expect(actual).toEqual(expected);
            if (actual.outcome === 'rotated') tokens.push(proposed.digest);
          }
        }),
        { numRuns: 60 },
      );
    });
  });
}
