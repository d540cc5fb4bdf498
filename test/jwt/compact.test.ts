import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { claimsToBeOf, type IssuerRules, serviceAccountOf } from '../../src/authentication/service-token/issuer.ts';
import { decodeCompact } from '../../src/jwt/compact.ts';

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 8 });
const token = fc
  .tuple(claims, fc.uint8Array({ minLength: 1, maxLength: 80 }))
  .map(
    ([payload, signature]) =>
      `${encode({ alg: 'ES256' })}.${encode(payload)}.${Buffer.from(signature).toString('base64url')}`,
  );

describe('the strict compact form', () => {
  test('is read back as it was written', () => {
    fc.assert(
      fc.property(claims, (payload) => {
        const decoded = decodeCompact(`${encode({ alg: 'ES256' })}.${encode(payload)}.AAAA`);
        expect(decoded).toEqual({ header: { alg: 'ES256' }, payload: JSON.parse(JSON.stringify(payload)) });
      }),
    );
  });

  test('JWT-26: is unique: no two spellings decode to the same bytes', () => {
    const character = fc.constantFrom(...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_');
    fc.assert(
      fc.property(token, fc.nat(), character, (written, at, other) => {
        const position = at % written.length;
        const changed = `${written.slice(0, position)}${other}${written.slice(position + 1)}`;
        if (changed === written || decodeCompact(changed) === null) return;
        const bytes = (text: string) => text.split('.').map((part) => Buffer.from(part, 'base64url').toString('hex'));
        expect(bytes(changed)).not.toEqual(bytes(written));
      }),
      { numRuns: 500 },
    );
  });

  test('JWT-25: allows no other character anywhere', () => {
    fc.assert(
      fc.property(token, fc.nat(), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }), (written, at, other) => {
        fc.pre(!/[A-Za-z0-9_.-]/.test(other));
        const position = at % (written.length + 1);
        expect(decodeCompact(`${written.slice(0, position)}${other}${written.slice(position)}`)).toBeNull();
      }),
    );
  });

  test('has three parts in any text that is accepted', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const decoded = decodeCompact(text);
        if (decoded !== null) expect(text.split('.')).toHaveLength(3);
      }),
    );
  });

  test('JWT-39: rejects malformed payloads that are deeply nested or full of escapes', () => {
    for (const text of [
      '"'.repeat(5_000),
      '\\"'.repeat(2_500),
      '{"a":'.repeat(1_000),
      '['.repeat(5_000),
      `"${'\\'.repeat(5_000)}"`,
    ]) {
      expect(decodeCompact(`${encode({})}.${Buffer.from(text).toString('base64url')}.AAAA`)).toBeNull();
    }
  });
});

describe('a SPIFFE ID', () => {
  const rules = { trustDomain: 'prod.example' } as IssuerRules;
  const isOf = (sub: unknown) => claimsToBeOf({ header: {}, payload: { sub } }, rules, null);
  test('starts with the trust domain and a slash, and has no empty segment', () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,20}$/);
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), (path) => {
        expect(isOf(`spiffe://prod.example/${path.join('/')}`)).toBe(true);
        expect(isOf(`spiffe://prod.example/${path.join('/')}/`)).toBe(false);
        expect(isOf(`spiffe://prod.example//${path.join('/')}`)).toBe(false);
        expect(isOf(`spiffe://prod.example.evil/${path.join('/')}`)).toBe(false);
      }),
    );
  });

  test('is never text that a URL parser reads as another host', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (rest) => {
        const id = `spiffe://prod.example${rest}`;
        if (!isOf(id)) return;
        expect(URL.parse(id)?.hostname).toBe('prod.example');
        expect(URL.parse(id)?.href).toBe(id);
      }),
      { numRuns: 1_000 },
    );
  });
});

test('a ServiceAccount is read from exactly system:serviceaccount:namespace:name', () => {
  expect(serviceAccountOf('system:serviceaccount:shop:cart')).toBe('shop/cart');
  expect(serviceAccountOf('system:serviceaccount:shop:cart.v2')).toBe('shop/cart.v2');
  for (const subject of [
    'system:serviceaccount:shop:cart:x',
    'system:serviceaccount:shop/x:cart',
    'system:serviceaccount:shop:ca/rt',
    'system:serviceaccount::cart',
    'system:serviceaccount:shop:',
    'system:serviceaccount:Shop:cart',
    'system:serviceaccount:*:cart',
    'xsystem:serviceaccount:shop:cart',
    'system:serviceaccount:shop:cart\n',
  ]) {
    expect(serviceAccountOf(subject)).toBeNull();
  }
});
