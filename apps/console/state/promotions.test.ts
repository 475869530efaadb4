import { expect, test } from 'vitest';
import type { Promotion } from '#contracts/carts';
import { inputOf, percentOf, ratePpmOf, standingOf } from './promotions.ts';

const promotion: Promotion = {
  ...{ code: 'TEN', name: 'Ten', offer: { kind: 'percentage', ratePpm: 100_000 }, used: 3, version: 2 },
  ...{ startsAt: '2026-01-01T00:00:00Z', endsAt: '2026-02-01T00:00:00Z', ordersMax: 5 },
};
const at = (time: string, over: Partial<Promotion> = {}) =>
  standingOf({ ...promotion, ...over }, Date.parse(time)).word;

test('a promotion is to come, on, used up or over; and off whenever somebody turned it off', () => {
  expect(at('2025-12-31T23:59:59Z')).toBe('to come');
  expect(at('2026-01-01T00:00:00Z')).toBe('on');
  expect(at('2026-01-15T00:00:00Z', { used: 5 })).toBe('used up');
  expect(at('2026-02-01T00:00:00Z')).toBe('over');
  expect(at('2026-01-15T00:00:00Z', { active: false })).toBe('off');
});

test('rates are typed in per cent and kept in parts per million, exactly', () => {
  expect(['10', '8.875', '8,875', '100', '0.0001'].map(ratePpmOf)).toEqual([100_000, 88_750, 88_750, 1_000_000, 1]);
  expect(['', 'x', '101', '-1', '1.00001'].map(ratePpmOf)).toEqual([
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  expect(ratePpmOf(percentOf(88_750))).toBe(88_750);
});

test('what is edited is what was read, less what only the service says', () => {
  expect(inputOf(promotion)).not.toHaveProperty('used');
  expect(inputOf(promotion)).toMatchObject({ name: 'Ten', ordersMax: 5 });
});
