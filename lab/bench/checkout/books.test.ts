import { expect, test } from 'vitest';
import { type Books, faultsOf } from './books.ts';

const books: Books = {
  confirmed: 10,
  undecided: 0,
  sagasUnderWay: 0,
  captured: 10,
  confirmedMinor: 5_000,
  capturedMinor: 5_000,
  unitsSold: 20,
  unitsHeld: 0,
  eventsNotRelayed: 0,
  eventsNotConsumed: 0,
  lettersWritten: 10,
  ordersCounted: 10,
};

test('books that agree with what clients were told have no faults', () => {
  expect(faultsOf(books, { orders: 10, units: 20 })).toEqual([]);
});

test.each([
  [{ ...books, captured: 9 }, 10, 'captured payments: 9 instead of 10'],
  [books, 11, 'confirmed orders: 10 instead of 11'],
  [{ ...books, capturedMinor: 4_999 }, 10, 'captured minor units: 4999 instead of 5000'],
  [{ ...books, unitsSold: 19, unitsHeld: 1 }, 10, 'units held: 1 instead of 0'],
  [{ ...books, unitsSold: 19 }, 10, 'units sold: 19 instead of 20'],
  [{ ...books, eventsNotConsumed: 3 }, 10, 'events not consumed: 3 instead of 0'],
  [{ ...books, lettersWritten: 11 }, 10, 'letters written: 11 instead of 10'],
])('what does not add up is named', (wrong, acknowledged, fault) => {
  expect(faultsOf(wrong, { orders: acknowledged, units: 20 })).toContain(fault);
});

test('a figure that could not be read is a fault', () => {
  expect(faultsOf({ ...books, captured: Number.NaN }, { orders: 10, units: 20 })).toContain(
    'captured payments: NaN instead of 10',
  );
});
