import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    reporters: ['default', './test/support/count-reporter.ts'],
    // Real servers and browsers on two shared cores: generous, since no test asserts an absolute time.
    testTimeout: 30_000,
    hookTimeout: 60_000,
    maxWorkers: 3,
    restoreMocks: true,
  },
});
