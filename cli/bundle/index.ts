import { fileURLToPath } from 'node:url';
import { runBuilder } from '../builder.ts';

const builder = fileURLToPath(new URL('./main.ts', import.meta.url));

/**
 * The program of a child process as a few files instead of 1,400, built now where sources have changed, or there already. A
 * process loads it with a quarter of the processor time and takes 40 MB less (docs/decisions/150-bundled-processes.md).
 * Throws when it can't be built; the sources run as well.
 */
export async function bundledEntry(): Promise<string> {
  return (await runBuilder<{ entry: string }>(builder, 'the program of the processes')).entry;
}
