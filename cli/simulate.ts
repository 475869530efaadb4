import { performance } from 'node:perf_hooks';
import { createProgress, type SimulateOptions, simulate } from '#lab/simulator';
import { requireWritableFile } from './out-file.ts';

/** Runs the simulator for the terminal. Resolves with the exit code: 0, or 5 when a seed failed. */
export function runSimulation(options: SimulateOptions): Promise<number> {
  const startedMs = performance.now();
  if (options.page !== undefined) requireWritableFile(options.page, '--page');
  if (options.history !== undefined) requireWritableFile(options.history, '--history');
  const elapsedMs = () => performance.now() - startedMs;
  return simulate(options, {
    out: (text) => void process.stdout.write(`${text}\n`),
    progress: createProgress({ stream: process.stderr, isAsked: options.progress === true, elapsedMs }),
    elapsedMs,
  });
}
