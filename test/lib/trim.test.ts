import fc from 'fast-check';
import { expect, test } from 'vitest';
import { trim, trimEnd, trimStart } from '../../src/lib/text/trim.ts';

const text = () => fc.string({ unit: fc.constantFrom(' ', '\t', 'a', '\n', '\u00a0', '=') });

test('trimming matches the equivalent regular expressions', () => {
  fc.assert(
    fc.property(text(), (value) => {
      expect(trimStart(value)).toBe(value.replace(/^[ \t]+/, ''));
      expect(trimEnd(value)).toBe(value.replace(/[ \t]+$/, ''));
      expect(trim(value)).toBe(value.replace(/^[ \t]+|[ \t]+$/g, ''));
      expect(trimEnd(value, '=')).toBe(value.replace(/=+$/, ''));
    }),
  );
});
