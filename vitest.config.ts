import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * What takes longest, longest first. Files that begin late and are long end long after all others, on one core; vitest
 * knows how long a file takes from the last run only, and a fresh clone has none. Apart are those of which the first builds
 * what the others find built: the web apps, and the programs of processes. A name that is missing here costs seconds,
 * nothing else.
 */
const slowestFirst = [
  'lab/simulator/simulator',
  'test/crash-matrix',
  'test/browser/console',
  'lab/chaos/chaos',
  'test/replay',
  'test/browser/till',
  'cli/up',
  'test/browser/storefront',
  'lab/bench/shop/shop',
  'lab/concurrency/concurrency',
  'test/browser/faults',
  'test/mesh',
  'kit/store/embedded/server',
  'test/one-trace',
  'docs/examples',
  'cli/main',
  'cli/dead-letters',
  'kit/saga/crash',
];

class SlowestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId, project }: TestSpecification): number => {
      const at = slowestFirst.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      if (at !== -1) return at;
      // One after the other: a process that is shared ends when the next file wants one of its own.
      return slowestFirst.length + (project.config.isolate ? 0 : 1);
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

/**
 * What has a process of its own: what replaces parts of it, listens to its errors, or wants much memory. All others follow
 * one another in few processes, which load what they share once: for most that was nearly all of their time.
 */
const alone = [
  'test/**/*.test.ts',
  'lab/simulator/**/*.test.ts',
  'lab/{chaos/chaos,concurrency/concurrency,bench/shop/shop}.test.ts',
  'kit/{runtime/**/*,store/database,store/embedded/*}.test.ts',
];

const all = '{kit,contracts,services,edge,apps,lab,cli,docs,test}/**/*.test.ts';

const each = {
  // Processes, not threads: tests spawn servers, send signals and count open handles.
  pool: 'forks' as const,
  setupFiles: ['kit/store/embedded/testing.each-file.ts'],
  // Bounds for what hangs, not for what is slow: a machine that is busy with other things must not fail a test.
  testTimeout: 120_000,
  hookTimeout: 180_000,
  expect: { poll: { timeout: 30_000 } },
};

export default defineConfig({
  test: {
    // For two cores. The slow ones wait half of their time: for leases to end, processes to come back, backoffs to pass.
    maxWorkers: 3,
    sequence: { sequencer: SlowestFirst },
    globalSetup: ['kit/store/embedded/testing.setup.ts'],
    projects: [
      { test: { ...each, name: 'alone', include: alone } },
      { test: { ...each, name: 'together', isolate: false, include: [all], exclude: alone } },
    ],
  },
});
