/** Which revocations a verifier knows while the feed drops and returns, in orders that are rare with a real Redis. */

import { describe, expect, test } from 'vitest';
import { FollowedRevocations } from '../../../src/authentication/revocation/followed-revocations.ts';
import { DependencyFault } from '../../../src/errors.ts';
import type { TokenRevocation, TokenRevocationFollower, TokenRevocationStore } from '../../../src/store/store.ts';
import { TestClocks } from '../../support/clocks.ts';
import { asJti } from '../../support/names.ts';
import { until } from '../../support/until.ts';

const GRACE_MS = 10_000;
const MINUTE_MS = 60_000;

/** A store whose feed and answers the test controls. */
class ControlledStore implements TokenRevocationStore {
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
  const store = new ControlledStore();
  const settings = { outageGraceMs, sessionTokenMs: MINUTE_MS };
  const revoked = await FollowedRevocations.open(store, settings, store.clocks, () => {});
  return { store, revoked, clocks: store.clocks };
}

/** Waits until the callbacks of settled promises have run. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a verifier', () => {
  test('keeps what the feed reports while it reads what is recorded', async () => {
    const { store, revoked } = await following();
    store.resume();
    store.follower?.onRevoked(store.token('heard'));
    store.readings[0]?.resolve([store.token('read')]);
    await settled();
    expect(['heard', 'read', 'other'].map((jti) => revoked.isKnown({ jti }))).toEqual([true, true, false]);
  });

  test('accepts nothing before its first read, or everything if the grace is infinite', async () => {
    const { revoked } = await following();
    expect(() => revoked.isRevoked({ jti: 'a' })).toThrow(DependencyFault);
    expect(revoked.ageMs).toBe(Number.POSITIVE_INFINITY);
    expect((await following(Number.POSITIVE_INFINITY)).revoked.isRevoked({ jti: 'a' })).toBe(false);
  });

  test('counts the grace from the last proof before a gap until it has caught up', async () => {
    const { store, revoked, clocks } = await following();
    store.resume();
    store.readings[0]?.resolve([]);
    await settled();
    store.prove();
    expect(revoked.isRevoked({ jti: 'a' })).toBe(false);
    clocks.advance(GRACE_MS);
    expect(revoked.isRevoked({ jti: 'a' })).toBe(false);

    // The feed is back and proven, but revocations recorded in the gap are not known yet.
    store.resume();
    store.prove();
    clocks.advance(1);
    expect(() => revoked.isRevoked({ jti: 'a' })).toThrow(DependencyFault);
    // A second gap before it has caught up changes nothing.
    store.resume();
    store.prove();
    expect(revoked.ageMs).toBe(GRACE_MS + 1);
    // The first reading's revocations count, but it does not end the second gap.
    store.readings[1]?.resolve([store.token('b')]);
    await settled();
    expect(revoked.isRevoked({ jti: 'b' })).toBe(true);
    expect(() => revoked.isRevoked({ jti: 'a' })).toThrow(DependencyFault);
    store.readings[2]?.resolve([]);
    await settled();
    expect(revoked.isRevoked({ jti: 'a' })).toBe(false);
    expect(revoked.ageMs).toBe(0);
  });

  test('retries a failed read', async () => {
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

  test('adopts a new grace and a new lifetime of tokens', async () => {
    const { store, revoked } = await following();
    expect(store.keptForMs).toBe(MINUTE_MS);
    revoked.configure({ outageGraceMs: Number.POSITIVE_INFINITY, sessionTokenMs: 2 * MINUTE_MS });
    expect(store.keptForMs).toBe(2 * MINUTE_MS);
    expect(revoked.isRevoked({ jti: 'a' })).toBe(false);
  });

  test('ends a stream once, whether its token was revoked before, while or after it opened', async () => {
    const { store, revoked } = await following();
    const ended: string[] = [];
    store.follower?.onRevoked(store.token('before'));
    for (const jti of ['before', 'while', 'after', 'never']) revoked.watch({ jti }, () => ended.push(jti));
    const stop = revoked.watch({ jti: 'closed' }, () => ended.push('closed'));
    stop();
    store.follower?.onRevoked(store.token('while'));
    expect(ended).toEqual([]);
    await settled();
    expect(ended).toEqual(['before', 'while']);
    for (const jti of ['after', 'closed', 'while']) store.follower?.onRevoked(store.token(jti));
    await settled();
    store.follower?.onRevoked(store.token('another'));
    await settled();
    expect(ended).toEqual(['before', 'while', 'after']);
  });

  test('stops following and retrying once it is closed', async () => {
    const { store, revoked } = await following();
    store.resume();
    revoked.close();
    expect(store.follower).toBeNull();
    store.readings[0]?.reject(new DependencyFault('store_unavailable', 'test'));
    await settled();
    expect(store.readings).toHaveLength(1);
  });
});
