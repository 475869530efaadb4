import { expect, test } from 'vitest';
import type { SystemView } from '#contracts/operators';
import { flowOf, quantileMs } from './flow.ts';

const boundsSec = [0.01, 0.1, 1];
const at = (sec: number) => ({ at: new Date(sec * 1_000).toISOString(), boundsSec }) as unknown as SystemView;
const counted = (buckets: number[], failed = 0) => ({
  calls: buckets.reduce((sum, count) => sum + count, 0),
  failed,
  buckets,
});

test('rate, failures and times are of what happened between two readings', () => {
  const flow = flowOf(counted([100, 0, 0, 0], 7), counted([100, 10, 0, 0], 8), { from: at(0), to: at(20) });
  expect(flow.perSec).toBe(0.5);
  expect(flow.failing).toBe(0.1);
  expect(flow.p50Ms).toBeCloseTo(55);
});

test('a process that began anew counts from nothing, and never below', () => {
  const flow = flowOf(counted([100, 0, 0, 0], 50), counted([4, 0, 0, 0]), { from: at(0), to: at(4) });
  expect(flow).toMatchObject({ perSec: 1, failing: 0 });
});

test('one reading tells of no rate, and no calls of no time', () => {
  expect(flowOf(undefined, counted([5, 0, 0, 0]), { from: undefined, to: at(1) }).perSec).toBe(0);
  expect(quantileMs([0, 0, 0, 0], boundsSec, 0.99)).toBeUndefined();
});

test('what is slower than the last bound counts as that bound', () => {
  expect(quantileMs([0, 0, 0, 3], boundsSec, 0.5)).toBe(1_000);
});
