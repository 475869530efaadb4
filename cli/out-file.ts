import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { placeOf } from './data-dir.ts';
import { exitCodes, Failure } from './failure.ts';

/** A run of minutes must not find out at its end that it has nowhere to write: throws a `Failure` where it could not. */
export function requireWritableFile(given: string, option: string): void {
  const path = resolve(given);
  const folder = dirname(path);
  if (given.trim() === '') throw new Failure(exitCodes.usage, `${option} is empty: name a file.`);
  if (isFolder(path)) throw new Failure(exitCodes.usage, `${option} ${given} is a folder: name a file in it.`);
  if (!isFolder(folder)) {
    throw new Failure(exitCodes.usage, `There is no folder ${folder} for ${option}: make it, or name another file.`);
  }
  requireWritable(existsSync(path) ? path : folder, option);
}

/** The path of a folder that is there and can be written to, or can be made. Throws a `Failure` otherwise. */
export function writableFolder(given: string, option: string): string {
  const path = placeOf(given, option);
  let nearest = path;
  while (!existsSync(nearest)) nearest = dirname(nearest);
  requireWritable(nearest, option);
  return path;
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

function requireWritable(path: string, option: string): void {
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const sentence = `${path} can't be written (${code}): make it writable for this user, or choose another place with ${option}.`;
    throw new Failure(exitCodes.unavailable, sentence, { cause: error });
  }
}
