/**
 * Concurrent tests take `expect` from their context: the imported one does not know which test calls it, and fails
 * when it polls.
 */

import { globSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { type AnyNode, type CallExpression, type Function as FunctionNode, parse } from 'acorn';
import { ancestor, simple } from 'acorn-walk';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

/** Whether a callee is `test.concurrent`, `describe.concurrent.for([…])` or the like. */
function isConcurrent(callee: AnyNode): boolean {
  if (callee.type === 'CallExpression') return isConcurrent(callee.callee);
  if (callee.type !== 'MemberExpression') return false;
  return (
    (callee.property.type === 'Identifier' && callee.property.name === 'concurrent') || isConcurrent(callee.object)
  );
}

/** Whether a function takes `expect` from its context: `({ expect }) => …`, or `(row, { expect }) => …`. */
const takesExpect = ({ params }: FunctionNode) =>
  params.some(
    (it) =>
      it.type === 'ObjectPattern' &&
      it.properties.some(
        (one) => one.type === 'Property' && one.key.type === 'Identifier' && one.key.name === 'expect',
      ),
  );

const functionsOf = ({ arguments: given }: CallExpression): FunctionNode[] =>
  given.filter((it) => it.type === 'ArrowFunctionExpression' || it.type === 'FunctionExpression');

/** Lines of calls of the imported `expect` inside of a concurrent test or suite. */
function wrongLines(source: string): number[] {
  const tree = parse(stripTypeScriptTypes(source), { ecmaVersion: 'latest', sourceType: 'module', locations: true });
  const bodies: FunctionNode[] = [];
  simple(tree, {
    CallExpression: (call) => void (isConcurrent(call.callee) && bodies.push(...functionsOf(call))),
  });
  const lines = new Set<number>();
  for (const body of bodies) {
    ancestor(body, {
      Identifier: (node, _state, ancestors) => {
        const isBound = ancestors.some((it) => 'params' in it && takesExpect(it as FunctionNode));
        if (node.name === 'expect' && !isBound) lines.add(node.loc?.start.line ?? 0);
      },
    });
  }
  return [...lines];
}

test('concurrent tests take expect from their context', () => {
  const files = globSync('{test,packages}/**/*.test.ts', { cwd: ROOT, exclude: ['**/node_modules/**'] });
  const texts = files.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')] as const);
  const concurrent = texts.filter(([, text]) => text.includes('.concurrent'));
  expect(concurrent.length).toBeGreaterThan(0);
  expect(concurrent.flatMap(([file, text]) => wrongLines(text).map((line) => `${file}:${line}`))).toEqual([]);
});

test.each([
  ['test.concurrent("a", async ({ expect }) => { expect(1).toBe(1); });', []],
  ['test.concurrent("a", async () => { expect(1).toBe(1); });', [1]],
  ['test.concurrent.for([1])("a", async (n, { expect }) => { await expect.poll(() => n).toBe(1); });', []],
  ['test.concurrent.for([1])("a", async (n) => {\n await expect.poll(() => n).toBe(1);\n});', [2]],
  ['describe.concurrent("a", () => { test("b", () => expect(1)); test("c", ({ expect }) => expect(1)); });', [1]],
  ['test("a", () => { expect(1).toBe(1); });', []],
])('%s', (source, lines) => {
  expect(wrongLines(source)).toEqual(lines);
});
