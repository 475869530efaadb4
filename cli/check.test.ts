import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { newFolder, runCommand } from './testing.ts';

const example = join(import.meta.dirname, '../lab/checkers/examples');

async function check(...args: string[]) {
  const run = runCommand('check', ...args);
  return { code: await run.ended, out: run.stdout(), err: run.stderr() };
}

function fileOf(lines: readonly object[], name = 'run.ndjson'): string {
  const file = join(newFolder(), name);
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  writeFileSync(file, name.endsWith('.gz') ? gzipSync(text) : text);
  return file;
}

test('a history that is in order ends with 0, and says which checks ran and which could not', async () => {
  const { code, out } = await check(join(example, 'sound.ndjson'));
  expect(code).toBe(0);
  expect(out).toContain('✓ an accepted order is never lost');
  expect(out).toContain('– payments agree with the provider');
  expect(out).toMatch(/0 violated, \d+ hold, \d+ not applicable to this file\n$/);
});

test('a history that is not ends with 5, and tells what is wrong', async () => {
  const { code, out } = await check(join(example, 'broken.ndjson'), '--json');
  expect(code).toBe(5);
  const report = JSON.parse(out);
  expect(report).toMatchObject({ ok: false, operations: 5 });
  const violated = report.checks.filter(({ status }: { status: string }) => status === 'violated');
  expect(violated.map(({ name }: { name: string }) => name)).toEqual([
    'an accepted order is never lost',
    'nobody is charged twice, and charged means confirmed',
    'holds are linearizable against units on hand',
  ]);
});

test('a gzip file is read as well', async () => {
  const lines = [
    { type: 'history', version: 1 },
    { type: 'section', of: 'stock', rows: 1 },
    {
      type: 'row',
      of: 'stock',
      row: { sku: 'A', received: 2, onHand: 2, held: 0, sold: 0, writtenOff: 0, version: 1 },
    },
  ];
  expect(await check(fileOf(lines, 'run.ndjson.gz'))).toMatchObject({ code: 0 });
});

test('gzip is seen in the content, and one that is cut short is no history', async () => {
  const lines = Array.from({ length: 2_000 }, (_, i) => ({ type: 'history', version: 1, i: Math.sin(i) }));
  const whole = readFileSync(fileOf(lines, 'run.ndjson.gz'));
  const cut = join(dirname(fileOf([], 'x.ndjson')), 'cut.ndjson');
  writeFileSync(cut, whole.subarray(0, 20_000));
  const { code, err } = await check(cut);
  expect({ code, err }).toMatchObject({ code: 2 });
  expect(await check(fileOf([], 'empty.ndjson'))).toMatchObject({
    code: 2,
    err: expect.stringContaining('there is no history to check (lab/checkers'),
  });
});

test('what is no history ends with 2, with the line that is wrong', async () => {
  const broken = fileOf([
    { type: 'history', version: 1 },
    { type: 'ok', id: '1', atMs: 0 },
  ]);
  expect(await check(broken)).toMatchObject({ code: 2, err: expect.stringContaining('line 2: operation 1 was never') });
  expect(await check(fileOf([{ type: 'history', version: 1 }]))).toMatchObject({
    code: 2,
    err: expect.stringContaining('has nothing that a check could look at'),
  });
  expect(await check('nowhere.ndjson')).toMatchObject({ code: 2, err: expect.stringContaining('There is no file') });
  expect(await check()).toMatchObject({ code: 2 });
});
