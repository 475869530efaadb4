import { expect, test } from 'vitest';
import { waitMsOf } from './retry.ts';

test('each try waits longer than the one before, up to half a minute', () => {
  const waits = Array.from({ length: 100 }, (_, tries) => waitMsOf(tries, 0, 0.5));
  expect(waits.slice(0, 5)).toEqual([3_000, 6_000, 12_000, 24_000, 30_000]);
  expect(Math.max(...waits)).toBe(30_000);
});

test('those who wait are spread by a quarter either way', () => {
  expect([waitMsOf(0, 0, 0), waitMsOf(0, 0, 1)]).toEqual([2_250, 3_750]);
});

test('nobody comes before the server wants to be asked again', () => {
  expect(waitMsOf(0, 60_000, 0)).toBe(60_000);
});
