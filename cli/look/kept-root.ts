import { existsSync } from 'node:fs';
import { pickDataDir } from '../data-dir.ts';
import { exitCodes, Failure } from '../failure.ts';
import { keptFolder } from '../kept.ts';

/** The folder of what the processes of a data directory kept. Throws a `Failure` where none has ever run. */
export function keptRoot(dataDir: string | undefined): string {
  const folder = pickDataDir(dataDir, () => {});
  const root = keptFolder(folder);
  if (existsSync(root)) return root;
  throw new Failure(
    exitCodes.unavailable,
    `Nothing is kept in ${folder}, as no Holdfast has run there: start one with "npx holdfast up", or name its --data-dir.`,
  );
}
