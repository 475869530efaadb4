import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { exitCodes, Failure } from './failure.ts';

/** Certificates in PEM, the leaf first, and their key. Throws a `Failure` when they can't be read, or are no pair. */
export function readKeyPair(files: { readonly certFile: string; readonly keyFile: string }): {
  readonly cert: string;
  readonly key: string;
} {
  const pair = { cert: read(files.certFile), key: read(files.keyFile) };
  try {
    createSecureContext(pair);
    return pair;
  } catch (cause) {
    throw new Failure(
      exitCodes.usage,
      `${files.certFile} and ${files.keyFile} are no certificate with its key (${(cause as Error).message}): give both in PEM.`,
      { cause },
    );
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Failure(exitCodes.usage, `${file} can't be read (${code}): give a file of PEM.`, { cause });
  }
}
