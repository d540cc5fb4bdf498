import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatGrpcTimeout,
  grpcMessage,
  isGrpcType,
  isGrpcWebType,
  parseGrpcStatus,
  parseGrpcTimeout,
} from '../../src/lib/http/grpc.ts';

test.each([
  ['application/grpc', true, false],
  ['application/grpc+proto', true, false],
  ['Application/gRPC+json ; charset=utf-8', true, false],
  ['application/grpc;x', true, false],
  ['application/grpc-web', false, true],
  ['application/grpc-web+proto', false, true],
  ['application/grpc-web-text;x', false, true],
  ['application/grpcx', false, false],
  ['application/grpc, text/html', false, false],
  ['text/html', false, false],
  ['', false, false],
  [null, false, false],
])('%j is gRPC: %s, gRPC-Web: %s', (contentType, isGrpc, isWeb) => {
  expect([isGrpcType(contentType), isGrpcWebType(contentType)]).toEqual([isGrpc, isWeb]);
});

test.each([
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3_000],
  ['99999999m', 99_999_999],
  ['1500u', 1.5],
  ['500000n', 0.5],
  ['0m', 0],
  ['123456789m', null],
  ['1s', null],
  ['-1S', null],
  ['1.5S', null],
  ['S', null],
  ['1S ', null],
  ['', null],
])('the timeout %j is %s ms', (value, expected) => {
  expect(parseGrpcTimeout(value)).toBe(expected);
});

test('a formatted timeout is valid for gRPC, never too long, and at most 0.001% too short', () => {
  fc.assert(
    fc.property(fc.double({ min: -10, max: 99_999_999 * 3_600_000, noNaN: true }), (ms) => {
      const text = formatGrpcTimeout(ms);
      expect(text).toMatch(/^\d{1,8}[HMSmun]$/);
      const read = parseGrpcTimeout(text) as number;
      expect(read).toBeLessThanOrEqual(Math.max(0, ms));
      expect(read).toBeGreaterThanOrEqual(
        ms - Math.max(0.001, ms * 1e-5, ms > 99_999_999 * 1_000 ? 60_000 : 0, ms > 99_999_999 * 60_000 ? 3_600_000 : 0),
      );
    }),
  );
});

test('an encoded message is printable ASCII and percent-decodes to the original', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const encoded = grpcMessage(text);
      expect(encoded).toMatch(/^[\x20-\x7e]*$/);
      expect(decodeURIComponent(encoded)).toBe(text.toWellFormed());
    }),
  );
});

test.each([
  ['0', 0],
  ['16', 16],
  ['1000', null],
  ['x', null],
  [['0', '1'], null],
  [undefined, null],
])('the status %j parses as %s', (value, expected) => {
  expect(parseGrpcStatus(value as string)).toBe(expected);
});
