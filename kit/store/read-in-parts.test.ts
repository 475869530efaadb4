import { expect, test } from 'vitest';
import { readInParts } from './read-in-parts.ts';

test.each([0, 1, 2, 3, 4, 5])('all of %i rows are read once, in order, two at a time', async (count) => {
  const limits: number[] = [];
  async function read(last: number | undefined, limit: number) {
    limits.push(limit);
    return Array.from({ length: count }, (_, i) => i + 1)
      .filter((row) => row > (last ?? 0))
      .slice(0, limit);
  }
  const rows: number[] = [];
  for await (const row of readInParts(read, 2)) rows.push(row);
  expect(rows).toEqual(Array.from({ length: count }, (_, i) => i + 1));
  expect(limits).toEqual(Array(Math.floor(count / 2) + 1).fill(2));
});

test('nothing is read before somebody wants it', async () => {
  let reads = 0;
  const rows = readInParts(async () => {
    reads += 1;
    return [1, 2];
  }, 2);
  expect(reads).toBe(0);
  expect((await rows.next()).value).toBe(1);
  expect((await rows.next()).value).toBe(2);
  expect(reads).toBe(1);
  await rows.return(undefined);
});
