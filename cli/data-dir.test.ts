import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { placeOf } from './data-dir.ts';
import { newFolder } from './testing.ts';

test('a folder may have to be made, on the way to it too', () => {
  const folder = newFolder();
  expect(placeOf(join(folder, 'a', 'b'), '--data-dir')).toBe(join(folder, 'a', 'b'));
  expect(placeOf(folder, '--data-dir')).toBe(folder);
});

test('an empty name is not the current folder', () => {
  expect(() => placeOf('', '--data-dir')).toThrow('--data-dir is empty: name a directory.');
});

test('a file in its place or on its way is named', () => {
  const file = join(newFolder(), 'file');
  writeFileSync(file, '');
  for (const place of [file, join(file, 'data')]) {
    expect(() => placeOf(place, '--report')).toThrow(
      `${file} is a file: move it, or choose another place with --report.`,
    );
  }
});

test.runIf(process.platform === 'linux')('a place in which Node would try for ever is refused', () => {
  expect(() => placeOf('/proc/nope/data', '--data-dir')).toThrow('/proc shows processes and takes no files');
});

test('a file system that is read-only is named', ({ skip }) => {
  const folder = join(newFolder(), 'für später');
  mkdirSync(folder);
  skip(spawnSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', folder]).status !== 0, 'only root may mount, on Linux');
  onTestFinished(() => void spawnSync('umount', [folder]));
  expect(() => placeOf(join(folder, 'a', 'b'), '--data-dir')).toThrow(
    `the file system of ${folder} is read-only; choose another place with --data-dir.`,
  );
});
