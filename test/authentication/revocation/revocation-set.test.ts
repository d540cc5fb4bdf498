/** The revocations that a process knows: compared with a linear search, and at their bounds. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RevocationSet } from '../../../src/authentication/revocation/revocation-set.ts';
import type { TokenRevocation } from '../../../src/store/store.ts';
import { TestClocks } from '../../support/clocks.ts';
import { cpuMs } from '../../support/cpu.ts';
import { asHandle, asJti } from '../../support/names.ts';

type Claims = Readonly<Record<string, unknown>>;

const NOW_SEC = 1_800_000_000;

function setWith(...revocations: TokenRevocation[]) {
  const clocks = new TestClocks();
  const set = new RevocationSet(clocks.wallMs, () => {});
  for (const revocation of revocations) set.add(revocation);
  return { set, clocks };
}

const expiresAtMs = NOW_SEC * 1_000 + 60_000;

describe('a token is refused', () => {
  test('by its jti, for any issuer or for one only', () => {
    const { set } = setWith(
      { kind: 'token', tokenId: asJti('a'), issuer: null, expiresAtMs },
      { kind: 'token', tokenId: asJti('b'), issuer: 'https://one', expiresAtMs },
    );
    expect(set.isRevoked({ jti: 'a', iss: 'https://one' })).toBe(true);
    expect(set.isRevoked({ jti: 'a', iss: 'https://two' })).toBe(true);
    expect(set.isRevoked({ jti: 'b', iss: 'https://one' })).toBe(true);
    expect(set.isRevoked({ jti: 'b', iss: 'https://two' })).toBe(false);
    expect(set.isRevoked({ jti: 'b' })).toBe(false);
    expect(set.isRevoked({ jti: 'c', sub: 'a', sid: 'a' })).toBe(false);
  });

  test('when its session is revoked', () => {
    const { set } = setWith({ kind: 'session', handle: asHandle('h'), expiresAtMs });
    expect(set.isRevoked({ sid: 'h', jti: 'x' })).toBe(true);
    expect(set.isRevoked({ sid: 'other', jti: 'h', sub: 'h' })).toBe(false);
    expect(set.isRevoked({})).toBe(false);
  });

  test('when issued before its subject was revoked, or in the same second', () => {
    const { set } = setWith({
      kind: 'subject',
      subject: 'alice',
      issuer: null,
      notBeforeMs: NOW_SEC * 1_000 + 500,
      expiresAtMs,
    });
    expect(set.isRevoked({ sub: 'alice', iat: NOW_SEC - 1 })).toBe(true);
    expect(set.isRevoked({ sub: 'alice', iat: NOW_SEC })).toBe(true);
    expect(set.isRevoked({ sub: 'alice', iat: NOW_SEC + 1 })).toBe(false);
    expect(set.isRevoked({ sub: 'bob', iat: NOW_SEC - 1 })).toBe(false);
  });

  test('S2: by its subject at the issuer that named it, not at one that passed it on', () => {
    const of = (issuer: string) =>
      setWith({ kind: 'subject', subject: 'demo', issuer, notBeforeMs: NOW_SEC * 1_000, expiresAtMs }).set;
    const ours = { sub: 'demo', iss: 'ours', iat: NOW_SEC - 1 };
    const passedOn = { ...ours, presented_iss: 'ext' };
    const twice = { ...ours, presented_iss: ['gateway', 'ext'] };
    const verdicts = (set: RevocationSet) => [ours, passedOn, twice].map((claims) => set.isRevoked(claims));
    expect(verdicts(of('ours'))).toEqual([true, false, false]);
    expect(verdicts(of('ext'))).toEqual([false, true, true]);
    const acting = (act: object) => ({ ...ours, sub: 'bob', act: { sub: 'demo', ...act } });
    expect([of('ours').isRevoked(acting({})), of('ours').isRevoked(acting({ iss: 'ext' }))]).toEqual([true, false]);
    expect([of('ext').isRevoked(acting({})), of('ext').isRevoked(acting({ iss: 'ext' }))]).toEqual([false, true]);
  });

  test('when its subject is revoked and it has no valid iat', () => {
    const { set } = setWith({ kind: 'subject', subject: 'alice', issuer: null, notBeforeMs: 1, expiresAtMs });
    for (const iat of [undefined, null, '1800000100', {}]) expect(set.isRevoked({ sub: 'alice', iat })).toBe(true);
  });

  test('RFC 8693 §4.1: when its current actor is revoked, not when an earlier actor is', () => {
    const { set } = setWith({
      kind: 'subject',
      subject: 'service-a',
      issuer: null,
      notBeforeMs: NOW_SEC * 1_000,
      expiresAtMs,
    });
    const iat = NOW_SEC - 10;
    expect(set.isRevoked({ sub: 'alice', iat, act: { sub: 'service-a' } })).toBe(true);
    expect(set.isRevoked({ sub: 'alice', iat, act: { sub: 'service-b', act: { sub: 'service-a' } } })).toBe(false);
    expect(set.isRevoked({ sub: 'alice', iat: NOW_SEC, act: { sub: 'service-a' } })).toBe(false);
    for (const act of [null, 'service-a', ['service-a'], {}]) {
      expect(set.isRevoked({ sub: 'alice', iat, act })).toBe(false);
    }
  });

  test('until the revocation expires, and never by a name from Object.prototype', () => {
    const { set, clocks } = setWith({ kind: 'token', tokenId: asJti('a'), issuer: null, expiresAtMs });
    clocks.advance(59_999);
    expect(set.isRevoked({ jti: 'a' })).toBe(true);
    clocks.advance(1);
    expect(set.isRevoked({ jti: 'a' })).toBe(false);
    expect(set.counts).toEqual({ token: 0, session: 0, subject: 0 });
    expect(set.isRevoked({ jti: '__proto__', sid: 'constructor', sub: 'toString' })).toBe(false);
  });
});

describe('a bounded set', () => {
  const small = { token: 10, session: 100, subject: 10 };

  test('forgets and counts the first entry of the same kind to expire when it is full', () => {
    const clocks = new TestClocks();
    let forgotten = 0;
    const set = new RevocationSet(clocks.wallMs, () => forgotten++, small);
    // The entry that expires last is added first.
    for (let i = 9; i >= 0; i--) {
      set.add({ kind: 'token', tokenId: asJti(`t${i}`), issuer: null, expiresAtMs: expiresAtMs + i });
    }
    for (let i = 0; i < 100; i++) set.add({ kind: 'session', handle: asHandle(`s${i}`), expiresAtMs: expiresAtMs + i });
    expect(forgotten).toBe(0);
    set.add({ kind: 'token', tokenId: asJti('t10'), issuer: null, expiresAtMs: expiresAtMs + 10 });
    expect(forgotten).toBe(1);
    expect(set.counts).toEqual({ token: 10, session: 100, subject: 0 });
    expect([0, 1, 10].map((i) => set.isRevoked({ jti: `t${i}` }))).toEqual([false, true, true]);
    set.add({ kind: 'session', handle: asHandle('s0'), expiresAtMs: expiresAtMs + 200 });
    set.add({ kind: 'session', handle: asHandle('s100'), expiresAtMs: expiresAtMs + 100 });
    expect(forgotten).toBe(2);
    expect(set.counts).toEqual({ token: 10, session: 100, subject: 0 });
    expect([0, 1, 2, 100].map((i) => set.isRevoked({ sid: `s${i}` }))).toEqual([true, false, true, true]);
  });

  test('drops expired entries without counting them as forgotten', () => {
    const clocks = new TestClocks();
    let forgotten = 0;
    const set = new RevocationSet(clocks.wallMs, () => forgotten++, small);
    for (let i = 0; i < 100; i++) set.add({ kind: 'session', handle: asHandle(`s${i}`), expiresAtMs });
    clocks.advance(60_000);
    set.add({ kind: 'session', handle: asHandle('later'), expiresAtMs: expiresAtMs + 60_000 });
    expect(forgotten).toBe(0);
    expect(set.counts.session).toBe(1);
  });

  test('adds and expires 100,000 ended sessions quickly', () => {
    const clocks = new TestClocks();
    const set = new RevocationSet(clocks.wallMs, () => {});
    const tookMs = cpuMs(() => {
      for (let i = 0; i < 100_000; i++) {
        set.add({ kind: 'session', handle: asHandle(`handle-${i}`), expiresAtMs: clocks.wallMs() + 120_000 });
        clocks.advance(4);
      }
    });
    // Generous: a sweep at each addition would take minutes.
    expect(tookMs).toBeLessThan(5_000);
    expect(set.counts.session).toBeLessThanOrEqual(30_000);
    expect(set.isRevoked({ sid: 'handle-99999' })).toBe(true);
  });
});

describe('a set compared with a linear search', () => {
  const name = fc.constantFrom('a', 'b', 'c', '__proto__');
  const issuer = fc.constantFrom(null, 'https://one', 'https://two');
  const moment = fc.integer({ min: -5, max: 60 }).map((sec) => (NOW_SEC + sec) * 1_000);
  const revocation: fc.Arbitrary<TokenRevocation> = fc.oneof(
    fc.record({ kind: fc.constant('token' as const), tokenId: name.map(asJti), issuer, expiresAtMs: moment }),
    fc.record({ kind: fc.constant('session' as const), handle: name.map(asHandle), expiresAtMs: moment }),
    fc.record({
      kind: fc.constant('subject' as const),
      subject: name,
      issuer,
      notBeforeMs: moment,
      expiresAtMs: moment,
    }),
  );
  const claims: fc.Arbitrary<Claims> = fc.record(
    {
      iss: fc.constantFrom('https://one', 'https://two', 'https://three'),
      jti: name,
      sid: name,
      sub: name,
      act: fc.record({ sub: name }),
      iat: fc.integer({ min: NOW_SEC - 5, max: NOW_SEC + 60 }),
    },
    { requiredKeys: ['iss'] },
  );
  type Step = { add: TokenRevocation } | { pass: number } | { ask: Claims };
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.record({ add: revocation }),
    fc.record({ pass: fc.integer({ min: 0, max: 15_000 }) }),
    fc.record({ ask: claims }),
  );

  /** As documented, over everything ever added. */
  const modelRevokes = (added: readonly TokenRevocation[], asked: Claims, nowMs: number) =>
    added.some((one) => {
      if (one.expiresAtMs <= nowMs) return false;
      if (one.kind === 'session') return asked['sid'] === one.handle;
      if (one.issuer !== null && one.issuer !== asked['iss']) return false;
      if (one.kind === 'token') return asked['jti'] === one.tokenId;
      const actor = (asked['act'] as { sub?: unknown } | undefined)?.sub;
      const iat = asked['iat'] as number | undefined;
      const isBefore = iat === undefined || iat * 1_000 < one.notBeforeMs;
      return isBefore && (asked['sub'] === one.subject || actor === one.subject);
    });

  test('refuses the same tokens after any history', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { set, clocks } = setWith();
        const added: TokenRevocation[] = [];
        for (const one of steps) {
          if ('add' in one) {
            set.add(one.add);
            added.push(one.add);
          } else if ('pass' in one) clocks.advance(one.pass);
          else expect(set.isRevoked(one.ask)).toBe(modelRevokes(added, one.ask, clocks.wallMs()));
        }
        const alive = added.filter(({ expiresAtMs: endsMs }) => endsMs > clocks.wallMs());
        const { token, session, subject } = set.counts;
        expect(token + session + subject).toBeLessThanOrEqual(alive.length);
      }),
      { numRuns: 2_000 },
    );
  });
});
