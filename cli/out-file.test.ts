import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { explain } from './failure.ts';
import { requireWritableFile, writableFolder } from './out-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'holdfast-out-'));
const file = join(folder, 'file');
writeFileSync(file, 'kept');
afterAll(() => rmSync(folder, { recursive: true }));

const refusal = (work: () => unknown): string => {
  try {
    work();
    return 'fine';
  } catch (error) {
    const { exitCode, sentence } = explain(error);
    return `${exitCode}: ${sentence.replaceAll(folder, '~')}`;
  }
};

test('a file that could not be written at the end is refused at the beginning, and nothing is left there', () => {
  expect(refusal(() => requireWritableFile(file, '--history'))).toBe('fine');
  expect(refusal(() => requireWritableFile(join(folder, 'new'), '--history'))).toBe('fine');
  expect(refusal(() => requireWritableFile(folder, '--history'))).toBe(
    '2: --history ~ is a folder: name a file in it.',
  );
  expect(refusal(() => requireWritableFile(join(folder, 'a', 'b'), '--history'))).toBe(
    '2: There is no folder ~/a for --history: make it, or name another file.',
  );
  expect(refusal(() => requireWritableFile('', '--history'))).toBe('2: --history is empty: name a file.');
});

test('a folder is taken that is there or can be made, and no other', () => {
  expect(writableFolder(join(folder, 'a', 'b'), '--report')).toBe(join(folder, 'a', 'b'));
  expect(refusal(() => writableFolder(file, '--report'))).toBe(
    "4: ~/file can't be made, because ~/file is a file: move it, or choose another place with --report.",
  );
  expect(refusal(() => writableFolder('', '--report'))).toBe('2: --report is empty: name a directory.');
});
