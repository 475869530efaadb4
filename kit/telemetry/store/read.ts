import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { listSegments, type Segment } from './segments.ts';

/** Which lines are wanted. Everything that is given must fit. */
export interface LineFilter {
  /** Files that ended before are not opened. */
  readonly sinceMs?: number;
  /** At least one of these must stand in the line; empty: all lines. */
  readonly anyOf?: readonly string[];
}

const lineFeed = 10;

/** Folders of processes below the one of a system, in order of their names. */
export function processFolders(root: string): readonly { readonly process: string; readonly folder: string }[] {
  try {
    const entries = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return entries.map(({ name }) => ({ process: name, folder: join(root, name) })).sort(byProcess);
  } catch {
    return [];
  }
}

const byProcess = (a: { readonly process: string }, b: { readonly process: string }) =>
  a.process < b.process ? -1 : 1;

/**
 * Lines of one kind of a folder that may fit, in the order in which they were written; their fields are the caller's to
 * look at. There is no index: the bounds of the files are what makes this quick (32 MiB in some 20 ms).
 */
export function* readLines(folder: string, name: string, { sinceMs = 0, anyOf = [] }: LineFilter): Generator<string> {
  const needles = anyOf.map((text) => Buffer.from(text));
  for (const segment of listSegments(folder, name)) {
    const bytes = contentOf(segment, sinceMs);
    if (needles.length > 0 && !needles.some((needle) => bytes.includes(needle))) continue;
    yield* linesOf(bytes, needles);
  }
}

/** Nothing where the file has gone: it was deleted as the oldest, just now. */
function contentOf({ path }: Segment, sinceMs: number): Buffer {
  try {
    return statSync(path).mtimeMs < sinceMs ? Buffer.alloc(0) : readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

function* linesOf(bytes: Buffer, needles: readonly Buffer[]): Generator<string> {
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(lineFeed, start);
    // A line without its end is still being written, or was cut off by a crash.
    if (end < 0) return;
    const line = bytes.subarray(start, end);
    if (needles.length === 0 || needles.some((needle) => line.includes(needle))) yield line.toString();
    start = end + 1;
  }
}

/** An object, or undefined for what a crash has left of a line. */
export function parseLine(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = JSON.parse(line) as unknown;
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

/** Read at once of a file that grew; the rest comes with the next look. */
const readSizeMax = 1 << 20;

/**
 * Follows the files of a system as they grow. The first look finds where they end now, later ones what was added; `fromStart`,
 * the first ones find what there is. A look may leave some for the next: the end is where one finds nothing.
 */
export function createTail(root: string, name: string, { fromStart = false } = {}): () => readonly string[] {
  const offsets = new Map<string, number>();
  let isFirst = !fromStart;

  function newLines(path: string): string[] {
    const file = openSync(path, 'r');
    try {
      const { size } = fstatSync(file);
      if (isFirst) offsets.set(path, size);
      const from = offsets.get(path) ?? 0;
      const bytes = Buffer.alloc(Math.min(Math.max(size - from, 0), readSizeMax));
      const count = readSync(file, bytes, 0, bytes.length, from);
      const end = bytes.subarray(0, count).lastIndexOf(lineFeed) + 1;
      offsets.set(path, from + end);
      return end === 0 ? [] : bytes.toString('utf8', 0, end - 1).split('\n');
    } finally {
      closeSync(file);
    }
  }

  return () => {
    const found: string[] = [];
    const present = new Set<string>();
    for (const { folder } of processFolders(root)) {
      for (const { path } of listSegments(folder, name)) {
        present.add(path);
        try {
          found.push(...newLines(path));
        } catch {
          // Deleted between the look and the read.
        }
      }
    }
    for (const path of offsets.keys()) if (!present.has(path)) offsets.delete(path);
    isFirst = false;
    return found;
  };
}
