import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createProgress, renderBar, renderLine } from './progress.ts';
import { createRejectsWriter } from './rejects.ts';
import { type RawRow, rejectRow } from './row.ts';
import { withDirectory } from './testing/files.ts';

const at = (done: number) => ({ label: 'replaying', done, total: 40_000, unit: 'lines' });

function harness(isTTY: boolean, environment: Record<string, string> = {}) {
  let nowMs = 0;
  const written: string[] = [];
  const output = { isTTY, columns: 100, write: (text: string) => written.push(text) };
  const clock = { now: () => nowMs, monotonicMs: () => nowMs };
  const progress = createProgress({ output, clock, environment });
  const run = (seconds: number, perSec: number) => {
    for (const end = nowMs + seconds * 1_000; nowMs < end; nowMs += 10) progress.update(at((nowMs * perSec) / 1_000));
  };
  return { progress, written, run };
}

test('off a terminal there is a plain line every five seconds', () => {
  const { progress, written, run } = harness(false);
  run(12, 1_000);
  progress.end();
  expect(written).toEqual([
    'replaying 0 of 40,000 lines (0 %)\n',
    'replaying 5,000 of 40,000 lines (12 %), 1,000/s, 35 s left\n',
    'replaying 10,000 of 40,000 lines (25 %), 1,000/s, 30 s left\n',
    'replaying 11,990 of 40,000 lines (29 %), 999/s, 29 s left\n',
  ]);
});

test('on a terminal the bar redraws ten times a second, in colour unless NO_COLOR', () => {
  const coloured = harness(true);
  coloured.run(1, 1_000);
  expect(coloured.written).toHaveLength(10);
  expect(coloured.written.at(-1)).toContain('\u001b[32m');
  coloured.progress.end();
  expect(coloured.written.at(-1)).toBe('\n');

  const plain = harness(true, { NO_COLOR: '1' });
  plain.run(1, 1_000);
  expect(plain.written.join('')).not.toContain('\u001b[32m');
});

test('the bar fits the terminal, however narrow', () => {
  for (const columns of [10, 40, 60, 80, 200]) {
    expect(renderBar(at(20_000), 1_000, columns, false).length).toBeLessThan(columns);
  }
  expect(renderBar(at(20_000), 1_000, 200, false)).toMatch(/^█{15}░{15} replaying 20,000/);
});

test('an unknown total shows the count alone', () => {
  expect(renderLine({ ...at(7), total: 0, note: '2 orders' }, 10)).toBe('replaying 7 lines, 10/s, 2 orders');
});

test('the rejects file names file, line, reason and the row as it was, and an old one does not survive', async () => {
  await withDirectory(async (directory) => {
    const path = join(directory, 'rejects.ndjson');
    const raw = { file: 'may.csv', line: 7, fields: ['1', 'x, "y"', ''] } as unknown as RawRow;
    for (const count of [2_000, 1]) {
      const writer = await createRejectsWriter(path);
      for (let index = 0; index < count; index += 1) await writer.write(rejectRow(raw, 'bad-price', 'why'));
      await writer.close();
      const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
      expect(lines).toHaveLength(count);
      expect(JSON.parse(lines[0] ?? '')).toEqual({
        file: 'may.csv',
        line: 7,
        reason: 'bad-price',
        message: 'why',
        row: ['1', 'x, "y"', ''],
      });
    }
    await (await createRejectsWriter(path)).close();
    await expect(readFile(path)).rejects.toThrow('ENOENT');
  });
});

test('a rejects file that cannot be written is an error, not a silence', async () => {
  await withDirectory(async (directory) => {
    const writer = await createRejectsWriter(join(directory, 'missing', 'rejects.ndjson'));
    const reject = rejectRow(
      { file: 'x', line: 1, fields: ['y'.repeat(50_000)] } as unknown as RawRow,
      'bad-price',
      'why',
    );
    const writing = async () => {
      for (let index = 0; index < 10; index += 1) await writer.write(reject);
      await writer.close();
    };
    await expect(writing()).rejects.toThrow('ENOENT');
  });
});
