// How the tests run: see test/global-setup.ts for the servers they share.

import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/global-setup.ts'],
    // Tests start and kill processes of their own, which threads of one process would share.
    pool: 'forks',
    // All of them use the same two servers on the same cores: more workers make time limits meaningless.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 60_000,
  },
});
