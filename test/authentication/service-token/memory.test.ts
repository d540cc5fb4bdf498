/**
 * What the verifier remembers about tokens, with key sets and clocks that the test controls.
 */

import type { KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { Issuer, IssuerRules } from '../../../src/authentication/service-token/issuer.ts';
import { ServiceTokens } from '../../../src/authentication/service-token/service-tokens.ts';
import { Denial, DependencyFault } from '../../../src/errors.ts';
import { FixedKeySet, type KeySet, LocalKeySet } from '../../../src/jwt/key-set.ts';
import { serviceTokenProfile } from '../../../src/jwt/profiles.ts';
import type { VerificationKey } from '../../../src/jwt/verification-keys.ts';
import { RecentMap } from '../../../src/lib/recent-map.ts';
import type { ServicePrincipal } from '../../../src/principal.ts';
import { TestClocks } from '../../support/clocks.ts';
import { ecKeyPair, es256, forge, type KeyPair } from '../../support/issuers/forger.ts';
import { asToken } from '../../support/names.ts';

const ISSUER = 'https://issuer.example';
const KEY = ecKeyPair();
const ATTACKER = ecKeyPair();
const A = new Set(['a']);
const B = new Set(['b']);

const rulesFor = (audience: string): IssuerRules => ({
  kind: 'jwt',
  trustDomain: null,
  ourIssuer: 'https://shop.example.com',
  streamLeewayMs: 0,
  profile: serviceTokenProfile({
    issuer: ISSUER,
    algorithms: ['ES256'],
    audiences: [audience],
    types: ['JWT'],
    authorizedParties: null,
    maxLifetimeMs: 3_600_000,
    clockSkewMs: 30_000,
  }),
});
const rules = rulesFor('app');

const verificationKey = ({ publicKey }: KeyPair, kid = 'one'): VerificationKey => ({
  kid,
  thumbprint: String(publicKey.export({ format: 'jwk' })['x']),
  byAlgorithm: new Map([['ES256', publicKey]]),
});

/** A key set that counts lookups and can be changed. */
class CountingKeySet extends LocalKeySet {
  asked = 0;
  constructor(present: { readonly keys: readonly VerificationKey[] }) {
    super(() => present.keys);
  }
  override find(kid: string | null, algorithm: string): VerificationKey | null {
    this.asked += 1;
    return super.find(kid, algorithm);
  }
}

interface Setup {
  readonly issuers?: readonly Issuer[];
  readonly isRevoked?: (claims: Readonly<Record<string, unknown>>) => boolean;
}

function setUp({ issuers, isRevoked = () => false }: Setup = {}) {
  const clocks = new TestClocks();
  const present = { keys: [verificationKey(KEY)] };
  const keys = new CountingKeySet(present);
  const counts = { memory: 0, signature: 0, refused: [] as string[] };
  const tokens = new ServiceTokens(issuers ?? [{ name: 'a', rules, keys, learnt: null }], {
    clocks,
    revoked: { isRevoked },
    events: {
      onAccepted: (_issuer, from) => {
        counts[from] += 1;
      },
      onRefused: (_issuer, problem) => counts.refused.push(problem),
    },
  });
  const token = (lifetimeSec = 300, signer = es256(KEY), more: object = {}) => {
    const iat = Math.floor(clocks.wallMs() / 1_000);
    const claims = { iss: ISSUER, sub: 'cart', aud: 'app', iat, exp: iat + lifetimeSec, ...more };
    return forge({ alg: 'ES256', kid: 'one' }, claims, signer);
  };
  /** Verifies without a promise, since every key is at hand. */
  const verify = (compact: string, accepted: ReadonlySet<string>): ServicePrincipal | Denial => {
    const answer = tokens.verify(asToken(compact), accepted);
    if (answer instanceof Promise) throw new Error('answered with a promise');
    return answer;
  };
  return { clocks, present, keys, counts, tokens, verify, token };
}

describe('a verified token', () => {
  test('gets the same principal from memory, without a promise', () => {
    const { tokens, verify, token, counts, keys } = setUp();
    const header = `Bearer ${token()}`;
    const first = tokens.authenticate(header, A);
    expect(first).toMatchObject({ kind: 'service', subject: 'cart', issuer: 'a' });
    expect(tokens.authenticate(header, A)).toBe(first);
    expect(tokens.authenticate(header.replace('Bearer', 'bearer'), A)).toBe(first);
    expect(verify(header.slice(7), A)).toBe(first);
    expect(counts).toMatchObject({ memory: 3, signature: 1 });
    expect(keys.asked).toBe(1);
  });

  test('JWT-49: is found only by its full text; one changed character is verified separately', () => {
    const { verify, token, counts } = setUp();
    const good = token();
    verify(good, A);
    const [header = '', payload = '', signature = ''] = good.split('.');
    for (const part of [0, 1, 2]) {
      const parts = [header, payload, signature];
      const text = parts[part] ?? '';
      parts[part] = `${text.slice(0, 4)}${text[4] === 'A' ? 'B' : 'A'}${text.slice(5)}`;
      expect(verify(parts.join('.'), A)).toBeInstanceOf(Denial);
    }
    expect(counts).toMatchObject({ memory: 0, signature: 1 });
  });

  test('JWT-49: is verified again for another issuer, whose audience may differ', () => {
    const keys = new FixedKeySet([verificationKey(KEY)]);
    const other = rulesFor('other');
    const { verify, token, counts } = setUp({
      issuers: [
        { name: 'a', rules, keys, learnt: null },
        { name: 'b', rules: other, keys, learnt: null },
      ],
    });
    const good = token();
    expect(verify(good, A)).not.toBeInstanceOf(Denial);
    expect(verify(good, B)).toBeInstanceOf(Denial);
    expect(verify(good, new Set(['b', 'a']))).not.toBeInstanceOf(Denial);
    expect(counts.refused).toEqual(['audience']);
  });

  test('JWT-50: is refused from the moment it expires, leeway included', () => {
    const { verify, token, clocks, counts } = setUp();
    const good = token(60);
    verify(good, A);
    clocks.advance(89_999);
    expect(verify(good, A)).not.toBeInstanceOf(Denial);
    clocks.advance(1);
    expect(verify(good, A)).toBeInstanceOf(Denial);
    expect(verify(good, A)).toBeInstanceOf(Denial);
    expect(counts.refused).toEqual(['expired', 'expired']);
  });

  test('JWT-50: is verified again when its key is no longer in the set', () => {
    const { verify, token, present, counts } = setUp();
    const good = token();
    verify(good, A);
    present.keys = [verificationKey(KEY)];
    verify(good, A);
    expect(counts).toMatchObject({ memory: 0, signature: 2 });
  });

  test('is verified again after five minutes, regardless of its lifetime', () => {
    const { verify, token, clocks, counts } = setUp();
    const good = token(3_600);
    verify(good, A);
    clocks.advance(299_999);
    verify(good, A);
    expect(counts).toMatchObject({ memory: 1, signature: 1 });
    clocks.advance(1);
    verify(good, A);
    expect(counts).toMatchObject({ memory: 1, signature: 2 });
  });

  test('is refused as soon as it is revoked, and accepted again if the revocation is withdrawn', () => {
    let revoked = false;
    const { verify, token, counts } = setUp({ isRevoked: ({ sub }) => revoked && sub === 'cart' });
    const good = token();
    expect(verify(good, A)).not.toBeInstanceOf(Denial);
    revoked = true;
    expect(verify(good, A)).toBeInstanceOf(Denial);
    expect(verify(token(200), A)).toBeInstanceOf(Denial);
    expect(counts.refused).toEqual(['revoked', 'revoked']);
    revoked = false;
    expect(verify(good, A)).not.toBeInstanceOf(Denial);
  });

  test('is a fault, not accepted, while revocations are unknown', () => {
    let isKnown = true;
    const { verify, token } = setUp({
      isRevoked: () => {
        if (isKnown) return false;
        throw new DependencyFault('store_unavailable', 'the news is old');
      },
    });
    const good = token();
    verify(good, A);
    isKnown = false;
    expect(() => verify(good, A)).toThrow(DependencyFault);
    expect(() => verify(token(200), A)).toThrow(DependencyFault);
  });
});

describe('a token with a wrong signature', () => {
  test('is refused again without verification while the key is the same', () => {
    let looks = 0;
    class CountingMap extends Map<string, KeyObject> {
      override get(algorithm: string): KeyObject | undefined {
        looks += 1;
        return super.get(algorithm);
      }
    }
    const key = { ...verificationKey(KEY), byAlgorithm: new CountingMap([['ES256', KEY.publicKey]]) };
    const keys = new FixedKeySet([key]);
    const { verify, token } = setUp({ issuers: [{ name: 'a', rules, keys, learnt: null }] });
    const bad = token(300, es256(ATTACKER));
    for (let index = 0; index < 3; index += 1) expect(verify(bad, A)).toBeInstanceOf(Denial);
    expect(looks).toBe(1);
  });

  test('does not affect a good token with the same claims, or its bearer', () => {
    const { verify, token, counts } = setUp();
    for (let index = 0; index < 1_000; index += 1) {
      verify(token(300, es256(ATTACKER), { jti: String(index) }), A);
    }
    expect(verify(token(300, es256(KEY), { jti: '1' }), A)).not.toBeInstanceOf(Denial);
    expect(counts).toMatchObject({ signature: 1 });
    expect(counts.refused).toHaveLength(1_000);
  });

  test('is accepted from the moment its key is in the set', () => {
    const first = verificationKey(KEY);
    const next = verificationKey(ATTACKER);
    let present = first;
    const keys: KeySet = {
      isFetched: false,
      mayRefetch: false,
      refetch: () => null,
      ageMs: 0,
      find: () => present,
      holds: (key) => key === present,
      list: () => [present],
      start: () => {},
      close: () => {},
    };
    const { verify, token } = setUp({ issuers: [{ name: 'a', rules, keys, learnt: null }] });
    const early = token(300, es256(ATTACKER));
    expect(verify(early, A)).toBeInstanceOf(Denial);
    present = next;
    expect(verify(early, A)).not.toBeInstanceOf(Denial);
  });
});

test('requests that wait for keys with the same token get one principal', async () => {
  let resolve: (key: VerificationKey) => void = () => {};
  const found = new Promise<VerificationKey>((fulfil) => {
    resolve = fulfil;
  });
  const keys: KeySet = {
    isFetched: true,
    mayRefetch: false,
    refetch: () => null,
    ageMs: null,
    find: () => found,
    holds: () => true,
    list: () => [],
    start: () => {},
    close: () => {},
  };
  const { tokens, token } = setUp({ issuers: [{ name: 'a', rules, keys, learnt: null }] });
  const good = token();
  const waiting = Array.from({ length: 10 }, () => tokens.verify(asToken(good), A));
  expect(waiting.every((answer) => answer instanceof Promise)).toBe(true);
  resolve(verificationKey(KEY));
  expect(new Set(await Promise.all(waiting)).size).toBe(1);
});

describe('RecentMap', () => {
  test('keeps at most twice its weight, regardless of what is added', () => {
    const map = new RecentMap<number>(1_000);
    for (let index = 0; index < 100_000; index += 1) map.set(String(index).padStart(10, '0'), index);
    expect(map.size).toBeLessThanOrEqual(200);
    expect(map.get('0000099999')).toBe(99_999);
    expect(map.get('0000000000')).toBeUndefined();
  });

  test('keeps used entries while others come and go', () => {
    const map = new RecentMap<number>(100);
    map.set('kept______', 1);
    for (let index = 0; index < 1_000; index += 1) {
      map.set(String(index).padStart(10, '0'), index);
      expect(map.get('kept______')).toBe(1);
    }
  });

  test('forgets deleted entries in both halves', () => {
    const map = new RecentMap<number>(20);
    map.set('a_________', 1);
    map.set('b_________', 2);
    map.set('c_________', 3);
    expect(map.get('a_________')).toBe(1);
    map.delete('a_________');
    expect(map.get('a_________')).toBeUndefined();
    expect(map.get('b_________')).toBe(2);
  });
});
