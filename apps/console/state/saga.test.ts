import { expect, test } from 'vitest';
import type { SagaView } from './order.ts';
import { canBeAbandoned } from './saga.ts';

const steps = ['hold', 'confirm', 'capture'].map((name) => ({ name, pivot: name === 'confirm' }));
const saga = (status: string, step: number, more: Partial<SagaView> = {}) =>
  ({ status, step, steps, ...more }) as SagaView;

test('a saga is offered for abandoning where the shop would do it: before its pivot, and stuck', () => {
  expect(canBeAbandoned(saga('running', 0))).toBe(true);
  expect(canBeAbandoned(saga('running', 1))).toBe(true);
  expect(canBeAbandoned(saga('running', 2))).toBe(false);
  expect(canBeAbandoned(saga('stuck', 2))).toBe(true);
  for (const status of ['compensating', 'completed', 'refused', 'abandoned'])
    expect(canBeAbandoned(saga(status, 0))).toBe(false);
  const forwardOnly = steps.map(({ name }) => ({ name, pivot: false }));
  expect(canBeAbandoned(saga('running', 0, { steps: forwardOnly }))).toBe(false);
});
