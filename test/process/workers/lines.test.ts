import { PassThrough } from 'node:stream';
import { finished } from 'node:stream/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { passLinesOn } from '../../../src/process/workers/lines.ts';

test('lines that arrive in pieces are passed on whole and in order', async () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll('\n', ' '));
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 50 })),
      async (lines, cuts) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
        const written: string[] = [];
        const output = new PassThrough();
        passLinesOn(output, { write: (text) => void written.push(text) });
        let at = 0;
        for (const cut of cuts) {
          output.write(bytes.subarray(at, at + cut));
          at += cut;
        }
        output.end(bytes.subarray(at));
        await finished(output);
        for (const part of written) expect(part.endsWith('\n')).toBe(true);
        expect(written.join('')).toBe(bytes.toString());
      },
    ),
  );
});

test('a last line without a newline, as a killed process leaves it, gets one', async () => {
  const written: string[] = [];
  const output = new PassThrough();
  passLinesOn(output, { write: (text) => void written.push(text) });
  output.end('whole\nhal');
  await finished(output);
  expect(written.join('')).toBe('whole\nhal\n');
});
