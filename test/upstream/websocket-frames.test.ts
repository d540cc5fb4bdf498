import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { closeFrame, FrameTracker } from '../../src/upstream/websocket/websocket-frames.ts';
import { decodeFrame, encodeFrame, type Frame } from '../support/websocket.ts';

const frames = () =>
  fc.array(
    fc.record({
      opcode: fc.constantFrom(0, 1, 2, 8, 9, 10),
      payload: fc
        .oneof(fc.nat({ max: 300 }), fc.constantFrom(0, 125, 126, 127, 65_535, 65_536, 70_000))
        .map((length) => Buffer.alloc(length, 0x88)),
      isFinal: fc.boolean(),
    }),
    { maxLength: 5 },
  );

/** Splits bytes into portions at random places. */
function portions(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].toSorted((a, b) => a - b);
  return [...at, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : at[index - 1], end));
}

/** What decodeFrame, which buffers whole frames, reports for the same bytes. */
function endsAtBoundary(bytes: Buffer): boolean {
  let rest = bytes;
  for (let next = decodeFrame(rest); next !== null; next = decodeFrame(rest)) rest = next.rest;
  return rest.length === 0;
}

describe('FrameTracker', () => {
  test('knows after every portion whether a frame has ended, however the bytes are split', () => {
    fc.assert(
      fc.property(frames(), fc.boolean(), fc.array(fc.nat(), { maxLength: 20 }), (sent, isMasked, cuts) => {
        const bytes = Buffer.concat(sent.map((frame) => encodeFrame(frame, isMasked)));
        const tracker = new FrameTracker();
        let seen = 0;
        for (const portion of portions(bytes, cuts)) {
          tracker.push(portion);
          seen += portion.length;
          expect(tracker.isAtBoundary).toBe(endsAtBoundary(bytes.subarray(0, seen)));
        }
        expect(tracker.isAtBoundary).toBe(true);
      }),
    );
  });

  test('P2: counts the bytes of data frames but not of control frames, however they are split', () => {
    fc.assert(
      fc.property(frames(), fc.boolean(), fc.array(fc.nat(), { maxLength: 20 }), (sent, isMasked, cuts) => {
        const encoded = sent.map((frame) => encodeFrame(frame, isMasked));
        const tracker = new FrameTracker();
        for (const portion of portions(Buffer.concat(encoded), cuts)) tracker.push(portion);
        const ofData = encoded.filter((_bytes, at) => (sent[at] as Frame).opcode < 8);
        expect(tracker.dataBytes).toBe(Buffer.concat(ofData).length);
      }),
    );
  });

  test('knows the end of a frame byte by byte as well', () => {
    const sent: Frame[] = [0, 125, 126, 65_536].map((length) => ({ opcode: 2, payload: Buffer.alloc(length) }));
    const bytes = Buffer.concat(sent.map((frame) => encodeFrame(frame, true)));
    const ends = new Set<number>();
    let end = 0;
    for (const frame of sent) {
      end += encodeFrame(frame, true).length;
      ends.add(end);
    }
    const tracker = new FrameTracker();
    for (let at = 0; at < bytes.length; at += 1) {
      tracker.push(bytes.subarray(at, at + 1));
      expect(tracker.isAtBoundary).toBe(ends.has(at + 1));
    }
  });

  test('accepts any bytes without failing', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 200 })), (chunks) => {
        const tracker = new FrameTracker();
        for (const chunk of chunks) tracker.push(chunk);
        expect(typeof tracker.isAtBoundary).toBe('boolean');
      }),
    );
  });

  test('does not end a frame of 2^63 − 1 bytes after a few', () => {
    const tracker = new FrameTracker();
    tracker.push(Buffer.from('827f7fffffffffffffff', 'hex'));
    tracker.push(Buffer.alloc(1_000));
    expect(tracker.isAtBoundary).toBe(false);
  });
});

test.for([
  [1008, 'session ended'],
  [1001, 'going away'],
  [1000, ''],
] as const)('RFC 6455 §5.5.1: closeFrame(%i, %j) is a Close frame, masked towards a server', ([code, reason]) => {
  for (const isMasked of [false, true]) {
    const decoded = decodeFrame(closeFrame(code, reason, isMasked));
    expect(decoded?.rest).toHaveLength(0);
    expect(decoded?.frame).toMatchObject({ opcode: 8, isFinal: true, isMasked });
    expect(decoded?.frame.payload.readUInt16BE(0)).toBe(code);
    expect(decoded?.frame.payload.subarray(2).toString()).toBe(reason);
  }
});
