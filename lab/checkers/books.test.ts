import { expect, test } from 'vitest';
import { type Accepted, checkBooks } from './books.ts';
import { sound } from './guarantees/sound.testing.ts';

const accepted: Accepted[] = [
  { key: 'k1', orderId: 'ord_1', state: undefined },
  { key: 'k1', orderId: 'ord_1', state: 'confirmed' },
  { key: 'k2', orderId: 'ord_2', state: 'refused' },
];

test('books that are in order have no violations', () => {
  expect(checkBooks(sound, accepted)).toEqual([]);
});

test('each violation is told under the guarantee that it breaks', () => {
  expect(checkBooks(sound, [...accepted, { key: 'k9', orderId: 'ord_9', state: undefined }])).toEqual([
    { guarantee: 'an accepted order is never lost', detail: 'ord_9 was acknowledged (operation k9 3) and is gone' },
  ]);
  const broken = { ...sound, ledger: [] };
  expect(checkBooks(broken, accepted).map(({ guarantee }) => guarantee)).toEqual([
    'nobody is charged twice, and charged means confirmed',
    'payments agree with the provider',
  ]);
});

test('a repeat that was answered with another order is found', () => {
  const guarantees = checkBooks(sound, [...accepted, { key: 'k1', orderId: 'ord_3', state: 'confirmed' }]);
  expect(guarantees.map(({ guarantee }) => guarantee)).toContain('a repeat makes no second order');
});
