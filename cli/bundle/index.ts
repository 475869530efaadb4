import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runBuilder } from '../builder.ts';
import { bundleOf, type Program } from './bundles.ts';

const builder = fileURLToPath(new URL('./main.ts', import.meta.url));

/**
 * The program of a child process as a few files instead of 1,400, built now where sources have changed, or there already. A
 * process loads it with a quarter of the processor time and takes 40 MB less (docs/decisions/150-bundled-processes.md).
 * Throws when it can't be built; the sources run as well.
 */
export async function bundledEntry(program: Program): Promise<string> {
  const bundle = bundleOf(program);
  const { folder } = await runBuilder<{ folder: string }>(builder, `the program of the ${bundle}`, [bundle]);
  return join(folder, `${program}.js`);
}
