import { type ChildProcess, fork } from 'node:child_process';
import type { RunResult } from './run.ts';
import type { WorkerReply, WorkerRequest } from './worker.ts';

/** A list of runs that is written while it is worked on: it asks for one run after the other, and is told each result. */
export type Work<Result = void> = Generator<WorkerRequest, Result, RunResult>;

/** Does several lists of work side by side, each in a process of its own. */
export async function runInProcesses(works: readonly Work[]): Promise<void> {
  await Promise.all(works.map(runInProcess));
}

function runInProcess(work: Work): Promise<void> {
  const child: ChildProcess = fork(`${import.meta.dirname}/worker.ts`, [], { execArgv: [], serialization: 'advanced' });
  return new Promise((resolve, reject) => {
    const goOn = (step: IteratorResult<WorkerRequest, void>) => {
      if (step.done) child.disconnect();
      else child.send(step.value);
    };
    child.on('message', (message) => {
      const reply = message as WorkerReply;
      if ('failed' in reply) {
        child.disconnect();
        reject(new Error(reply.failed));
      } else goOn('result' in reply ? work.next(reply.result) : work.next());
    });
    child.on('error', reject);
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`a simulator process ended with code ${code}`));
    });
  });
}
