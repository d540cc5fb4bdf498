/**
 * Closes a run with one line that counts its tests, and leaves that line in `test-results.json` for `.ci/run`.
 * Skipped tests are named, with the reason that they give, so that none goes unnoticed.
 */

import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 };
    for (const module of modules) {
      if (
        module.state() === 'failed' &&
        [...module.children.allTests()].every((test) => test.result().state !== 'failed')
      )
        counts.failed += 1;
      for (const test of module.children.allTests()) {
        const result = test.result();
        if (result.state === 'passed' || result.state === 'failed') counts[result.state] += 1;
        else {
          counts.skipped += 1;
          const why = 'note' in result && result.note !== undefined ? ` (${result.note})` : '';
          console.log(`skipped: ${test.fullName}${why}`);
        }
      }
    }
    counts.failed += errors.length;
    const line = `${counts.passed} passed, ${counts.failed} failed`;
    writeFileSync('test-results.json', `${JSON.stringify({ ...counts, line })}\n`);
    console.log(`\n${line}`);
  }
}
