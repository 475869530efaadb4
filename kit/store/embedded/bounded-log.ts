import { closeSync, openSync, renameSync, statSync, writeSync } from 'node:fs';

/** A log file that keeps its newest `sizeBytesMax` to twice that: when full it becomes `<path>.old`, replacing it. */
export interface BoundedLog {
  write(text: string): void;
  /** The last lines written, oldest first. */
  tail(): readonly string[];
  close(): void;
}

const tailLinesMax = 20;

export function openBoundedLog(path: string, sizeBytesMax = 4 * 2 ** 20): BoundedLog {
  let file: number | undefined = openSync(path, 'a', 0o600);
  let sizeBytes = statSync(path).size;
  let tail: string[] = [];

  function rotate(): void {
    if (file !== undefined) closeSync(file);
    renameSync(path, `${path}.old`);
    file = openSync(path, 'a', 0o600);
    sizeBytes = 0;
  }

  return {
    write(text) {
      tail = [...tail, ...text.split('\n').filter((line) => line !== '')].slice(-tailLinesMax);
      if (file === undefined) return;
      try {
        if (sizeBytes >= sizeBytesMax) rotate();
        sizeBytes += writeSync(file as number, text);
      } catch {
        // A full disk must not take the server's supervisor down with it: the tail in memory still explains.
      }
    },
    tail: () => tail,
    close() {
      if (file !== undefined) closeSync(file);
      file = undefined;
    },
  };
}
