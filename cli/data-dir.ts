import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chooseDataDir } from '#kit/store/embedded';
import { exitCodes, Failure } from './failure.ts';

const checkout = dirname(dirname(fileURLToPath(import.meta.url)));

/** `.holdfast` in the checkout, or below /var/lib where the database server can't get to that; `say` tells why. */
export function pickDataDir(given: string | undefined, say: (why: string) => void, name = ''): string {
  if (given !== undefined) return placeOf(given, '--data-dir');
  const hash = createHash('sha256').update(checkout).digest('hex').slice(0, 12);
  const { dataDir, why } = chooseDataDir(join(checkout, '.holdfast', name), join('/var/lib/holdfast', hash, name));
  if (why) say(why);
  return dataDir;
}

const procMagic = 0x9fa0;

/** The path of a folder that may have to be made. Throws a `Failure` where none can be: of what an option was given. */
export function placeOf(given: string, option: string): string {
  // An unset variable in a script: the current folder is not meant.
  if (given.trim() === '') throw new Failure(exitCodes.usage, `${option} is empty: name a directory.`);
  const path = resolve(given);
  let nearest = path;
  while (!existsSync(nearest)) nearest = dirname(nearest);
  if (!statSync(nearest).isDirectory()) {
    const sentence = `${path} can't be made, because ${nearest} is a file: move it, or choose another place with ${option}.`;
    throw new Failure(exitCodes.unavailable, sentence);
  }
  // There Node tries for ever to make folders on the way (mkdir with `recursive`, seen in 24.21).
  if (nearest !== path && statfsSync(nearest).type === procMagic) {
    const sentence = `${path} can't be made: ${nearest} shows processes and takes no files; choose another place with ${option}.`;
    throw new Failure(exitCodes.unavailable, sentence);
  }
  // What would be made there is told of as missing by Node (ENOENT).
  if (nearest !== path && isReadOnly(nearest)) {
    const sentence = `${path} can't be made: the file system of ${nearest} is read-only; choose another place with ${option}.`;
    throw new Failure(exitCodes.unavailable, sentence);
  }
  return path;
}

function isReadOnly(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EROFS';
  }
}
