import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{kit,contracts,services,edge,lab,cli,docs,test}/**/*.test.ts'],
    // Processes, not threads: tests spawn servers, send signals and count open handles.
    pool: 'forks',
    maxWorkers: 2,
    globalSetup: ['kit/store/embedded/testing.setup.ts'],
    testTimeout: 20_000,
    // A first hook may have to wait for the server's initdb on a busy machine.
    hookTimeout: 60_000,
  },
});
