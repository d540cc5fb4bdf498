/** Messages in the body of a call, however the body is split. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type CallFailure, framed, MessageReader } from '../../../src/listener/grpc/messages.ts';

const MAX_BYTES = 1_000;

/** Reads a body in parts of these lengths, and the rest at once. */
function read(body: Buffer, lengths: readonly number[]): (string | CallFailure)[] {
  const reader = new MessageReader(MAX_BYTES);
  const found: (string | CallFailure)[] = [];
  let at = 0;
  for (const length of [...lengths, body.byteLength]) {
    // A separate buffer, as from the network: nothing past its end may be read.
    reader.add(Buffer.from(body.subarray(at, at + length)));
    at += length;
    for (let message = reader.next(); message !== null; message = reader.next()) {
      found.push(Buffer.isBuffer(message) ? message.toString('latin1') : message);
      if (!Buffer.isBuffer(message)) return found;
    }
  }
  if (reader.hasRest) found.push('rest');
  return found;
}

test('Length-Prefixed-Message: the messages are the same wherever the body is split', () => {
  const messages = fc.array(fc.string({ maxLength: 40 }), { maxLength: 6 });
  fc.assert(
    fc.property(messages, fc.array(fc.nat(30), { maxLength: 40 }), (texts, lengths) => {
      const body = Buffer.concat(texts.map((text) => framed(Buffer.from(text))));
      expect(read(body, lengths)).toEqual(texts.map((text) => Buffer.from(text).toString('latin1')));
    }),
  );
});

test('a message that was read does not change when more arrives', () => {
  const reader = new MessageReader(MAX_BYTES);
  const body = Buffer.concat([framed(Buffer.from('first')), framed(Buffer.from('second'))]);
  for (const byte of body.subarray(0, 12)) reader.add(Buffer.of(byte));
  const first = reader.next() as Buffer;
  reader.add(body.subarray(12));
  expect([String(first), String(reader.next())]).toEqual(['first', 'second']);
});

test.each([
  ['one byte more than the limit', [0, 0, 0, 0x03, 0xe9], 8],
  ['a length of 4 GiB, which would be negative as a signed number', [0, 0xff, 0xff, 0xff, 0xff], 8],
  ['a compressed message', [1, 0, 0, 0, 0], 13],
  ['an undefined first byte', [2, 0, 0, 0, 0], 13],
])('%s fails at its prefix', (_, prefix, status) => {
  expect(read(Buffer.from(prefix), [])).toMatchObject([{ status }]);
});

test('the largest message is accepted, an incomplete one is not', () => {
  const largest = framed(Buffer.alloc(MAX_BYTES, 'a'));
  expect(read(largest, [3])).toEqual(['a'.repeat(MAX_BYTES)]);
  expect(read(largest.subarray(0, -1), [])).toEqual(['rest']);
});

test('memory grows with the bytes received, not with the announced length', () => {
  const reader = new MessageReader(2 ** 30);
  const announced = Buffer.from([0, 0x3f, 0xff, 0xff, 0xff]);
  const before = process.memoryUsage().arrayBuffers;
  const parts = Array.from({ length: 1_000 }, () => Buffer.of(0));
  for (const part of [announced, ...parts]) reader.add(part);
  expect(reader.next()).toBeNull();
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1024 * 1024);
});
