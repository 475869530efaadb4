import { readFile, stat } from 'node:fs/promises';
import type { LogLine } from '#contracts/operators';
import type { LogFilter } from '#edge/gateway';
import { listSegments, parseLine, processFolders } from '#kit/telemetry';
import { fits, type KeptLine, toLine } from './look/find.ts';

/** Of files, for one answer: a gateway has other things to do. Whole files are looked through, the newest first. */
const sizeBytesMax = 64 << 20;
/** An id that is in everything leads nowhere. */
const relatedMax = 500;

interface File {
  readonly path: string;
  /** Of its last line, nearly. */
  readonly endMs: number;
  readonly sizeBytes: number;
}

/**
 * Lines that all processes kept, the newest first, for whoever looks at them in the console; `holdfast logs` does the same for a
 * terminal and may take its time. Files are read one after the other, backwards and as text, and only lines that may fit
 * are parsed: so whoever serves orders in the same process waits for milliseconds at most.
 */
export async function viewLogs(
  root: string,
  filter: LogFilter,
): Promise<{ readonly items: readonly LogLine[]; readonly complete: boolean }> {
  const { about, level, service, limit, toMs = Number.POSITIVE_INFINITY } = filter;
  const files = await filesOf(root, 'logs');
  const anyOf = about === undefined ? [] : await relatedIds(about, [...files, ...(await filesOf(root, 'spans'))]);
  const needles = anyOf.map((id) => Buffer.from(JSON.stringify(id)));
  const query = { ...(level === undefined ? {} : { level }), ...(service === undefined ? {} : { service }) };
  const isWanted = (line: KeptLine) => fits(line, query) && Date.parse(line.time) <= toMs;
  let found: KeptLine[] = [];
  let readBytes = 0;
  for (const file of files) {
    const oldest = found[limit];
    // All files that are left ended before the oldest line of the answer.
    if (oldest && file.endMs < Date.parse(oldest.time)) break;
    if (readBytes + file.sizeBytes > sizeBytesMax) return { items: found.slice(0, limit).map(viewOf), complete: false };
    readBytes += file.sizeBytes;
    // One more than is shown says that there are more.
    const own = linesBackwards(await contentOf(file), needles, isWanted, limit + 1);
    found = [...found, ...own].sort(newestFirst).slice(0, limit + 1);
  }
  return { items: found.slice(0, limit).map(viewOf), complete: found.length <= limit };
}

/** The newest first. */
async function filesOf(root: string, name: 'logs' | 'spans'): Promise<readonly File[]> {
  const paths = processFolders(root).flatMap(({ folder }) => listSegments(folder, name).map(({ path }) => path));
  const files = await Promise.all(
    paths.map(async (path) => {
      // Deleted as the oldest, just now.
      const about = await stat(path).catch(() => undefined);
      return about && { path, endMs: about.mtimeMs, sizeBytes: about.size };
    }),
  );
  return files.filter((file) => file !== undefined).sort((a, b) => b.endMs - a.endMs);
}

const contentOf = ({ path }: File): Promise<Buffer> => readFile(path).catch(() => Buffer.alloc(0));

/** The id itself, and the traces and correlation ids of everything that named it. */
async function relatedIds(id: string, files: readonly File[]): Promise<readonly string[]> {
  const related = new Set([id]);
  const note = (value: unknown) => {
    if (typeof value === 'string' && related.size < relatedMax) related.add(value);
  };
  const needle = Buffer.from(JSON.stringify(id));
  let readBytes = 0;
  for (const file of files) {
    readBytes += file.sizeBytes;
    if (readBytes > sizeBytesMax || related.size >= relatedMax) break;
    for (const text of textsBackwards(await contentOf(file), [needle])) {
      const line = parseLine(text);
      const attributes = line?.['attributes'] as Readonly<Record<string, unknown>> | undefined;
      for (const value of [line?.['traceId'], line?.['correlationId'], attributes?.['correlation_id']]) note(value);
    }
  }
  return [...related];
}

function linesBackwards(
  bytes: Buffer,
  needles: readonly Buffer[],
  isWanted: (line: KeptLine) => boolean,
  limit: number,
): KeptLine[] {
  const found: KeptLine[] = [];
  for (const text of textsBackwards(bytes, needles)) {
    const line = toLine(text);
    if (line && isWanted(line)) found.push(line);
    if (found.length >= limit) break;
  }
  return found;
}

const lineFeed = 10;

/** What stands after the last line feed is still being written, or was cut off by a crash. */
function* textsBackwards(bytes: Buffer, needles: readonly Buffer[]): Generator<string> {
  if (needles.length > 0 && !needles.some((needle) => bytes.includes(needle))) return;
  let end = bytes.lastIndexOf(lineFeed);
  while (end > 0) {
    const start = bytes.lastIndexOf(lineFeed, end - 1) + 1;
    const line = bytes.subarray(start, end);
    if (needles.length === 0 || needles.some((needle) => line.includes(needle))) yield line.toString();
    end = start - 1;
  }
}

const newestFirst = (a: KeptLine, b: KeptLine): number => {
  if (a.time !== b.time) return a.time < b.time ? 1 : -1;
  return a.correlationId === b.correlationId ? (b.step ?? 0) - (a.step ?? 0) : 0;
};

function viewOf({ time, level, msg, process, service, traceId, correlationId, ...fields }: KeptLine): LogLine {
  return {
    ...{ time, level, message: msg, fields },
    ...(process === undefined ? {} : { process }),
    ...(service === undefined ? {} : { service }),
    ...(traceId === undefined ? {} : { traceId }),
    ...(correlationId === undefined ? {} : { correlationId }),
  };
}
