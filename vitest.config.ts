import { defineConfig } from 'vitest/config';
import { filesByTier, type Tier } from './test/support/vitest/tiers.ts';

const files = filesByTier();
const { unit: _, ...others } = files;

const project = (name: Tier, options: object) => ({ extends: true as const, test: { name, ...options } });

export default defineConfig({
  test: {
    globalSetup: ['test/support/vitest/global-setup.ts'],
    reporters: ['default', './test/support/vitest/count-reporter.ts'],
    // Last resorts, far longer than anything takes on a machine that is busy with other work: no test measures it.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 60_000, interval: 5 } },
    maxWorkers: 3,
    restoreMocks: true,
    // The files of a project share processes, and what is loaded there.
    isolate: false,
    projects: [
      // Also a file that was not there when the watch began.
      project('unit', { include: ['test/**/*.test.ts'], exclude: Object.values(others).flat() }),
      project('gateway', { include: [...files.gateway] }),
      project('redis', { include: [...files.redis] }),
      project('e2e', { include: [...files.e2e] }),
      project('shipping', { include: [...files.shipping] }),
    ],
  },
});
