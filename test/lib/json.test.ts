import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasDuplicateMember } from '../../src/lib/text/json.ts';

const judge = (text: string) => hasDuplicateMember(text, JSON.parse(text));

test.each([
  ['{"a":1,"a":2}', true],
  ['{"a":1,"\\u0061":2}', true],
  ['{"a":{"b":1,"b":1}}', true],
  ['[{"a":1},{"b":1,"b":1}]', true],
  ['{"__proto__":1,"__proto__":2}', true],
  ['{"":1,"":2}', true],
  ['{"a" \t\r\n: 1, "a" : 2}', true],
  ['{"1":1,"1":2}', true],
  ['{"a":1,"b":2}', false],
  ['{"a":{"a":1},"b":{"a":1}}', false],
  ['[{"a":1},{"a":1}]', false],
  ['{"a":"\\"a\\":1"}', false],
  ['{"a":"x\\\\","b":":"}', false],
  ['{"a":"\\\\\\"","b":1}', false],
  ['{"__proto__":{"a":1},"constructor":1}', false],
  ['["a",":","a"]', false],
  ['"a"', false],
  ['1', false],
  ['null', false],
  [`${'['.repeat(8)}${']'.repeat(8)}`, false],
  [`${'['.repeat(9)}${']'.repeat(9)}`, true],
  [`${'{"a":'.repeat(9)}1${'}'.repeat(9)}`, true],
  [`${'['.repeat(50_000)}${']'.repeat(50_000)}`, true],
])('%#: %s', (text, expected) => {
  expect(judge(text)).toBe(expected);
});

test('the output of JSON.stringify has no duplicates, whatever its white space', () => {
  const value = fc.jsonValue({ maxDepth: 4 });
  fc.assert(
    fc.property(value, fc.constantFrom('', ' ', '\t', '   '), (written, indent) => {
      const text = JSON.stringify(written, null, indent);
      expect(judge(text)).toBe(false);
    }),
  );
});

test('a duplicate member is found at any depth', () => {
  const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { minKeys: 1 });
  fc.assert(
    fc.property(object, fc.nat(), fc.nat(3), (written, at, depth) => {
      const names = Object.keys(written);
      const name = names[at % names.length] ?? '';
      const text = `{${JSON.stringify(name)}:0,${JSON.stringify(written).slice(1)}`;
      expect(judge(`${'[{"in":'.repeat(depth)}${text}${'}]'.repeat(depth)}`)).toBe(true);
    }),
  );
});
