/** Parsing and formatting `traceparent`. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatTraceparent,
  isSampled,
  isTraceparent,
  parseTraceparent,
  traceIdIn,
} from '../../src/lib/http/trace-context.ts';

const hex = (digits: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: digits, maxLength: digits });
const contexts = fc.record({
  traceId: hex(32).filter((id) => /[^0]/.test(id)),
  spanId: hex(16).filter((id) => /[^0]/.test(id)),
  flags: fc.integer({ min: 0, max: 255 }),
});

test('a formatted traceparent parses to the same context', () => {
  fc.assert(
    fc.property(contexts, (context) => {
      const text = formatTraceparent(context);
      expect(parseTraceparent(text)).toEqual(context);
      expect([isTraceparent(text), traceIdIn(text)]).toEqual([true, context.traceId]);
    }),
  );
});

test('a parsed traceparent formats to the same text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), contexts.map(formatTraceparent)), (text) => {
      const context = parseTraceparent(text);
      expect(isTraceparent(text)).toBe(context !== null);
      if (context !== null) expect(formatTraceparent(context)).toBe(text);
    }),
  );
});

describe('W3C Trace Context §3.2', () => {
  const VALID = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  test.each([
    ['another version', `01${VALID.slice(2)}`],
    ['the forbidden version ff', `ff${VALID.slice(2)}`],
    ['upper case', VALID.toUpperCase()],
    ['an all-zero trace id', VALID.replace(/4bf.*36/, '0'.repeat(32))],
    ['an all-zero span id', VALID.replace(/00f.*b7/, '0'.repeat(16))],
    ['trailing text', `${VALID}-00`],
    ['a trailing newline', `${VALID}\n`],
    ['two values', `${VALID}, ${VALID}`],
    ['an empty value', ''],
  ])('rejects %s', (_what, text) => {
    expect(parseTraceparent(text)).toBeNull();
  });

  test.each([
    ['01', true],
    ['00', false],
    ['03', true],
    ['02', false],
  ])('flags %s mean recorded: %s', (flags, expected) => {
    expect(isSampled(parseTraceparent(VALID.replace(/01$/, flags))!)).toBe(expected);
  });
});
