import { expect, test } from 'vitest';
import { barOf, median, openReport, pairedRatio, type Run } from './report.ts';

const run = (perSec: number): Run => ({ name: 'x', clients: 1, perSec, p50Ms: 1, p99Ms: 1 });

test('a median is a value that was measured', () => {
  expect(median([5, 1, 3])).toBe(3);
  expect(median([4, 1, 3, 2])).toBe(2);
  expect(() => median([])).toThrow('median of nothing');
});

test('a ratio pairs the rounds, so a round that was disturbed for both changes nothing', () => {
  expect(pairedRatio([run(200), run(20), run(220)], [run(100), run(10), run(100)])).toBe(2);
});

test('a missed bar fails the report and a missed goal does not', () => {
  const bar = barOf({ name: 'a', value: 0.9, limit: 1, unit: '×', rule: 'at-least' });
  const goal = barOf({ name: 'b', value: 2, limit: 3, unit: '×', rule: 'at-least', kind: 'goal' });
  const below = barOf({ name: 'c', value: 50, limit: 50, unit: 'ms', rule: 'below' });
  expect([bar.ok, goal.ok, below.ok]).toEqual([false, false, false]);
  const found = { ratios: {}, runs: [], details: {} };
  expect(openReport('x')({ ...found, bars: [bar] }).ok).toBe(false);
  expect(openReport('x')({ ...found, bars: [goal] }).ok).toBe(true);
});
