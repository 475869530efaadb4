import { bugNamed } from './bugs/index.ts';
import { prepareImages } from './images.ts';
import type { Image } from './pglite/image.ts';
import { type RunResult, runSeed } from './run.ts';

/** What a worker is asked: the next seed. */
export interface WorkerRequest {
  readonly seed: number;
  readonly bug: string | undefined;
}

export type WorkerReply = { readonly ready: true } | { readonly result: RunResult } | { readonly failed: string };

/** A process of its own for each core: seeds share nothing, and a WASM server can only be used by one thread. */
export async function serveSeeds(send: (reply: WorkerReply) => void): Promise<(request: WorkerRequest) => void> {
  const images: ReadonlyMap<string, Image> = await prepareImages();
  send({ ready: true });
  return ({ seed, bug: name }) => {
    const bug = name === undefined ? undefined : bugNamed(name);
    runSeed({ seed, images, ...(bug ? { bug } : {}) }).then(
      (result) => send({ result }),
      (error) => send({ failed: `seed ${seed}: ${(error as Error).stack ?? error}` }),
    );
  };
}

if (process.argv[1] === import.meta.filename) {
  const serve = await serveSeeds((reply) => void process.send?.(reply));
  process.on('message', (message) => serve(message as WorkerRequest));
  // Whoever asked has gone, or has no more questions.
  process.on('disconnect', () => process.exit());
}
