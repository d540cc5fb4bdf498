/** What a verifier knows while the feed comes and goes, in orders that a real Redis brings about too rarely to be waited for. */

import { describe, expect, test } from 'vitest';
import { FollowedRevocations } from '../../../src/authentication/revocation/followed-revocations.ts';
import { DependencyFault } from '../../../src/errors.ts';
import type { TokenRevocation, TokenRevocationFollower, TokenRevocationStore } from '../../../src/store/store.ts';
import { TestClocks } from '../../support/clocks.ts';
import { asJti } from '../../support/names.ts';
import { until } from '../../support/until.ts';

const GRACE_MS = 10_000;
const MINUTE_MS = 60_000;

/** A store whose feed and whose answers a test holds in its hands. */
class HeldStore implements TokenRevocationStore {
  readonly clocks = new TestClocks();
  readonly feed = { lastProvenAtMs: () => this.provenAtMs };
  provenAtMs = Number.NEGATIVE_INFINITY;
  readings: PromiseWithResolvers<readonly TokenRevocation[]>[] = [];
  keptForMs = 0;
  follower: TokenRevocationFollower | null = null;
  readonly tokenRevocations = this;

  follow(follower: TokenRevocationFollower): () => void {
    this.follower = follower;
    return () => {
      this.follower = null;
    };
  }

  current(): Promise<readonly TokenRevocation[]> {
    const reading = Promise.withResolvers<readonly TokenRevocation[]>();
    this.readings.push(reading);
    return reading.promise;
  }

  async revoke(): Promise<void> {}

  keepEndedSessionsFor(ms: number): void {
    this.keptForMs = ms;
  }

  /** The feed begins to deliver. */
  resume(): void {
    this.follower?.onResumed();
  }

  prove(): void {
    this.provenAtMs = this.clocks.monotonicMs();
  }

  token(tokenId: string): TokenRevocation {
    return { kind: 'token', tokenId: asJti(tokenId), issuer: null, expiresAtMs: this.clocks.wallMs() + MINUTE_MS };
  }
}

async function following(outageGraceMs = GRACE_MS) {
  const store = new HeldStore();
  const settings = { outageGraceMs, sessionTokenMs: MINUTE_MS };
  const revoked = await FollowedRevocations.open(store, settings, store.clocks, () => {});
  return { store, revoked, clocks: store.clocks };
}

/** Lets what was settled be noticed. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a verifier', () => {
  test('knows what it hears while it reads what is on record', async () => {
    const { store, revoked } = await following();
    store.resume();
    store.follower?.onRevoked(store.token('heard'));
    store.readings[0]?.resolve([store.token('read')]);
    await settled();
    expect(['heard', 'read', 'other'].map((jti) => revoked.isKnown({ jti }))).toEqual([true, true, false]);
  });

  test('that has never read what is on record accepts nothing where there is a grace, and everything where there is none', async () => {
    const { revoked } = await following();
    expect(() => revoked.isRevoked({ jti: 'a' })).toThrow(DependencyFault);
    expect(revoked.ageMs).toBe(Number.POSITIVE_INFINITY);
    expect((await following(Number.POSITIVE_INFINITY)).revoked.isRevoked({ jti: 'a' })).toBe(false);
  });

  test('counts the grace from the last proof before the gap until it has caught up, whatever is proven meanwhile', async () => {
    const { store, revoked, clocks } = await following();
    store.resume();
    store.readings[0]?.resolve([]);
    await settled();
    store.prove();
    expect(revoked.isRevoked({ jti: 'a' })).toBe(false);
    clocks.advance(GRACE_MS);
    expect(revoked.isRevoked({ jti: 'a' })).toBe(false);

    // The feed is back and proven, but what was recorded in the gap is not known yet.
    store.resume();
    store.prove();
    clocks.advance(1);
    expect(() => revoked.isRevoked({ jti: 'a' })).toThrow(DependencyFault);
    // A second gap before that: still the same.
    store.resume();
    store.prove();
    expect(revoked.ageMs).toBe(GRACE_MS + 1);
    // What the first reading brings counts, but it is not the one that ends the second gap.
    store.readings[1]?.resolve([store.token('b')]);
    await settled();
    expect(revoked.isRevoked({ jti: 'b' })).toBe(true);
    expect(() => revoked.isRevoked({ jti: 'a' })).toThrow(DependencyFault);
    store.readings[2]?.resolve([]);
    await settled();
    expect(revoked.isRevoked({ jti: 'a' })).toBe(false);
    expect(revoked.ageMs).toBe(0);
  });

  test('reads again what could not be read', async () => {
    const { store, revoked } = await following();
    store.resume();
    store.readings[0]?.reject(new DependencyFault('store_unavailable', 'test'));
    await until(() => store.readings.length === 2, 'it asks again');
    store.readings[1]?.resolve([store.token('a')]);
    await settled();
    expect(revoked.isRevoked({ jti: 'a' })).toBe(true);
    store.prove();
    expect(revoked.isRevoked({ jti: 'b' })).toBe(false);
  });

  test('takes on another grace and another life of tokens', async () => {
    const { store, revoked } = await following();
    expect(store.keptForMs).toBe(MINUTE_MS);
    revoked.configure({ outageGraceMs: Number.POSITIVE_INFINITY, sessionTokenMs: 2 * MINUTE_MS });
    expect(store.keptForMs).toBe(2 * MINUTE_MS);
    expect(revoked.isRevoked({ jti: 'a' })).toBe(false);
  });

  test('ends a stream once, whether its token was revoked before, after or while it was opened', async () => {
    const { store, revoked } = await following();
    const ended: string[] = [];
    store.follower?.onRevoked(store.token('before'));
    for (const jti of ['before', 'after', 'never']) revoked.watch({ jti }, () => ended.push(jti));
    const stop = revoked.watch({ jti: 'closed' }, () => ended.push('closed'));
    stop();
    expect(ended).toEqual([]);
    store.follower?.onRevoked(store.token('after'));
    store.follower?.onRevoked(store.token('closed'));
    await settled();
    store.follower?.onRevoked(store.token('another'));
    await settled();
    expect(ended).toEqual(['before', 'after']);
  });

  test('that was closed listens to nobody', async () => {
    const { store, revoked } = await following();
    store.resume();
    revoked.close();
    expect(store.follower).toBeNull();
    store.readings[0]?.reject(new DependencyFault('store_unavailable', 'test'));
    await settled();
    expect(store.readings).toHaveLength(1);
  });
});
