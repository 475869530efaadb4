import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createVirtualWorld } from '#kit/runtime';
import { createFileJournal } from './journal.ts';
import type { LedgerRecord } from './ledger-types.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sandbox-journal-'));
  path = join(folder, 'deeper', 'books.log');
});
afterEach(() => rm(folder, { recursive: true }));

const record = (seq: number) => ({ seq, key: `clé-${seq}`, movements: [] }) as unknown as LedgerRecord;

async function reopen() {
  const journal = createFileJournal({ path });
  const seqs: number[] = [];
  const health = await journal.rebuild(({ seq }) => seqs.push(seq));
  return { journal, seqs, health };
}

async function seqsThere(): Promise<number[]> {
  const { journal, seqs } = await reopen();
  await journal.close();
  return seqs;
}

/** Writes each group as one batch. */
async function write(...groups: number[][]): Promise<void> {
  const { journal } = await reopen();
  for (const group of groups) await Promise.all(group.map((seq) => journal.append(record(seq))));
  await journal.close();
}

test('what was appended is there after a restart, in order', async () => {
  await write([1, 2, 3], [4]);
  await write([5]);
  const { seqs, health, journal } = await reopen();
  expect(seqs).toEqual([1, 2, 3, 4, 5]);
  expect(health).toEqual({ records: 5, tornBytes: 0 });
  await journal.close();
});

test('records that come together share a batch, up to its bound', async () => {
  const journal = createFileJournal({ path, batchBytesMax: 200 });
  await journal.rebuild(() => {});
  await Promise.all(Array.from({ length: 20 }, (_, i) => journal.append(record(i + 1))));
  await journal.close();
  const batches = (await readFile(path, 'utf8')).split('\n').filter((line) => /^#\d/.test(line));
  expect(batches.length).toBeGreaterThan(3);
  expect(batches.length).toBeLessThan(11);
  expect(await seqsThere()).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
});

test('an unfinished last write is cut off wherever it tore, and writing goes on after it', async () => {
  await write([1, 2], [3, 4]);
  const whole = await readFile(path);
  const lastBatchAt = whole.lastIndexOf('\n#') + 1;
  for (let end = lastBatchAt; end < whole.length; end++) {
    await writeFile(path, whole.subarray(0, end));
    const { seqs, health, journal } = await reopen();
    expect(seqs).toEqual([1, 2]);
    expect(health.tornBytes).toBe(end - lastBatchAt);
    await journal.append(record(3));
    await journal.close();
    expect(await seqsThere()).toEqual([1, 2, 3]);
  }
});

test('a last batch with a flipped byte counts as unfinished', async () => {
  await write([1], [2]);
  await flipByte((await stat(path)).size - 3);
  expect(await seqsThere()).toEqual([1]);
});

test('damage before the last batch is refused, with the place and the remedy', async () => {
  await write([1], [2], [3]);
  await flipByte(60);
  await expect(reopen()).rejects.toThrow(/damaged at byte 28 but goes on after it; restore it/);
});

test('a file of another kind is refused and left alone', async () => {
  await write([1]);
  await writeFile(path, 'shopping list: milk, eggs, a sandbox');
  await expect(reopen()).rejects.toThrow(/is not a sandbox journal/);
  expect(await readFile(path, 'utf8')).toContain('milk');
});

test('a file that tore in its very first line starts anew', async () => {
  await write([1]);
  await truncate(path, 10);
  const { seqs, journal } = await reopen();
  expect(seqs).toEqual([]);
  await journal.append(record(1));
  await journal.close();
  expect(await seqsThere()).toEqual([1]);
});

test('while the disk is full nothing is said to be written, and all of it is when there is room', async () => {
  const { timers, advance } = createVirtualWorld({ seed: 1 });
  const journal = createFileJournal({ path, timers });
  await journal.rebuild(() => {});
  const file = await open(path);
  const write = vi.spyOn(Object.getPrototypeOf(file), 'write');
  await file.close();
  const full = () => Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
  write.mockImplementationOnce(full).mockImplementationOnce(full);
  let isDurable = false;
  const appended = Promise.all([journal.append(record(1)), journal.append(record(2))]).then(() => {
    isDurable = true;
  });
  await expect.poll(() => write.mock.calls.length).toBe(1);
  const later = journal.append(record(3));
  expect(isDurable).toBe(false);
  await expect.poll(() => advance(500).then(() => write.mock.calls.length)).toBeGreaterThan(2);
  await Promise.all([appended, later]);
  await journal.close();
  write.mockRestore();
  expect(await seqsThere()).toEqual([1, 2, 3]);
});

test('closing does not wait for room, and says that nothing was written', async () => {
  const journal = createFileJournal({ path, timers: createVirtualWorld({ seed: 1 }).timers });
  await journal.rebuild(() => {});
  const file = await open(path);
  const full = () => Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
  const write = vi.spyOn(Object.getPrototypeOf(file), 'write').mockImplementation(full);
  await file.close();
  const refused = expect(journal.append(record(1))).rejects.toThrow(/cannot write/);
  await expect.poll(() => write.mock.calls.length).toBe(1);
  await journal.close();
  write.mockRestore();
  await refused;
});

test('after a failed write every append is refused', async () => {
  const { journal } = await reopen();
  await journal.close();
  await expect(journal.append(record(1))).rejects.toThrow(/closed/);
  await expect(journal.settled()).rejects.toThrow(/closed/);
});

async function flipByte(position: number): Promise<void> {
  const file = await open(path, 'r+');
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, position);
  buffer[0] = (buffer[0] as number) ^ 0xff;
  await file.write(buffer, 0, 1, position);
  await file.close();
}
