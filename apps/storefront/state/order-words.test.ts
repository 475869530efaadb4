import { expect, test } from 'vitest';
import { OrderState } from '#contracts/orders';
import { reasonWords, stateWords, stepsDone } from './order-words.ts';

const states = OrderState.anyOf.map((each) => each.const);

test('every state of an order has its words, and only what is decided is called confirmed', () => {
  expect(Object.keys(stateWords).sort()).toEqual([...states].sort());
  const saysConfirmed = states.filter((state) => stateWords[state].title.includes('is confirmed'));
  expect(saysConfirmed).toEqual(['confirmed']);
});

test('steps are done in order, and none beyond what has happened', () => {
  expect(['received', 'held', 'authorized', 'confirmed'].map((state) => stepsDone({ state: state as 'held' }))).toEqual(
    [1, 2, 3, 4],
  );
  expect(stepsDone({ state: 'refused' })).toBe(1);
});

test('a refusal says why and what to do, also for reasons that nobody thought of', () => {
  const declined = { code: 'payments/declined', detail: 'x', data: { declineCode: 'expired_card' } };
  expect(reasonWords(declined)).toMatchObject({ why: 'The card has expired.' });
  const short = { code: 'inventory/out-of-stock', detail: 'x', data: { shortages: [{ sku: 'A', available: 2 }] } };
  expect(reasonWords(short).why).toContain('only 2 left');
  expect(reasonWords({ code: 'some/new-thing', detail: 'The moon is full.' })).toMatchObject({
    why: 'The moon is full.',
  });
  expect(reasonWords(undefined).todo).toContain('Order again');
});
