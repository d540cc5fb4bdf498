import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { basicPassword, bearerCredential, bearerToken, isBearerToken } from '../../src/lib/http/bearer.ts';
import { challenge } from '../../src/lib/http/challenge.ts';

describe('RFC 6750 §2.1: the Bearer token', () => {
  test.each([
    ['Bearer abc', 'abc'],
    ['bearer abc', 'abc'],
    ['BEARER a-b._~+/c==', 'a-b._~+/c=='],
    ['Bearer  abc', null],
    ['Bearer abc ', null],
    ['Bearer abc def', null],
    ['Bearer abc, Bearer def', null],
    ['Bearer\tabc', null],
    ['Bearer "abc"', null],
    ['Bearer a=b', null],
    ['Bearer =', null],
    ['Bearer ', null],
    ['Bearer', null],
    ['Bearers abc', null],
    ['Basic abc', null],
    ['abc', null],
    ['', null],
  ])('in %j is %j', (authorization, token) => {
    expect(bearerToken(authorization)).toBe(token);
  });

  test('is read back as written, whatever its characters', () => {
    const character = fc.constantFrom(...'AZaz09-._~+/');
    const text = fc.tuple(fc.string({ unit: character, minLength: 1 }), fc.constantFrom('', '=', '=='));
    fc.assert(
      fc.property(text, ([token, padding]) => {
        expect(isBearerToken(`${token}${padding}`)).toBe(true);
        expect(bearerToken(`Bearer ${token}${padding}`)).toBe(`${token}${padding}`);
      }),
    );
  });

  test('may be a secret of any characters after the same scheme', () => {
    expect(bearerCredential('bearer s3cret!')).toBe('s3cret!');
    expect(bearerCredential('Bearer  s3cret!')).toBe(' s3cret!');
    expect(bearerCredential('Basic s3cret!')).toBeNull();
  });
});

test('RFC 9110 §11.6.1: a challenge is a scheme and its quoted parameters', () => {
  expect(challenge('Bearer')).toBe('Bearer');
  expect(challenge('Basic', { realm: 'sallyport', charset: 'UTF-8' })).toBe('Basic realm="sallyport", charset="UTF-8"');
});

describe('RFC 7617 §2: the Basic password', () => {
  test.each([
    ['Basic bWU6c2VjcmV0', 'secret'],
    ['basic bWU6c2VjcmV0', 'secret'],
    ['Basic OnNlY3JldA==', 'secret'],
    ['Basic bWU6YTpi', 'a:b'],
    ['Basic bWU6', ''],
    ['Basic bWU=', null],
    ['Basic  bWU6c2VjcmV0', null],
    ['Basic bWU6c2VjcmV0 ', null],
    ['Basic bWU6c2VjcmV0,', null],
    ['Basic bWU6c2Vj cmV0', null],
    ['Bearer bWU6c2VjcmV0', null],
    ['Basic', null],
    ['', null],
  ])('in %j is %j', (written, password) => {
    expect(basicPassword(written)).toBe(password);
  });

  test('is read back as written, whatever its characters', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (user, password) => {
        fc.pre(!user.includes(':'));
        expect(basicPassword(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`)).toBe(password);
      }),
    );
  });
});
