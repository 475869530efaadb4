import { expect, test } from 'vitest';
import { createTextIndex } from './text-index.ts';

test('every text finds what was added under it, in order, and one that was not added nearly always nothing', () => {
  const index = createTextIndex();
  const count = 20_000;
  for (let i = 0; i < count; i++) index.add(`ord_${i}/authorize`, i);
  for (let i = 0; i < count; i += 2) index.add(`ord_${i}/authorize`, count + i);
  let strangers = 0;
  for (let i = 0; i < count; i++) {
    expect(index.of(`ord_${i}/authorize`)).toEqual(expect.arrayContaining(i % 2 === 0 ? [i, count + i] : [i]));
    strangers += index.of(`ord_${i}/capture`).length;
  }
  expect(strangers).toBeLessThan(10);
});

test('texts that share a hash are found under each other', () => {
  const index = createTextIndex();
  const [one, other] = collision();
  index.add(one, 1);
  index.add(other, 2);
  expect(index.of(one)).toEqual([1, 2]);
  expect(index.of(other)).toEqual([1, 2]);
});

/** By the birthday paradox two of some 100,000 texts share 32 bits. */
function collision(): [string, string] {
  const index = createTextIndex();
  for (let i = 0; ; i++) {
    const [before] = index.of(`t${i}`);
    if (before !== undefined) return [`t${before}`, `t${i}`];
    index.add(`t${i}`, i);
  }
}
