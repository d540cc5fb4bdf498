/** 100 Continue on its way to undici, in any portions. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InterimHeads } from '../../src/upstream/interim-heads.ts';

const FIELDS = ['', 'Link: </a>; rel=preload\r\n', 'X-A: HTTP/1.1 100\r\nX-B: \r \n\r\r\n'];
const FINAL = ['200 OK', '101 Switching Protocols', '404 Not Found'].map(
  (status) => `HTTP/1.1 ${status}\r\nX: 100\r\n\r\n`,
);
/** What looks like an interim head and is the body, or the answer after it. */
const BODY = 'HTTP/1.1 100 Continue\r\n\r\n';

test('H7: the status of each 100 before the final head becomes 102, in any portions, and nothing else changes', () => {
  const status = fc.constantFrom('100 Continue', '102 Processing', '103 Early Hints', '110 x', '199 x');
  const interim = fc
    .array(fc.tuple(status, fc.constantFrom(...FIELDS)), { maxLength: 4 })
    .map((heads) => heads.map(([line, fields]) => `HTTP/1.1 ${line}\r\n${fields}\r\n`).join(''));
  fc.assert(
    fc.property(
      interim,
      fc.constantFrom(...FINAL),
      fc.array(fc.integer({ min: 1, max: 40 })),
      (before, final, sizes) => {
        const bytes = Buffer.from(`${before}${final}${BODY}`);
        const heads = new InterimHeads();
        heads.open();
        let at = 0;
        for (const size of [...sizes, bytes.length]) {
          if (heads.isOpen) heads.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(bytes.toString()).toBe(`${before.replace(/^HTTP\/1\.1 100 /gm, 'HTTP/1.1 102 ')}${final}${BODY}`);
        expect(heads.isOpen).toBe(false);
      },
    ),
  );
});

test('H7: whatever comes, at most one byte changes in each head', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const heads = new InterimHeads();
      heads.open();
      const seen = Buffer.from(bytes);
      heads.push(seen);
      const changed = [...bytes].filter((byte, index) => byte !== seen[index]).length;
      expect(changed).toBeLessThanOrEqual(bytes.length / 12);
    }),
  );
});
