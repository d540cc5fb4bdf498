/**
 * Ends a run with the ten slowest tests and one line with the counts, and writes that line to `test-results.json` for
 * `.ci/run`. Skipped tests are listed with their reasons, so that none goes unnoticed.
 */

import { writeFileSync } from 'node:fs';
import type { Reporter, TestCase, TestModule } from 'vitest/node';

const SLOWEST = 10;
/** Faster tests are not listed. */
const SLOW_MS = 1_000;

/** Vitest reporter; its closing line is always the last one. */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const test of tests) {
      const result = test.result();
      if (result.state === 'passed' || result.state === 'failed') counts[result.state] += 1;
      else {
        counts.skipped += 1;
        const why = 'note' in result && result.note !== undefined ? ` (${result.note})` : '';
        console.log(`skipped: ${test.fullName}${why}`);
      }
    }
    // Files that could not be run, and errors outside any test.
    counts.failed += modules.filter(isBroken).length + errors.length;
    for (const line of slowest(tests)) console.log(line);
    const line = `${counts.passed} passed, ${counts.failed} failed`;
    writeFileSync('test-results.json', `${JSON.stringify({ ...counts, line })}\n`);
    console.log(`\n${line}`);
  }
}

/** Whether a file failed although none of its tests did. */
function isBroken(module: TestModule): boolean {
  return (
    module.state() === 'failed' && [...module.children.allTests()].every((test) => test.result().state !== 'failed')
  );
}

const msOf = (test: TestCase): number => test.diagnostic()?.duration ?? 0;

function slowest(tests: readonly TestCase[]): readonly string[] {
  const slow = tests
    .filter((test) => msOf(test) >= SLOW_MS)
    .toSorted((a, b) => msOf(b) - msOf(a))
    .slice(0, SLOWEST);
  if (slow.length === 0) return [];
  const lines = slow.map((test) => {
    const seconds = (msOf(test) / 1_000).toFixed(1).padStart(6);
    return `${seconds} s  ${test.module.relativeModuleId} > ${test.fullName}`;
  });
  return ['\nslowest tests:', ...lines];
}
