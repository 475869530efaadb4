import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { systemTimers, type Timers } from '#kit/runtime';
import type { LedgerRecord } from './ledger-types.ts';

/**
 * Where the sandbox writes its records down. `append` and `settled` give undefined when nothing has to be waited for,
 * so that a journal in memory costs no turn of the event loop.
 */
export interface Journal {
  /** Hands over every durable record in order; called once, before the first append. */
  rebuild(onRecord: (record: LedgerRecord) => void): Promise<JournalHealth>;
  append(record: LedgerRecord): Promise<void> | undefined;
  /** Resolves when everything appended so far is durable. */
  settled(): Promise<void> | undefined;
  close(): Promise<void>;
}

export interface JournalHealth {
  readonly records: number;
  /** Bytes of an unfinished last write that were cut off. Nobody had got a reply for what they held. */
  readonly tornBytes: number;
}

/** For the simulator and for tests: keeps lines in memory, survives a "restart" by being handed to the next sandbox. */
export function createMemoryJournal(options: { readonly keep?: boolean } = {}): Journal {
  const lines: string[] = [];
  return {
    async rebuild(onRecord) {
      for (const line of lines) onRecord(JSON.parse(line));
      return { records: lines.length, tornBytes: 0 };
    },
    append(record) {
      if (options.keep) lines.push(JSON.stringify(record));
      return undefined;
    },
    settled: () => undefined,
    async close() {},
  };
}

export interface FileJournalOptions {
  /** The file; it and its folder are made when missing. One process at a time may have it open. */
  readonly path: string;
  /** Most bytes of one write + fdatasync. Larger: fewer syncs under load, longer waits for each. Default 1 MiB. */
  readonly batchBytesMax?: number;
  /** Time between attempts while the disk is full. */
  readonly timers?: Timers;
}

const roomPeriodMs = 500;
const magic = '#holdfast-sandbox-journal 1\n';

/**
 * One append-only file with group commit: what arrives while a write is under way goes out together in the next one.
 *
 * Layout: a first line naming the format, then batches: `#<bytes> <crc32>\n` followed by that many bytes of NDJSON. A
 * batch is written only after the one before it is durable, so damage to the last batch is an unfinished write (cut
 * off, nobody had a reply for it), and damage anywhere else is a broken disk (refused).
 */
export function createFileJournal(options: FileJournalOptions): Journal {
  const { path, batchBytesMax = 1 << 20, timers = systemTimers } = options;
  const closing = new AbortController();
  let file: FileHandle | undefined;
  let position = 0;
  let waiting: Batch | undefined;
  let later: Batch[] = [];
  let newest: Batch | undefined;
  let writing: Promise<void> | undefined;
  let failure: Error | undefined;

  return {
    async rebuild(onRecord) {
      await mkdir(dirname(path), { recursive: true });
      file = await openOrCreate(path);
      try {
        return await prepare(file, onRecord);
      } catch (error) {
        await file.close();
        throw error;
      }
    },
    append(record) {
      if (failure) return Promise.reject(failure);
      const line = `${JSON.stringify(record)}\n`;
      if (waiting && waiting.sizeBytes + line.length > batchBytesMax) {
        later.push(waiting);
        waiting = undefined;
      }
      waiting ??= newest = createBatch();
      waiting.lines.push(line);
      waiting.sizeBytes += line.length;
      writing ??= writeAll();
      return waiting.durable.promise;
    },
    settled() {
      if (failure) return Promise.reject(failure);
      return newest?.done ? undefined : newest?.durable.promise;
    },
    async close() {
      closing.abort();
      await writing?.catch(() => {});
      await file?.close();
      file = undefined;
      failure ??= new Error('sandbox journal: it is closed');
    },
  };

  /** Reads what is there, cuts off an unfinished end, and makes sure that the rest is durable. */
  async function prepare(opened: FileHandle, onRecord: (record: LedgerRecord) => void): Promise<JournalHealth> {
    const { endsAt, records, tornBytes } = await readBatches(opened, path, onRecord);
    position = endsAt;
    if (tornBytes > 0) await opened.truncate(endsAt);
    if (endsAt === 0) {
      await opened.write(magic, 0);
      position = magic.length;
    }
    await opened.datasync();
    return { records, tornBytes };
  }

  async function writeAll(): Promise<void> {
    // One turn of the event loop: what arrives together is written together.
    await Promise.resolve();
    while (!failure) {
      const batch = later.shift() ?? waiting;
      if (!batch) break;
      if (batch === waiting) waiting = undefined;
      try {
        await writeBatch(batch);
        batch.done = true;
        batch.durable.resolve();
      } catch (error) {
        if (hasNoRoom(error) && !closing.signal.aborted) {
          // The same bytes go to the same place once there is room; whoever waits for them has no answer until then.
          later.unshift(batch);
          await timers.sleep(roomPeriodMs, closing.signal).catch(() => {});
          continue;
        }
        // The memory is now ahead of the disk and nobody can tell by how much: refuse everything until a restart.
        failure = new Error(`sandbox journal: cannot write ${path}; free space or mend the disk, then restart`, {
          cause: error,
        });
        for (const lost of [batch, ...later, waiting]) lost?.durable.reject(failure);
        later = [];
        waiting = undefined;
      }
    }
    writing = undefined;
  }

  async function writeBatch(batch: Batch): Promise<void> {
    if (!file) throw new Error('append before rebuild');
    const body = Buffer.from(batch.lines.join(''));
    const bytes = Buffer.concat([Buffer.from(`#${body.length} ${crc32(body)}\n`), body]);
    await writeFully(file, bytes, position);
    await file.datasync();
    position += bytes.length;
  }
}

interface Batch {
  readonly lines: string[];
  sizeBytes: number;
  done: boolean;
  readonly durable: PromiseWithResolvers<void>;
}

function createBatch(): Batch {
  const durable = Promise.withResolvers<void>();
  // Whoever waits sees the failure; a batch nobody waits for must not end the process.
  durable.promise.catch(() => {});
  return { lines: [], sizeBytes: 0, done: false, durable };
}

function hasNoRoom(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');
}

async function openOrCreate(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r+');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const created = await open(path, 'wx+', 0o600);
    // The file's name must be durable too, or a power cut could take the whole file.
    const folder = await open(dirname(path));
    await folder.sync().finally(() => folder.close());
    return created;
  }
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

async function readBatches(file: FileHandle, path: string, onRecord: (record: LedgerRecord) => void) {
  const { size } = await file.stat();
  if (size === 0) return { endsAt: 0, records: 0, tornBytes: 0 };
  const start = await readAt(file, 0, magic.length);
  if (start.toString() !== magic) {
    if (size < magic.length && magic.startsWith(start.toString())) return { endsAt: 0, records: 0, tornBytes: size };
    throw new Error(`sandbox journal: ${path} is not a sandbox journal; give another path or move the file away`);
  }
  let endsAt = magic.length;
  let records = 0;
  while (endsAt < size) {
    const batch = await readBatch(file, endsAt, size);
    if (!batch) break;
    for (const line of batch.body.toString().split('\n')) {
      if (line === '') continue;
      onRecord(JSON.parse(line) as LedgerRecord);
      records++;
    }
    endsAt = batch.endsAt;
  }
  if (endsAt < size) await refuseDamageInside(file, path, endsAt, size);
  return { endsAt, records, tornBytes: size - endsAt };
}

/** The longest header: "#" + 15 digits + " " + 10 digits + newline. */
const headerBytesMax = 28;

async function readBatch(file: FileHandle, at: number, size: number) {
  const head = (await readAt(file, at, headerBytesMax)).toString('latin1');
  const header = /^#(\d+) (\d+)\n/.exec(head);
  if (!header) return undefined;
  const length = Number(header[1]);
  if (at + header[0].length + length > size) return undefined;
  const body = await readAt(file, at + header[0].length, length);
  if (crc32(body) !== Number(header[2])) return undefined;
  return { body, endsAt: at + header[0].length + length };
}

/** Damage followed by a whole batch did not come from an unfinished last write. */
async function refuseDamageInside(file: FileHandle, path: string, from: number, size: number): Promise<void> {
  const tail = (await readAt(file, from, size - from)).toString('latin1');
  for (let at = tail.indexOf('\n#', 1); at !== -1; at = tail.indexOf('\n#', at + 1)) {
    if (await readBatch(file, from + at + 1, size)) {
      throw new Error(
        `sandbox journal: ${path} is damaged at byte ${from} but goes on after it; restore it from a copy, ` +
          'or move it away to start with empty books',
      );
    }
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}
