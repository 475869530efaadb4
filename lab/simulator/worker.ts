import { bugNamed } from './bugs/index.ts';
import { planOf } from './conditions.ts';
import { prepareImages } from './images.ts';
import type { Image } from './pglite/image.ts';
import { type RunResult, runSeed } from './run.ts';

/** One run, in words that can be sent to another process. */
export interface WorkerRequest {
  readonly seed: number;
  /** The run has the conditions of this planted bug … */
  readonly bug?: string | undefined;
  /** … and the bug itself, unless it is to show that without it the same run is clean. */
  readonly isSpared?: boolean;
}

export type WorkerReply = { readonly ready: true } | { readonly result: RunResult } | { readonly failed: string };

export function runRequest(
  { seed, bug: name, isSpared = false }: WorkerRequest,
  images: ReadonlyMap<string, Image>,
): Promise<RunResult> {
  const bug = name === undefined ? undefined : bugNamed(name);
  const plan = planOf(seed, bug?.conditions);
  return runSeed({ seed, plan, images, ...(bug && !isSpared ? { bug } : {}) });
}

/** A process of its own for each core: seeds share nothing, and a WASM server can only be used by one thread. */
async function serveSeeds(send: (reply: WorkerReply) => void): Promise<(request: WorkerRequest) => void> {
  const images: ReadonlyMap<string, Image> = await prepareImages();
  send({ ready: true });
  return (request) => {
    runRequest(request, images).then(
      (result) => send({ result }),
      (error) => send({ failed: `seed ${request.seed}: ${(error as Error).stack ?? error}` }),
    );
  };
}

if (process.argv[1] === import.meta.filename) {
  const serve = await serveSeeds((reply) => void process.send?.(reply));
  process.on('message', (message) => serve(message as WorkerRequest));
  // Whoever asked has gone, or has no more questions.
  process.on('disconnect', () => process.exit());
}
