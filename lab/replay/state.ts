/**
 * What a replay remembers between runs, in two small files. Neither is needed for correctness of the shop's books, as
 * business keys make every repeat harmless:
 *
 *   replay-progress.json  how far an interrupted run came: the next one passes over that much
 *   replay-books.json.gz  what was sold and may still be returned, and what each credit note was matched with:
 *                         lets a month that is replayed later find the sales of the months before it
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { InvoiceBooksState } from './invoice.ts';

const FORMAT = 1;

export class ReplayStateError extends Error {
  override readonly name = 'ReplayStateError';
}

export interface ReplayState {
  /** Of the shop's books that this directory belongs to; other books' state is ignored. */
  readonly booksDigest: string;
  readonly books: InvoiceBooksState | undefined;
  loadProgress(planId: string): Promise<number>;
  saveProgress(planId: string, doneCount: number): Promise<void>;
  /** The run is complete: keeps the books, forgets the progress. */
  complete(books: InvoiceBooksState): Promise<void>;
}

/** Without a directory nothing is remembered. */
export async function openReplayState(directory: string | undefined, booksId: string): Promise<ReplayState> {
  if (directory === undefined) return forgetfulState;
  await mkdir(directory, { recursive: true });
  const progressPath = join(directory, 'replay-progress.json');
  const booksPath = join(directory, 'replay-books.json.gz');
  const content = await readIfThere(booksPath);
  const kept = content === undefined ? undefined : await parseBooks(content, booksPath);
  const mine = kept?.booksId === booksId ? kept : undefined;

  return {
    booksDigest: mine === undefined || content === undefined ? '' : createHash('sha256').update(content).digest('hex'),
    books: mine?.books,
    async loadProgress(planId) {
      const text = await readIfThere(progressPath);
      if (text === undefined) return 0;
      try {
        const saved = JSON.parse(text.toString()) as { planId?: unknown; doneCount?: unknown };
        return saved.planId === planId && Number.isSafeInteger(saved.doneCount) ? (saved.doneCount as number) : 0;
      } catch {
        // Half a file is no progress: everything is sent again, which is only slower.
        return 0;
      }
    },
    saveProgress: (planId, doneCount) => replaceFile(progressPath, JSON.stringify({ planId, doneCount })),
    async complete(books) {
      await replaceFile(booksPath, await promisify(gzip)(JSON.stringify({ format: FORMAT, booksId, books })));
      await rm(progressPath, { force: true });
    },
  };
}

const forgetfulState: ReplayState = {
  booksDigest: '',
  books: undefined,
  loadProgress: async () => 0,
  saveProgress: async () => {},
  complete: async () => {},
};

async function parseBooks(content: Buffer, path: string): Promise<{ booksId: string; books: InvoiceBooksState }> {
  try {
    const saved = JSON.parse((await promisify(gunzip)(content)).toString());
    if (saved.format === FORMAT) return saved;
    throw new Error(`format ${saved.format}, expected ${FORMAT}`);
  } catch (error) {
    const remedy = 'Remove it to go on: returns of earlier replays are then booked as foreign returns.';
    throw new ReplayStateError(`can't use ${path}: ${(error as Error).message}. ${remedy}`, { cause: error });
  }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** Whole or not at all: a crash leaves the old file. */
async function replaceFile(path: string, content: string | Buffer): Promise<void> {
  await writeFile(`${path}.new`, content);
  await rename(`${path}.new`, path);
}
