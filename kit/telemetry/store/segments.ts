import { appendFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Timers } from '#kit/runtime';

/**
 * Lines kept in files, so that what a process saw can be read after it has gone: `NAME.MILLISECONDS.ndjson`, the time being
 * that of the first line. Bounded by size and by age; whole files go, the oldest first.
 *
 * Whoever writes waits for nothing: lines gather in memory and go to the file together, every `flushMs`. A crash loses
 * those last moments, as does a disk that is slower than the bound of the memory: what is dropped is counted.
 */
export interface Segments {
  /** One line, without its line feed. Never throws, never waits. */
  append(line: string): void;
  /** Resolves when everything that was appended is in the file, or could not be written. */
  flush(): Promise<void>;
  /** For the last moment of a process, when nothing can be awaited any more. */
  flushNow(): void;
  /** Lines that were lost because memory was full or the file could not be written. */
  readonly dropped: number;
}

export interface SegmentsOptions {
  readonly clock: Clock;
  readonly timers: Pick<Timers, 'after'>;
  readonly folder: string;
  /** While this folder is not there, lines wait in memory: making it is for somebody else. Default: the folder is made. */
  readonly below?: string;
  /** What kind of lines: `logs`, `spans`. */
  readonly name: string;
  /** A file that is larger is followed by a new one. Default 4 MiB. */
  readonly fileSizeBytesMax?: number;
  /** Of all files of this kind in the folder together. Default 32 MiB. */
  readonly sizeBytesMax?: number;
  /** Files whose last line is older go. Default 7 days. */
  readonly ageMsMax?: number;
  /** How long lines gather. Default 250 ms: longer costs less, and a crash loses more. */
  readonly flushMs?: number;
  /** Characters that may wait for the disk. Default 4 Mi; beyond, lines are dropped. */
  readonly waitingSizeMax?: number;
}

const dayMs = 86_400_000;
/** A file is followed by another after this time too, so that age can take it away. */
const fileAgeMsMax = dayMs;

export function createSegments(options: SegmentsOptions): Segments {
  const { clock, timers, folder, below, name, fileSizeBytesMax = 4 << 20, ageMsMax = 7 * dayMs } = options;
  const { sizeBytesMax = 32 << 20, flushMs = 250, waitingSizeMax = 4 << 20 } = options;
  let waiting: string[] = [];
  let waitingSize = 0;
  let dropped = 0;
  let current: { readonly path: string; readonly startMs: number; size: number } | undefined;
  let scheduled = false;
  let writing: Promise<void> = Promise.resolve();

  function take(): { readonly text: string; readonly count: number } {
    const taken = { text: waiting.length === 0 ? '' : `${waiting.join('\n')}\n`, count: waiting.length };
    waiting = [];
    waitingSize = 0;
    return taken;
  }

  async function fileFor(nowMs: number) {
    if (current && current.size < fileSizeBytesMax && nowMs - current.startMs < fileAgeMsMax) return current;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, segmentName(name, nowMs));
    sweepSegments({ folder, name, sizeBytesMax: sizeBytesMax - fileSizeBytesMax, ageMsMax, nowMs });
    current = { path, startMs: nowMs, size: 0 };
    return current;
  }

  const mayWrite = (): boolean => below === undefined || existsSync(below);

  async function write(): Promise<void> {
    if (!mayWrite()) return;
    const { text, count } = take();
    if (count === 0) return;
    try {
      const file = await fileFor(clock.now());
      await appendFile(file.path, text, { mode: 0o600 });
      file.size += Buffer.byteLength(text);
    } catch {
      // A full disk shows itself where it matters; here it costs lines, and they are counted.
      dropped += count;
    }
  }

  function flush(): Promise<void> {
    writing = writing.then(write);
    return writing;
  }

  return {
    append(line) {
      if (waitingSize + line.length > waitingSizeMax) {
        dropped++;
        return;
      }
      waiting.push(line);
      waitingSize += line.length;
      if (scheduled) return;
      scheduled = true;
      timers.after(flushMs, () => {
        scheduled = false;
        void flush();
      });
    },
    flush,
    flushNow() {
      if (!mayWrite()) return;
      const { text, count } = take();
      if (count === 0) return;
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        appendFileSync(current?.path ?? join(folder, segmentName(name, clock.now())), text, { mode: 0o600 });
      } catch {
        dropped += count;
      }
    },
    get dropped() {
      return dropped;
    },
  };
}

export interface Segment {
  readonly path: string;
  readonly startMs: number;
}

const pattern = /^([a-z]+)\.(\d{13,16})\.ndjson$/;

const segmentName = (name: string, startMs: number) =>
  `${name}.${String(Math.floor(startMs)).padStart(13, '0')}.ndjson`;

/** Files of one kind in a folder, the oldest first. None where there is no such folder. */
export function listSegments(folder: string, name: string): readonly Segment[] {
  let found: string[];
  try {
    found = readdirSync(folder);
  } catch {
    return [];
  }
  return found
    .flatMap((file) => {
      const [, kind, startMs] = pattern.exec(file) ?? [];
      return kind === name ? [{ path: join(folder, file), startMs: Number(startMs) }] : [];
    })
    .sort((a, b) => a.startMs - b.startMs);
}

export interface SweepOptions {
  readonly folder: string;
  readonly name: string;
  readonly sizeBytesMax: number;
  readonly ageMsMax: number;
  readonly nowMs: number;
}

/** A process that keeps ending leaves a small file each time. */
const filesMax = 200;

/** Deletes what is too old, and the oldest of what is too much. */
export function sweepSegments({ folder, name, sizeBytesMax, ageMsMax, nowMs }: SweepOptions): void {
  let size = 0;
  for (const [i, { path }] of listSegments(folder, name).toReversed().entries()) {
    const { size: own, mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { size: 0, mtimeMs: 0 };
    size += own;
    if (i >= filesMax || size > sizeBytesMax || mtimeMs < nowMs - ageMsMax) rmSync(path, { force: true });
  }
}
