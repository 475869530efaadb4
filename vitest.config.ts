import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{kit,contracts,services,edge,apps,lab,cli,docs,test}/**/*.test.ts'],
    // Processes, not threads: tests spawn servers, send signals and count open handles.
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: ['kit/store/embedded/testing.setup.ts'],
    // Bounds for what hangs, not for what is slow: a machine that is busy with other things must not fail a test.
    testTimeout: 120_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000 } },
  },
});
