import { spawn } from 'node:child_process';
import { exitCodes, Failure } from '../../cli/failure.ts';
import { type CpuUse, type Watched, watchCpu } from './cpu.ts';

/** What a worker tells its parent: that its warm-up is over, and at last what it found. */
export type FromWorker<Result> = 'measuring' | Result;

/**
 * Gives work to a process of its own (as JSON in its first argument), and watches who uses the processor while it
 * measures.
 */
export function runWorker<Result extends object>(
  path: string,
  work: { readonly measureMs: number },
  watched: Omit<Watched, 'client'>,
): Promise<Result & { readonly cpu: CpuUse | undefined }> {
  const child = spawn(process.execPath, [path, JSON.stringify(work)], { stdio: ['ignore', 2, 2, 'ipc'] });
  let timer: NodeJS.Timeout | undefined;
  let cpu: CpuUse | undefined;
  let result: Result | undefined;
  child.on('message', (message: FromWorker<Result>) => {
    if (message !== 'measuring') {
      result = message;
      return;
    }
    const usedCpu = watchCpu({ client: child.pid as number, ...watched });
    // Read just before the work stops, so that only the measured time is in it.
    timer = setTimeout(() => {
      cpu = usedCpu();
    }, work.measureMs * 0.98);
  });
  return new Promise((resolve, reject) => {
    child.once('close', (code) => {
      clearTimeout(timer);
      if (code === 0 && result) resolve({ ...result, cpu });
      else reject(new Failure(exitCodes.internal, `A process of the benchmark (${path}) ended with code ${code}.`));
    });
  });
}
