import { parseArgs } from 'node:util';
import { explain } from '../../cli/failure.ts';
import { createProgress } from './progress.ts';
import { simulate } from './simulate.ts';

/** The simulator by itself: `node lab/simulator/main.ts --seeds 1..50 --json`. `holdfast simulate` takes the same flags. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string' },
    for: { type: 'string' },
    trace: { type: 'boolean' },
    page: { type: 'string' },
    history: { type: 'string' },
    minimise: { type: 'boolean' },
    bug: { type: 'string' },
    'list-bugs': { type: 'boolean' },
    workers: { type: 'string' },
    json: { type: 'boolean' },
    progress: { type: 'boolean' },
  },
});
const started = performance.now();
const elapsedMs = () => performance.now() - started;
const { seed, workers, 'list-bugs': listBugs, ...rest } = values;
const exitCode = await simulate(
  {
    ...rest,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(workers === undefined ? {} : { workers: Number(workers) }),
    ...(listBugs === undefined ? {} : { listBugs }),
  },
  {
    out: (text) => void process.stdout.write(`${text}\n`),
    progress: createProgress({ stream: process.stderr, isAsked: values.progress === true, elapsedMs }),
    elapsedMs,
  },
).catch((error: unknown) => {
  const { sentence, exitCode } = explain(error);
  process.stderr.write(`${sentence}\n`);
  return exitCode;
});
if (process.stderr.isTTY) process.stderr.write('\n');
process.exit(exitCode);
