/**
 * Text on which a pattern with nested or adjacent repetition takes quadratic time. Nothing here looks at a clock: each case is
 * so large that a quadratic pattern would exceed the time limit of a test by far. `scripts/check-patterns.ts` judges the
 * patterns themselves.
 */

import { describe, expect, test } from 'vitest';
import { toBlockList } from '../../src/config/fields.ts';
import { maskLine } from '../../src/config/findings/mask.ts';
import { bodyType } from '../../src/endpoints/body.ts';
import { Denial } from '../../src/errors.ts';
import { clientAddress } from '../../src/sanitize/client-address.ts';
import { screenCookies } from '../../src/sanitize/cookies.ts';
import { HeaderScanner } from '../../src/sanitize/headers.ts';
import { OwnedHeaders } from '../../src/sanitize/owned-headers.ts';
import { identityHeaderValue } from '../../src/upstream/request-headers.ts';

/** A run of blanks that is not at an end. */
const blanks = (count: number) => `a${' \t'.repeat(count / 2)}b`;
const LONG = 2_000_000;

describe('CWE-1333: these take time proportional to their length', () => {
  test('blanks inside Connection', () => {
    const scan = new HeaderScanner(new OwnedHeaders([], [])).scan(['Connection', blanks(LONG)]);
    expect(scan).toBeInstanceOf(Denial);
  });

  test('blanks inside Content-Type', () => {
    expect(bodyType(blanks(LONG))).toBeInstanceOf(Denial);
    expect(bodyType(`application/json${' '.repeat(LONG)};${' '.repeat(LONG)}charset=utf-8${' '.repeat(LONG)}`)).toBe(
      'json',
    );
  });

  test('blanks inside the name of a cookie', () => {
    const limits = { maxCookieBytes: 3 * LONG, maxCookieCount: 10 };
    const header = `__Host-sid${blanks(LONG)}=1; b=2`;
    expect(screenCookies(header, '__Host-sid', limits)).toEqual({ session: null, rest: header });
  });

  test('blanks inside X-Forwarded-For, and 100,000 entries', () => {
    const trusted = toBlockList(['10.0.0.0/8']);
    expect(clientAddress('10.0.0.1', blanks(LONG), trusted).client).toBe('10.0.0.1');
    const entries = `203.0.113.7${', 10.0.0.1'.repeat(100_000)}`;
    expect(clientAddress('10.0.0.1', entries, trusted).client).toBe('203.0.113.7');
  });

  test('blanks inside an attribute that becomes an identity header', () => {
    expect(identityHeaderValue(` a${' '.repeat(LONG)}b  `)).toBe(`%20a${' '.repeat(LONG)}b%20%20`);
  });

  test('long configuration lines shown with a finding', () => {
    expect(maskLine('x'.repeat(LONG))).toBe('x'.repeat(LONG));
    expect(maskLine('://:'.repeat(LONG / 4))).toBe('://:'.repeat(LONG / 4));
    expect(maskLine('secret'.repeat(LONG / 6)).length).toBe(Math.floor(LONG / 6) * 6);
    expect(maskLine(`password: ${' '.repeat(LONG)}hunter2`)).toBe(`password: ${' '.repeat(LONG)}*******`);
  });
});
