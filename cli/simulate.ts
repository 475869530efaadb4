import { performance } from 'node:perf_hooks';
import { type SimulateOptions, simulate } from '#lab/simulator';
import { requireWritableFile } from './out-file.ts';

/** Runs the simulator for the terminal. Resolves with the exit code: 0, or 5 when a seed failed. */
export function runSimulation(options: SimulateOptions): Promise<number> {
  const startedMs = performance.now();
  if (options.page !== undefined) requireWritableFile(options.page, '--page');
  if (options.history !== undefined) requireWritableFile(options.history, '--history');
  const { isTTY } = process.stderr;
  return simulate(options, {
    out: (text) => void process.stdout.write(`${text}\n`),
    progress: (text) => void (isTTY && process.stderr.write(`\r\x1b[2K${text}`)),
    elapsedMs: () => performance.now() - startedMs,
  });
}
