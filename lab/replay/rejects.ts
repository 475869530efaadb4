/** The rejects file: every line that was not booked, with where it stood, why, and what it said. NDJSON. */
import { createWriteStream, type WriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { finished } from 'node:stream/promises';
import type { Reject } from './row.ts';

export interface RejectsWriter {
  /** Resolves when there is room for more. */
  write(reject: Reject): Promise<void>;
  close(): Promise<void>;
}

/**
 * Removes what an earlier run left at `path`; the file appears with the first reject. Without a path nothing is kept. To be
 * made once it is certain that there is something to read: what stands there may be somebody's only copy.
 */
export async function createRejectsWriter(path: string | undefined): Promise<RejectsWriter> {
  if (path === undefined) return { write: async () => {}, close: async () => {} };
  await rm(path, { force: true });
  let stream: WriteStream | undefined;
  let broken: unknown;
  return {
    async write(reject) {
      if (stream === undefined) {
        stream = createWriteStream(path);
        stream.on('error', (error) => {
          broken = error;
        });
      }
      if (broken !== undefined) throw broken;
      if (stream.write(rejectLine(reject))) return;
      await drained(stream);
    },
    async close() {
      if (stream === undefined) return;
      if (broken !== undefined) throw broken;
      stream.end();
      await finished(stream);
    },
  };
}

/** A stream that breaks never drains: it closes instead, and the next write says why. */
function drained(stream: WriteStream): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
  });
}

export function rejectLine({ file, line, reason, message, raw }: Reject): string {
  return `${JSON.stringify({ file, line, reason, message, row: raw.fields })}\n`;
}
