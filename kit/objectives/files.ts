import { createTail, parseLine } from '#kit/telemetry';
import { createHistory, type Entry, type History, hourMs, ticksKeptMs } from './history.ts';

/** Kinds of files, see `createSegments`: entries as they were counted, and hours of them. */
export const tickFiles = 'ticks';
export const hourFiles = 'hours';

/** What all sources below `root` wrote down, read on at each call of `read`. */
export interface HistoryReader {
  readonly history: History;
  read(): void;
}

export function createHistoryReader(root: string): HistoryReader {
  const history = createHistory();
  const tails = [hourFiles, tickFiles].map((name) => createTail(root, name, { fromStart: true }));
  return {
    history,
    read() {
      for (const next of tails) {
        for (let lines = next(); lines.length > 0; lines = next()) {
          for (const line of lines) {
            const entry = toEntry(line);
            if (entry) history.add(entry);
          }
        }
      }
    },
  };
}

export function toEntry(line: string): Entry | undefined {
  const value = parseLine(line) as Partial<Entry> | undefined;
  const isWhole =
    typeof value?.atMs === 'number' && typeof value.forMs === 'number' && typeof value.source === 'string';
  return isWhole && typeof value.counts === 'object' ? (value as Entry) : undefined;
}

/** Size and age of the files: some 200 keys, each 30 s, for as long as windows of ticks reach; hours for the period. */
export const tickBounds = { fileSizeBytesMax: 1 << 20, sizeBytesMax: 12 << 20, ageMsMax: ticksKeptMs + hourMs };
export const hourBounds = { fileSizeBytesMax: 1 << 20, sizeBytesMax: 12 << 20, ageMsMax: 32 * 24 * hourMs };
